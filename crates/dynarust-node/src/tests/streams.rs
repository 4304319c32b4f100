//! Live streams over nodes: they go on where their node dies, gives a partition up, or is left for another.

use std::collections::BTreeMap;
use std::time::Duration;

use dynarust_core::Consistency::{All, Available, One};
use dynarust_core::limits::RETURN_MILLIS_MAX;
use dynarust_core::{Partition, Selection, Selector, StreamCursor, TableName, Version};
use tokio::time::{sleep, timeout};

use super::members::{Members, Plan, name, until, until_found};
use super::mending::{ROTTEN, with_a_rotten_copy};
use super::wires::Way;
use crate::cluster::{ClusterConfig, Liveness};
use crate::mesh::Channel;
use crate::streams::{Begin, Event, RESET_ID, Subscription};

/// Longer than anything takes here, in time that costs nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader of the whole table, that checks what it is told.
struct Reader {
    stream: Option<Subscription>,
    held: BTreeMap<String, String>,
    versions: BTreeMap<String, Version>,
    /// All that it was told: `a=1`, `a=` for a delete, and the names of events.
    told: Vec<String>,
    last_id: Option<String>,
}

fn all() -> Selection {
    let table = TableName::parse("t").unwrap();
    Selection::new(vec![Selector::Prefix(table, String::new())]).unwrap()
}

impl Reader {
    fn begin(members: &Members, number: usize) -> Self {
        let stream = members.node(number).subscribe(all(), Begin::State).unwrap();
        Self {
            stream: Some(stream),
            held: BTreeMap::new(),
            versions: BTreeMap::new(),
            told: Vec::new(),
            last_id: None,
        }
    }

    /// It comes back, there.
    fn resume(&mut self, members: &Members, number: usize) {
        let id = self.last_id.clone().unwrap();
        let stream = members.node(number).subscribe(all(), Begin::After(id)).unwrap();
        self.stream = Some(stream);
        self.told.clear();
    }

    /// Reads until it has been told that.
    async fn until(&mut self, what: &str) {
        let reading = async {
            while !self.told.iter().any(|it| it == what) {
                self.read().await;
            }
        };
        let read = timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "{what} was not told, but {:?}", self.told);
    }

    async fn for_ever(&mut self) {
        loop {
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let items = self.stream.as_mut().unwrap().next().await.unwrap().expect("it ended");
        for item in items {
            self.told.push(match &item.event {
                Event::Change(stored) => {
                    let (key, record) = (stored.name.key().to_owned(), &stored.record);
                    let version = Some(record.version);
                    let before = self.versions.insert(key.clone(), record.version);
                    assert!(before <= version, "{key} fell behind {:?}", self.told);
                    let value = String::from_utf8(record.value.to_vec()).unwrap();
                    let told = format!("{key}={value}");
                    if record.holds_value() {
                        self.held.insert(key, value);
                    } else {
                        self.held.remove(&key);
                    }
                    told
                }
                Event::Reset => {
                    self.held.clear();
                    self.versions.clear();
                    "reset".to_owned()
                }
                other => format!("{other:?}").to_lowercase(),
            });
            self.last_id = Some(item.id);
        }
    }

    fn assert_not_reset(&self) {
        assert!(!self.told.iter().any(|it| it == "reset"), "{:?}", self.told);
    }
}

async fn put(members: &Members, number: usize, key: &str, value: &str) {
    members.put(number, key, value, Available).await.unwrap();
}

/// A reader at node 0 that has been told all there is: one record, which every node has.
async fn following_one_record(members: &Members) -> Reader {
    members.put(0, "a", "1", All).await.unwrap();
    let mut reader = Reader::begin(members, 0);
    reader.until("ready").await;
    reader
}

