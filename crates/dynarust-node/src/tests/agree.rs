//! All live members agree: they know a change, and what they acknowledged before stands at all of them.

use std::time::Duration;

use dynarust_core::Consistency;
use tokio::time::timeout;

use super::members::Members;
use super::wires::Way;
use crate::mesh::Channel;

/// Shorter than any silence after which a link is given up.
const SHORT: Duration = Duration::from_millis(300);

fn words(from: usize, to: usize) -> Way {
    Way { from, to, channel: Channel::Data }
}

#[tokio::test(start_paused = true)]
async fn who_acknowledged_what_another_lacks_does_not_agree_yet() {
    let members = Members::running(3).await;
    members.wires.shut(words(1, 2));
    members.put(1, "k", "1", Consistency::One).await.unwrap();
    let mut agreeing = std::pin::pin!(members.node(0).cluster.agree());
    // Node 2 may have it by way of node 0; who acknowledged it does not know.
    assert!(timeout(SHORT, &mut agreeing).await.is_err());
    members.wires.open(words(1, 2));
    assert_eq!(agreeing.await, Ok(()));
    assert_eq!(members.held(2, "k").await.as_deref(), Some(&b"1"[..]));
}

#[tokio::test(start_paused = true)]
async fn who_has_not_heard_of_a_change_does_not_agree_yet() {
    let members = Members::running(3).await;
    let id = members.id(0);
    let known = |by: usize| members.node(by).cluster.view().registry.get(id).unwrap().revision;
    members.wires.shut(words(0, 2));
    members.node(0).cluster.change_own(|_| {});
    let now = known(0);
    let mut agreeing = std::pin::pin!(members.node(0).cluster.agree());
    assert!(timeout(SHORT, &mut agreeing).await.is_err());
    members.wires.open(words(0, 2));
    assert_eq!(agreeing.await, Ok(()));
    assert_eq!([1, 2].map(known), [now, now]);
}

/// It lacks what was written since, and is not asked.
#[tokio::test(start_paused = true)]
async fn who_is_down_holds_nobody_up() {
    let members = Members::running(3).await;
    members.wires.cut(0, 2);
    members.wires.cut(1, 2);
    members.until_down(&[0, 1], &[2]).await;
    for number in [0, 1] {
        members.put(number, "k", "1", Consistency::Available).await.unwrap();
        assert_eq!(members.node(number).cluster.agree().await, Ok(()));
    }
}
