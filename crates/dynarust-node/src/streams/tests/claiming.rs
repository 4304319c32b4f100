//! What ids claim in the feeds of others.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::{Epoch, NodeId, PartitionSet, Selection, StreamCursor};
use dynarust_store::Store;
use tokio::sync::watch;

use super::follower::{Follower, Subscribe};
use super::reader::{all_of, let_run, short};
use super::store::{TestClock, TestStore, selection, stored};
use crate::environment::Tasks;
use crate::following::{Position, PositionText, Positions};
use crate::streams::{Begin, Item, Streams, StreamsConfig};

const OTHER: NodeId = NodeId(5);

/// A node that follows another.
struct Following {
    store: Arc<TestStore>,
    positions: Arc<Positions>,
    streams: Arc<Streams>,
}

fn everything() -> Selection {
    selection(&["*"])
}

/// What an id claims in the other's feed.
fn claimed(id: &str) -> u64 {
    StreamCursor::decode(id).unwrap().claims.on(OTHER).unwrap().seq
}

impl Following {
    fn begin(queue_bytes_max: usize) -> Self {
        let positions = Arc::new(Positions::default());
        let store = TestStore::new();
        let config = StreamsConfig { queue_bytes_max, ..StreamsConfig::default() };
        let others = (Arc::clone(&positions), watch::Sender::default().subscribe());
        let as_store: Arc<dyn Store> = store.clone();
        let clock = Arc::new(TestClock::default());
        let streams = Streams::start(as_store, clock, &Tasks::default(), others, config);
        let this = Self { store, positions, streams };
        this.reaches(10);
        this
    }

    /// All that the other has told up to there is here.
    fn reaches(&self, seq: u64) {
        let position = Position { epoch: Epoch(7), seq, covered: PartitionSet::all() };
        self.positions.remember(PositionText::of((&OTHER, &position))).unwrap();
    }

    /// The other's newest, and then one of this node's, behind which that is sampled.
    async fn take_in_one_and_write_another(&self) {
        self.store.put("a", Some("2"));
        self.reaches(20);
        self.store.put("b", Some("1"));
        self.streams.samples().take(&*self.store);
        let_run(10, std::future::pending::<()>()).await;
    }

    async fn follow(&self, begin: Begin) -> (Follower, Vec<Item>) {
        let mut stream = self.streams.subscribe(everything(), begin).unwrap();
        let told = all_of(&mut stream).await;
        (stream, told)
    }
}

/// The other may have no newer one than what was passed over here.
#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_for_what_was_passed_over_before_its_newest_is_told() {
    let room_for_two = 2 * stored(1, "a", Some("1")).memory_bytes();
    let way = ["the mailbox", "the feed, by the stream", "the feed, by the hub"];
    for (nth, way) in way.into_iter().enumerate() {
        let node = Following::begin(if nth == 0 { room_for_two } else { 1 << 20 });
        node.store.put("a", Some("1"));
        let (mut stream, begun) = node.follow(Begin::State).await;
        assert_eq!(claimed(&begun.last().unwrap().id), 10);
        if nth == 2 {
            // The hub has not looked yet.
            node.store.hold("a", Some("2"));
            node.store.hold("b", Some("1"));
            node.store.publish(usize::MAX);
            node.reaches(20);
            node.store.announce();
            node.streams.samples().take(&*node.store);
            node.store.hold("a", Some("3"));
            node.store.publish(usize::MAX);
            node.store.announce();
            node.store.drop_tail();
        } else {
            node.take_in_one_and_write_another().await;
            // What comes over it is nowhere else.
            for value in ["3", "4"] {
                node.store.put("a", Some(value));
                let_run(10, std::future::pending::<()>()).await;
            }
        }
        let told = match nth {
            1 => node.follow(Begin::After(begun.last().unwrap().id.clone())).await.1,
            _ => all_of(&mut stream).await,
        };
        let newest = if nth == 2 { "a=3" } else { "a=4" };
        assert_eq!(short(&told)[..2], ["b=1", newest], "{way}");
        assert_eq!(claimed(&told[0].id), 10, "{way}: {newest} is not told");
        assert_eq!(claimed(&told[1].id), 20, "{way}");
    }
}

/// What was left out is told by nobody else behind what would be claimed there.
#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_once_something_was_left_out() {
    let node = Following::begin(1 << 20);
    for key in ["a", "b", "c"] {
        node.store.put(key, Some("1"));
    }
    node.store.corrupt("b");
    let (mut stream, told) = node.follow(Begin::State).await;
    assert_eq!(short(&told), ["a=1", "c=1", "ready"]);
    let on_other = |id: &str| StreamCursor::decode(id).unwrap().claims.on(OTHER);
    for item in &told[1..] {
        assert_eq!(on_other(&item.id), None);
    }
    // Nor by who comes back with such an id, to a node that knows nothing of it.
    let (mut again, resumed) = node.follow(Begin::After(told.last().unwrap().id.clone())).await;
    assert_eq!(short(&resumed), ["ready"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    node.store.put("d", Some("1"));
    for stream in [&mut stream, &mut again] {
        let told = all_of(stream).await;
        assert_eq!(short(&told), ["d=1"]);
        assert_eq!(on_other(&told[0].id), None);
        assert_eq!(on_other(&stream.cursor()), None);
    }
    // Who follows other records has missed nothing.
    let mut other = node.streams.subscribe(selection(&["c", "d"]), Begin::State).unwrap();
    let told = all_of(&mut other).await;
    assert_eq!(claimed(&told.last().unwrap().id), 10);
}

/// What a reader of one record has is damaged now, and there was nothing newer.
#[tokio::test(start_paused = true)]
async fn what_was_told_before_it_was_damaged_is_not_left_out() {
    let node = Following::begin(1 << 20);
    node.store.put("a", Some("1"));
    let follow = async |begin| {
        let mut stream = node.streams.subscribe(selection(&["a"]), begin).unwrap();
        all_of(&mut stream).await
    };
    let begun = follow(Begin::State).await;
    node.store.corrupt("a");
    node.store.put("b", Some("1"));
    let again = Begin::After(begun.last().unwrap().id.clone());
    let resumed = follow(again.clone()).await;
    assert_eq!(short(&resumed), ["ready"]);
    assert_eq!(claimed(&resumed[0].id), 10);
    node.store.put("a", Some("2"));
    let resumed = follow(again).await;
    assert_eq!(short(&resumed), ["ready"]);
    assert_eq!(StreamCursor::decode(&resumed[0].id).unwrap().claims.on(OTHER), None);
}
