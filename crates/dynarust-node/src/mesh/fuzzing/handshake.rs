//! The handshake, in both roles, against arbitrary frames, against somebody in the middle, and against what
//! was recorded of an earlier one: it ends in time, and nobody is met who did not prove itself by what
//! both sides said.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::HANDSHAKE_MILLIS_MAX;
use dynarust_core::{ClusterId, Epoch, Incarnation, NodeId};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::{sleep, timeout};

use super::middle::{Carried, Change, carry, changes};
use super::script::{Script, Step};
use crate::mesh::Channel;
use crate::mesh::frame::HEADER_BYTES;
use crate::mesh::handshake::{Greeting, HandshakeError, Met, accept, dial};

const SECRET: &[u8] = b"known to both";
const PIPE_BYTES: usize = 1 << 16;

/// What is tried; and its script.
pub fn handshake(bytes: &[u8]) {
    let Some((which, script)) = bytes.split_first() else {
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        match which % 4 {
            0 => meets_nobody(accepting(stranger(script))).await,
            1 => meets_nobody(dialling(stranger(script))).await,
            2 => middle(script).await,
            _ => replayed(script).await,
        }
    });
}

fn greeting(node: u64) -> Greeting {
    Greeting {
        node: NodeId(node),
        incarnation: Incarnation(3),
        start: Epoch(node),
        cluster: Some(ClusterId(9)),
        alone: false,
        joins: node == 2,
        reached: Some(format!("10.0.0.{node}:6660")),
        now: node,
    }
}

type Ended = Result<(Greeting, Channel), HandshakeError>;

/// Node 1 is dialled.
async fn accepting(io: impl AsyncRead + AsyncWrite) -> Ended {
    let met = accept(io, SECRET, &greeting(1), |_| Ok(())).await;
    in_short(met)
}

/// Node 2 dials.
async fn dialling(io: impl AsyncRead + AsyncWrite) -> Ended {
    let met = dial(io, SECRET, Channel::Bulk, &greeting(2), |_| Ok(())).await;
    in_short(met)
}

fn in_short<S>(met: Result<Met<S>, HandshakeError>) -> Ended {
    met.map(|met| (met.peer, met.channel))
}

/// It ends, whatever the other side does.
async fn ends(handshake: impl Future<Output = Ended>) -> Ended {
    let patience = Duration::from_millis(HANDSHAKE_MILLIS_MAX * 2);
    timeout(patience, handshake).await.expect("it does not end")
}

async fn meets_nobody(handshake: impl Future<Output = Ended>) {
    let ended = ends(handshake).await;
    assert!(ended.is_err(), "met without a proof: {ended:?}");
}

/// Somebody without the secret, who sends the script's frames.
fn stranger(script: &[u8]) -> DuplexStream {
    let (near, mut far) = duplex(PIPE_BYTES);
    let script = script.to_vec();
    tokio::spawn(async move {
        for step in Script(&script) {
            match step {
                Step::Pause(millis) => sleep(Duration::from_millis(millis)).await,
                Step::Say(said) => {
                    if far.write_all(&said.encoded()).await.is_err() {
                        return;
                    }
                }
            }
        }
        // Open for as long as anybody can wait.
        let _ = timeout(Duration::from_secs(60), far.read_to_end(&mut Vec::new())).await;
    });
    near
}

/// Both ends, and what the two directions carried.
async fn meet(changes: [Vec<Change>; 2]) -> (Ended, Ended, Carried, Carried) {
    let [there, back] = changes;
    let (near, near_inside) = duplex(PIPE_BYTES);
    let (far, far_inside) = duplex(PIPE_BYTES);
    let (near_read, near_write) = split(near_inside);
    let (far_read, far_write) = split(far_inside);
    let (to_far, to_near) = (Arc::<Mutex<Carried>>::default(), Arc::<Mutex<Carried>>::default());
    tokio::spawn(carry(near_read, far_write, there, Arc::clone(&to_far)));
    tokio::spawn(carry(far_read, near_write, back, Arc::clone(&to_near)));
    let (dialled, accepted) = tokio::join!(ends(dialling(near)), ends(accepting(far)));
    let (to_far, to_near) = (to_far.lock().clone(), to_near.lock().clone());
    (dialled, accepted, to_far, to_near)
}

/// Who meets the other has got its hello and its proof as they were said. (A welcome proves nothing.)
async fn middle(script: &[u8]) {
    let changes = changes(script);
    let untouched = changes.iter().all(Vec::is_empty);
    let (dialled, accepted, to_far, to_near) = meet(changes).await;
    if let Ok(met) = &accepted {
        assert_eq!(*met, (greeting(2), Channel::Bulk));
        assert!(to_far.arrived.starts_with(hello_and_proof(&to_far.sent)), "{to_far:?}");
    }
    if let Ok(met) = &dialled {
        assert_eq!(*met, (greeting(1), Channel::Bulk));
        assert!(to_near.arrived.starts_with(hello_and_proof(&to_near.sent)), "{to_near:?}");
    }
    assert!(!untouched || dialled.is_ok() && accepted.is_ok(), "{dialled:?}, {accepted:?}");
}

/// The first two frames.
fn hello_and_proof(sent: &[u8]) -> &[u8] {
    let frame = |at: usize| {
        let length = u32::from_le_bytes(*sent[at..].first_chunk().unwrap());
        at + HEADER_BYTES + length as usize
    };
    &sent[..frame(frame(0))]
}

/// What one end said once proves nothing a second time.
async fn replayed(script: &[u8]) {
    let (_, _, to_far, to_near) = meet([Vec::new(), Vec::new()]).await;
    let [there, back] = changes(script);
    meets_nobody(accepting(player(to_far.sent, there))).await;
    meets_nobody(dialling(player(to_near.sent, back))).await;
}

/// Sends what was recorded, changed.
fn player(recorded: Vec<u8>, changes: Vec<Change>) -> DuplexStream {
    let (near, far) = duplex(PIPE_BYTES);
    let (mut read, write) = split(far);
    tokio::spawn(async move {
        carry(&*recorded, write, changes, Arc::default()).await;
        let _ = timeout(Duration::from_secs(60), read.read_to_end(&mut Vec::new())).await;
    });
    near
}
