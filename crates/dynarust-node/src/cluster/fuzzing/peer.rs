//! A peer that has proved itself and is mad: it sends whatever it likes, in any order, to a whole node on a
//! store in memory. The node does not panic, goes on reading, ends each of its client's requests, and
//! closes when it is told to; that it holds no more than it may, is seen by the fuzz target's memory.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::{
    Condition, Consistency, Epoch, Incarnation, Member, MemberState, NodeId, PartitionSet,
    RecordName, Selection, Selector, TableName,
};
use dynarust_store::{Durability, SystemClock, WallClock};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message;
use tokio::io::duplex;
use tokio::time::{sleep, timeout};

use crate::environment::Environment;
use crate::mesh::fuzzing::end::End;
use crate::mesh::fuzzing::script::{Script, Step};
use crate::mesh::message::{MemberText, Members, number};
use crate::mesh::{Channel, Dialled, Greeting, Network};
use crate::store_in_memory::StoreInMemory;
use crate::streams::Begin;
use crate::{ClusterConfig, Node, NodeConfig, Put, Secret};

const SECRET: &str = "the secret of the mad";
const PIPE_BYTES: usize = 256 << 10;
/// How long anything may take, in paused time.
const PATIENCE: Duration = Duration::from_secs(60);
/// As long as no link is closed for silence.
const BREATH: Duration = Duration::from_millis(100);

/// Bits of the first byte: it is a member; it has a bulk link, too; it reads nothing; there are records; a
/// client writes and follows meanwhile. Then what it sends: by the bulk link where an id is 128 or more.
pub fn peer(bytes: &[u8]) {
    let Some((manner, script)) = bytes.split_first() else {
        return;
    };
    let manner = Manner::of(*manner);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(meet(manner, script));
}

struct Manner {
    is_member: bool,
    has_bulk: bool,
    reads: bool,
    records: bool,
    client: bool,
}

impl Manner {
    fn of(bits: u8) -> Self {
        let bit = |nth: u8| bits >> nth & 1 == 1;
        Self {
            is_member: bit(0),
            has_bulk: bit(1),
            reads: !bit(2),
            records: bit(3),
            client: bit(4),
        }
    }
}

async fn meet(manner: Manner, script: &[u8]) {
    let store = StoreInMemory::new();
    if manner.records {
        for key in ["a", "b", "c"] {
            store.insert(name(key), "\"a value\"", None);
        }
    }
    let environment = Environment { network: Arc::new(NoNetwork), ..Environment::default() };
    let node = Node::start_in(store, environment, config());
    noted(&node).await;
    let client = manner.client.then(|| tokio::spawn(use_it(Arc::clone(&node))));
    if let Some(mut data) = connect(&node, Channel::Data, manner.reads).await {
        let mut bulk = None;
        if manner.is_member {
            data.notify(number::MEMBERS, its_word(&data.node).encode_to_vec().into()).await;
            sleep(BREATH).await;
        }
        if manner.has_bulk {
            bulk = connect(&node, Channel::Bulk, manner.reads).await;
        }
        play(script, &mut data, &mut bulk).await;
        put_and_get(&node).await;
    }
    put_and_get(&node).await;
    if let Some(client) = client {
        client.abort();
        // It ended, or was ended; its panic is ours.
        if let Err(error) = client.await {
            assert!(error.is_cancelled(), "{error}");
        }
    }
    close(node).await;
}

fn name(key: &str) -> RecordName {
    RecordName::parse("t", key).unwrap()
}

fn config() -> NodeConfig {
    NodeConfig {
        cluster: ClusterConfig {
            secret: Some(Secret::new(SECRET)),
            listen: SocketAddr::from(([10, 0, 0, 1], 7000)),
            ..ClusterConfig::default()
        },
        ..NodeConfig::alone("10.0.0.1:7000")
    }
}

/// Nobody is reached.
struct NoNetwork;

impl Network for NoNetwork {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Dialled>> {
        async { Err(io::ErrorKind::ConnectionRefused.into()) }.boxed()
    }
}

/// Until it lets others in.
async fn noted(node: &Node) {
    let noted = async {
        while node.cluster.noted().is_none() {
            sleep(BREATH).await;
        }
    };
    timeout(PATIENCE, noted).await.expect("it never notes anything");
}