/// More nodes than copies.
async fn five() -> Members {
    let cluster = ClusterConfig { replication: 2, ..ClusterConfig::default() };
    Members::running_with(5, Plan::from(cluster)).await
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_at_another_node_behind_what_was_seen() {
    let members = Members::running(3).await;
    put(&members, 0, "a", "1").await;
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    put(&members, 1, "b", "1").await;
    reader.until("b=1").await;
    members.put(2, "c", "1", All).await.unwrap();
    members.delete(2, "a", All).await.unwrap();
    for number in [1, 2, 0, 1] {
        // Until each knows where it is in the feeds of the others.
        sleep(Duration::from_secs(1)).await;
        reader.resume(&members, number);
        reader.until("ready").await;
        reader.assert_not_reset();
        assert_eq!(
            reader.held,
            BTreeMap::from([("b".into(), "1".into()), ("c".into(), "1".into())])
        );
    }
    // Nothing was written since long ago: nothing is told again.
    assert_eq!(reader.told, ["ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_when_its_node_is_dead() {
    let mut members = Members::running(3).await;
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    members.put(0, "a", "1", All).await.unwrap();
    reader.until("a=1").await;
    reader.stream = None;
    members.kill(0).await;
    put(&members, 1, "b", "1").await;
    reader.resume(&members, 2);
    reader.until("ready").await;
    reader.assert_not_reset();
    assert!(reader.told.contains(&"b=1".to_owned()), "{:?}", reader.told);
}

/// What is no 200 would be the end of a browser's stream.
#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_a_node_that_comes_back() {
    let mut members = Members::running(3).await;
    members.put(0, "a", "1", All).await.unwrap();
    members.stop(2).await;
    [0, 1].into_iter().for_each(|other| members.wires.cut(2, other));
    members.start(2);
    let mut reader = Reader::begin(&members, 2);
    let looks_around = Duration::from_millis(RETURN_MILLIS_MAX / 2);
    assert!(timeout(looks_around, reader.read()).await.is_err(), "{:?}", reader.told);
    [0, 1].into_iter().for_each(|other| members.wires.heal(2, other));
    reader.until("ready").await;
    reader.assert_not_reset();
    assert_eq!(reader.held["a"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_too_long_is_asked_to_come_back() {
    let mut members = Members::running_of_seats(1, 2).await;
    members.wires.cut(0, 1);
    members.start(1);
    let mut reader = Reader::begin(&members, 1);
    reader.read().await;
    assert!(reader.told[0].starts_with("closing"), "{:?}", reader.told);
    assert!(reader.stream.unwrap().next().await.unwrap().is_none());
    assert_eq!(reader.last_id.unwrap(), RESET_ID);
}

/// Who has seen something at one node is told nothing older at another, however far behind that is.
#[tokio::test(start_paused = true)]
async fn a_node_that_has_less_than_was_seen_waits_until_it_has_it() {
    let members = Members::running(3).await;
    let mut reader = following_one_record(&members).await;
    members.store(1).hold_arrivals(true);
    members.put(0, "a", "2", One).await.unwrap();
    reader.until("a=2").await;
    reader.resume(&members, 1);
    assert!(timeout(Duration::from_millis(500), reader.read()).await.is_err(), "{:?}", reader.told);
    members.store(1).hold_arrivals(false);
    reader.until("ready").await;
    reader.assert_not_reset();
    assert_eq!(reader.held["a"], "2");
}

/// What one node had told of, and nobody else has, is gone with it for now: that is said.
#[tokio::test(start_paused = true)]
async fn what_a_dead_node_alone_had_told_is_gone_and_that_is_said() {
    let mut members = Members::running(3).await;
    let mut reader = following_one_record(&members).await;
    [1, 2].into_iter().for_each(|number| members.store(number).hold_arrivals(true));
    members.put(0, "a", "2", One).await.unwrap();
    reader.until("a=2").await;
    reader.stream = None;
    members.kill(0).await;
    [1, 2].into_iter().for_each(|number| members.store(number).hold_arrivals(false));
    reader.resume(&members, 1);
    reader.until("ready").await;
    assert_eq!(reader.told, ["reset", "a=1", "ready"]);
}

/// The third has what the dead one told: it is had from there.
#[tokio::test(start_paused = true)]
async fn what_a_dead_node_told_is_had_from_who_has_it() {
    let mut members = Members::running(3).await;
    let mut reader = following_one_record(&members).await;
    members.store(1).hold_arrivals(true);
    members.put(0, "a", "2", Available).await.unwrap();
    reader.until("a=2").await;
    let has = async || members.held(2, "a").await.as_deref() == Some(b"2");
    until_found("the third has it", has).await;
    reader.stream = None;
    members.kill(0).await;
    reader.resume(&members, 1);
    assert!(timeout(Duration::from_millis(500), reader.read()).await.is_err(), "{:?}", reader.told);
    members.store(1).hold_arrivals(false);
    reader.until("ready").await;
    reader.assert_not_reset();
    assert_eq!(reader.held["a"], "2");
}

fn keys() -> impl Iterator<Item = String> {
    (0..40).map(|nth| format!("k{nth:02}"))
}

#[tokio::test(start_paused = true)]
async fn the_state_of_many_nodes_comes_in_the_order_of_names() {
    let members = five().await;
    for key in keys() {
        put(&members, 0, &key, "1").await;
    }
    for number in members.numbers() {
        let mut reader = Reader::begin(&members, number);
        reader.until("ready").await;
        let expected: Vec<_> =
            keys().map(|key| format!("{key}=1")).chain(["ready".into()]).collect();
        assert_eq!(reader.told, expected, "at node {number}");
    }
}

/// What one node has told of the state waits for what another has not: where the first dies, nothing of that was sent.
#[tokio::test(start_paused = true)]
async fn a_source_that_dies_while_its_state_is_held_up_has_told_nothing() {
    let mut members = five().await;
    for key in keys() {
        put(&members, 0, &key, "1").await;
    }
    let awaited = Way { from: 4, to: 0, channel: Channel::Data };
    members.wires.shut(awaited);
    let mut reader = Reader::begin(&members, 0);
    let _ = timeout(Duration::from_millis(200), reader.until("ready")).await;
    members.kill(3).await;
    members.wires.open(awaited);
    reader.until("ready").await;
    reader.assert_not_reset();
    let all: BTreeMap<_, _> = keys().map(|key| (key, "1".to_owned())).collect();
    assert_eq!(reader.held, all);
}

/// Three nodes, of which each holds other records.
async fn three_with_a_share_each() -> Members {
    let drop_after = Duration::from_secs(1);
    let cluster = ClusterConfig { replication: 1, drop_after, ..ClusterConfig::default() };
    let members = Members::running_with(3, Plan::from(cluster)).await;
    for key in keys() {
        put(&members, 0, &key, "1").await;
    }
    let each_is_alone = || keys().all(|key| members.serving(&key).len() == 1);
    until("each has its share", each_is_alone).await;
    members
}

/// What nobody can tell holds nothing up but `ready`.
#[tokio::test(start_paused = true)]
async fn a_state_goes_on_past_what_nobody_can_tell() {
    let mut members = three_with_a_share_each().await;
    let of_the_third: Vec<_> = keys().filter(|key| members.serving(key) == [2]).collect();
    let awaited = Way { from: 2, to: 0, channel: Channel::Data };
    members.wires.shut(awaited);
    let mut reader = Reader::begin(&members, 0);
    let _ = timeout(Duration::from_millis(200), reader.until("ready")).await;
    let third = members.id(2);
    members.kill(2).await;
    let down = || members.sees(0, third) == Liveness::Down;
    until("it is seen as down", down).await;
    members.wires.open(awaited);
    for key in keys().filter(|key| !of_the_third.contains(key)) {
        reader.until(&format!("{key}=1")).await;
    }
    assert!(!reader.told.iter().any(|it| it == "ready"));
    members.start(2);
    reader.until("ready").await;
    for key in of_the_third {
        reader.until(&format!("{key}=1")).await;
    }
    reader.assert_not_reset();
}

/// A claim in a node's feed is one in one of its starts: all parts of a stream come to claim in the new one, also those
/// to which nothing happens.
#[tokio::test(start_paused = true)]
async fn an_id_holds_a_moment_after_a_node_has_started_anew() {
    let mut members = three_with_a_share_each().await;
    let of_the_third = keys().find(|key| members.serving(key) == [2]).unwrap();
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    members.stop(2).await;
    members.start(2);
    until("it is back", || members.node(2).cluster.is_ready()).await;
    let _ = timeout(Duration::from_secs(3), reader.for_ever()).await;
    put(&members, 2, &of_the_third, "2").await;
    reader.until(&format!("{of_the_third}=2")).await;
    reader.resume(&members, 0);
    reader.until("ready").await;
    reader.assert_not_reset();
}

/// A node that gives partitions up to a newcomer has a stream of theirs go on there.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_where_its_node_gives_partitions_up() {
    let drop_after = Duration::from_secs(1);
    let cluster = ClusterConfig { replication: 2, drop_after, ..ClusterConfig::default() };
    let mut members = Members::running_of_seats_with(2, 4, Plan::from(cluster)).await;
    for key in keys() {
        members.put(0, &key, "1", All).await.unwrap();
    }
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    // Somebody reads all the time.
    let joined = async {
        for newcomer in [2, 3] {
            members.start(newcomer);
            members.until_whole().await;
        }
        members
    };
    let members = tokio::select! {
        members = joined => members,
        () = reader.for_ever() => unreachable!(),
    };
    let serves = |key: String| members.node(0).cluster.view().serves(Partition::of(&name(&key)));
    tokio::select! {
        () = until("it has given partitions up", || !keys().all(serves)) => {}
        () = reader.for_ever() => {}
    }
    let _ = timeout(Duration::from_secs(5), reader.for_ever()).await;
    for key in keys() {
        put(&members, 3, &key, "2").await;
    }
    for key in keys() {
        reader.until(&format!("{key}=2")).await;
    }
    reader.assert_not_reset();
    assert_eq!(reader.told.iter().filter(|it| *it == "ready").count(), 1);
}

/// A stream that several nodes tell loses one of them, and another, and goes on.
#[tokio::test(start_paused = true)]
async fn where_a_source_dies_another_owner_goes_on() {
    let mut members = five().await;
    for key in keys() {
        put(&members, 0, &key, "1").await;
    }
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    let mut round = 1;
    for dead in [3, 4] {
        members.kill(dead).await;
        round += 1;
        for key in keys() {
            put(&members, 0, &key, &round.to_string()).await;
        }
        for key in keys() {
            reader.until(&format!("{key}={round}")).await;
        }
        reader.assert_not_reset();
        members.start(dead);
        members.until_whole().await;
    }
    assert_eq!(reader.told.iter().filter(|it| *it == "ready").count(), 1);
}

/// Each id that was told is one behind which every node goes on.
#[tokio::test(start_paused = true)]
async fn every_id_is_gone_on_with_at_every_node() {
    let members = five().await;
    for key in keys().take(6) {
        put(&members, 0, &key, "1").await;
    }
    let mut reader = Reader::begin(&members, 2);
    let mut seen = Vec::new();
    let mut told = 0;
    reader.until("ready").await;
    for key in keys().take(3) {
        put(&members, 1, &key, "2").await;
        reader.until(&format!("{key}=2")).await;
    }
    // The positions of the nodes in each other's feeds come up with what was written.
    sleep(Duration::from_secs(1)).await;
    put(&members, 1, "last", "1").await;
    reader.until("last=1").await;
    told += reader.told.len();
    seen.push(reader.last_id.clone().unwrap());
    assert!(told > 0);
    let cursor = StreamCursor::decode(&seen[0]).unwrap();
    assert!(cursor.claims.iter().count() >= 3, "{cursor:?}");
    for number in members.numbers() {
        reader.last_id = Some(seen[0].clone());
        reader.resume(&members, number);
        reader.until("ready").await;
        reader.assert_not_reset();
    }
}

/// A node that came after an id was told goes on behind it by way of those that were there.
#[tokio::test(start_paused = true)]
async fn an_id_from_before_a_change_of_members_is_gone_on_with() {
    let mut members = Members::running_of_seats(3, 4).await;
    for key in keys() {
        put(&members, 0, &key, "1").await;
    }
    let mut reader = Reader::begin(&members, 0);
    reader.until("ready").await;
    members.start(3);
    members.until_whole().await;
    put(&members, 0, "k00", "2").await;
    reader.resume(&members, 3);
    reader.until("ready").await;
    reader.until("k00=2").await;
    reader.assert_not_reset();
    let expected: BTreeMap<_, _> =
        keys().map(|key| (key.clone(), if key == "k00" { "2" } else { "1" }.to_owned())).collect();
    assert_eq!(reader.held, expected);
}

/// Two readers of three nodes, of which the first leaves a record out that has rotted there, while nothing is mended:
/// one has stayed at the first, and one has come back there, and then to the second.
async fn where_something_is_left_out() -> (Members, [Reader; 2]) {
    let members = with_a_rotten_copy(3).await;
    // While one is away nothing is mended.
    [0, 1].into_iter().for_each(|number| members.wires.cut(number, 2));
    members.until_down(&[0, 1], &[2]).await;
    let mut readers = [0, 0].map(|number| Reader::begin(&members, number));
    for reader in &mut readers {
        reader.until("ready").await;
        assert!(reader.held.keys().eq(["a", "c"]), "{:?}", reader.held);
    }
    let hops = &mut readers[1];
    for (key, next) in [("d", 0), ("e", 1)] {
        put(&members, 1, key, "1").await;
        hops.until(&format!("{key}=1")).await;
        // Until each knows where it is in the feeds of the others.
        sleep(Duration::from_secs(1)).await;
        hops.resume(&members, next);
        hops.until("ready").await;
        hops.assert_not_reset();
    }
    (members, readers)
}

/// At the second it is sound, and will have no new entry: who went on there behind it would never be told.
#[tokio::test(start_paused = true)]
async fn what_was_left_out_at_one_node_is_told_at_the_next_once_it_is_mended() {
    let (members, readers) = where_something_is_left_out().await;
    [0, 1].into_iter().for_each(|number| members.wires.heal(number, 2));
    for mut reader in readers {
        reader.until(&format!("b={ROTTEN}")).await;
        // What is sent from now on claims again what others have.
        let key = format!("f{}", reader.held.len());
        members.put(2, &key, "1", All).await.unwrap();
        reader.until(&format!("{key}=1")).await;
        sleep(Duration::from_secs(1)).await;
        reader.resume(&members, 2);
        reader.until("ready").await;
        reader.assert_not_reset();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_out_at_one_node_is_told_at_the_next_where_the_first_dies() {
    let (mut members, [_, mut hops]) = where_something_is_left_out().await;
    members.kill(0).await;
    hops.until(&format!("b={ROTTEN}")).await;
    hops.until("ready").await;
    assert!(hops.held.keys().eq(["a", "b", "c", "d", "e"]), "{:?}", hops.held);
}

/// In its next start the first does not know what was left out in the one before.
#[tokio::test(start_paused = true)]
async fn what_was_left_out_by_an_earlier_start_of_a_node_is_told_at_the_next() {
    let (mut members, [mut stays, _]) = where_something_is_left_out().await;
    stays.stream = None;
    members.kill(0).await;
    members.start(0);
    until("it is back", || members.node(0).cluster.is_ready()).await;
    stays.resume(&members, 0);
    stays.until("ready").await;
    stays.assert_not_reset();
    put(&members, 1, "f", "1").await;
    stays.until("f=1").await;
    sleep(Duration::from_secs(1)).await;
    stays.last_id = stays.stream.take().map(|mut stream| stream.cursor());
    members.kill(0).await;
    stays.resume(&members, 1);
    stays.until("ready").await;
    assert_eq!(stays.held.get("b").map(String::as_str), Some(ROTTEN), "{:?}", stays.told);
}
