//! Writes that something newer stands in the way of, at another owner, which their node has not seen
//! (`docs/adr/0021`).

use bytes::Bytes;
use dynarust_core::Consistency::All;
use dynarust_core::{NodeId, Record, Seq, Version};
use tokio::task::JoinHandle;

use super::members::{Members, until, until_found};
use super::wires::Way;
use crate::mesh::Channel;
use crate::{Acknowledged, RefusedWrite};

/// What another node stamped a little later than that.
fn later(than: Version, previous: Option<Version>) -> Record {
    Record {
        version: Version { hlc: than.hlc + 1000, node: NodeId(77) },
        previous,
        expiry: None,
        tombstone: false,
        expired: false,
        value: Bytes::from_static(b"newer"),
    }
}

/// A write at all owners that has come to node 1, and not to node 2: there lies already what `made` makes of its
/// version. The version and seq of the write.
async fn write_in_its_way(
    members: &Members,
    made: impl FnOnce(Version) -> Record,
) -> (JoinHandle<Result<Acknowledged, RefusedWrite>>, Version, Seq) {
    // What is newer comes to node 0 by no other way.
    members.store(0).hold_arrivals(true);
    let to_the_third = Way { from: 0, to: 2, channel: Channel::Data };
    members.wires.shut(to_the_third);
    let write = members.begin(0, "key", "mine", All);
    until_found("it is at node 1", async || members.held(1, "key").await.is_some()).await;
    let mine = members.stored(0, "key").await.unwrap();
    let version = mine.record.version;
    members.take_in(2, "key", made(version)).await;
    members.wires.open(to_the_third);
    (write, version, mine.seq)
}

/// Node 2 has what node 0 published as that.
async fn until_taken(members: &Members, seq: Seq) {
    let source = members.id(0);
    let positions = &members.node(2).cluster.positions;
    until("it was taken in", || positions.get(source).is_some_and(|it| it.seq >= seq)).await;
}

/// That it stands in the way is told once, with an acknowledgement; and again where that went down with its link.
#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_told_again_over_the_next_link() {
    let members = Members::running(3).await;
    let acknowledgements = Way { from: 2, to: 0, channel: Channel::Data };
    members.wires.shut(acknowledgements);
    let (write, mine, seq) = write_in_its_way(&members, |mine| later(mine, None)).await;
    until_taken(&members, seq).await;
    let link = members.link(0, 2, Channel::Data).unwrap();
    members.wires.cut(0, 2);
    until("the link is given up", || members.link(0, 2, Channel::Data).is_none()).await;
    assert!(link.is_closed());
    members.wires.heal(0, 2);
    let acknowledged = write.await.unwrap().unwrap();
    let newer = later(mine, None).version;
    assert!(acknowledged.version > newer, "acknowledged below what it did not see");
}

/// Who wrote over a write had read it: it has been there, and is over.
#[tokio::test(start_paused = true)]
async fn what_was_written_over_is_not_written_again() {
    let members = Members::running(3).await;
    let (write, mine, _) = write_in_its_way(&members, |mine| later(mine, Some(mine))).await;
    assert_eq!(write.await.unwrap().unwrap().version, mine);
    members.store(0).hold_arrivals(false);
    for number in 0..3 {
        let is_over = async || members.held(number, "key").await.as_deref() == Some(b"newer");
        until_found("what was written over it stays", is_over).await;
    }
}