async fn connect(node: &Arc<Node>, channel: Channel, reads: bool) -> Option<End> {
    let (near, far) = duplex(PIPE_BYTES);
    tokio::spawn(Arc::clone(node).accept_mesh(far));
    let greeting = Greeting {
        node: NodeId(7),
        incarnation: Incarnation(1),
        start: Epoch(7),
        cluster: None,
        alone: true,
        joins: true,
        reached: None,
        now: SystemClock.now(),
    };
    End::meet(near, SECRET.as_bytes(), channel, &greeting, reads).await
}

/// What it says of itself: that it serves all.
fn its_word(node: &Greeting) -> Members {
    let member = Member {
        id: NodeId(7),
        incarnation: Incarnation(1),
        revision: 1,
        address: "10.0.0.7:7000".into(),
        zone: None,
        weight: 100,
        state: MemberState::Up,
        serves: PartitionSet::all(),
        dropped: PartitionSet::default(),
    };
    let cluster = node.cluster.map_or_else(Vec::new, |id| id.0.to_be_bytes().to_vec());
    Members { cluster, members: vec![MemberText::of(&member)] }
}

async fn play(script: &[u8], data: &mut End, bulk: &mut Option<End>) {
    for step in Script(script) {
        let goes_on = match step {
            Step::Pause(millis) => pause(millis, data, bulk).await,
            Step::Say(mut said) => {
                if [number::MEMBERS, number::AGREE].contains(&said.number) {
                    said.body = with_the_cluster(said.body, &data.node);
                }
                match bulk {
                    Some(bulk) if said.id >= 128 => bulk.send(&said).await,
                    _ => data.send(&said).await,
                }
            }
        };
        if !goes_on {
            return;
        }
        tokio::task::yield_now().await;
    }
    pause(1000, data, bulk).await;
}

/// Time passes, and the links stay.
async fn pause(millis: u64, data: &mut End, bulk: &mut Option<End>) -> bool {
    let mut left = Duration::from_millis(millis);
    while !left.is_zero() {
        let now = SystemClock.now();
        if let Some(bulk) = bulk {
            bulk.ping(now).await;
        }
        if !data.ping(now).await {
            return false;
        }
        sleep(BREATH.min(left)).await;
        left = left.saturating_sub(BREATH);
    }
    true
}

/// Members of no cluster are told as those of the node's, whose id no input can know.
fn with_the_cluster(body: Bytes, node: &Greeting) -> Bytes {
    match (Members::decode(body.clone()), node.cluster) {
        (Ok(members), Some(id)) if members.cluster.is_empty() => {
            Members { cluster: id.0.to_be_bytes().to_vec(), ..members }.encode_to_vec().into()
        }
        _ => body,
    }
}

fn put(key: &str, consistency: Consistency) -> Put {
    Put {
        name: name(key),
        value: Bytes::from_static(b"1"),
        expiry: None,
        condition: Condition::default(),
        durability: Durability::Sync,
        consistency,
        request: None,
    }
}

/// Whatever comes of it, it ends.
async fn put_and_get(node: &Node) {
    for consistency in [Consistency::One, Consistency::Available, Consistency::Quorum] {
        let asked = async {
            let _ = node.put(put("a", consistency)).await;
            let _ = node.get(name("b"), consistency).await;
        };
        timeout(PATIENCE, asked).await.expect("a request does not end");
    }
}

/// A client that writes, and another that follows.
async fn use_it(node: Arc<Node>) {
    let table = Selector::Prefix(TableName::parse("t").unwrap(), String::new());
    let selection = Selection::new(vec![table]).unwrap();
    let follows = async {
        let Ok(mut stream) = node.subscribe(selection, Begin::State) else {
            return;
        };
        while let Ok(Some(_)) = stream.next().await {}
    };
    let writes = async {
        loop {
            let _ = node.put(put("c", Consistency::Available)).await;
            sleep(BREATH).await;
        }
    };
    tokio::join!(follows, writes);
}

/// As SIGTERM: nothing of it is left.
async fn close(node: Arc<Node>) {
    node.close_streams();
    timeout(PATIENCE, node.close_store()).await.expect("it does not close");
    let left = Arc::downgrade(&node);
    drop(node);
    let gone = async {
        while left.strong_count() > 0 {
            sleep(BREATH).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("something of it goes on");
}
