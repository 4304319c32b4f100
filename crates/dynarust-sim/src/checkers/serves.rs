//! Serves: once all is well each node takes a write, as durable as can be, and shows what another one took.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::Consistency;
use dynarust_history::{Action, Durability, Guard, Outcome, Seen};
use tokio::time::Instant;

use crate::client::{Asked, Client, WriteIds};
use crate::machine::Machine;
use crate::network::Socket;

/// Nobody else asks for it.
const KEY: &str = "served";
/// How long that may take, for all nodes together.
const WITHIN: Duration = Duration::from_secs(2);

/// What is wrong.
pub(crate) async fn check(
    machines: &[Machine],
    ids: &Arc<WriteIds>,
    socket: Socket,
) -> Vec<String> {
    let up: Vec<usize> = machines.iter().filter(|it| it.is_up()).map(|it| it.number).collect();
    let mut client = Client::new(u32::MAX, socket);
    let mut wrong = Vec::new();
    let began = Instant::now();
    for (nth, &node) in up.iter().enumerate() {
        let asked = |node, action| Asked {
            node,
            key: KEY.to_owned(),
            action,
            consistency: Some(Consistency::All),
            durability: Durability::Sync,
            request_key: None,
        };
        let put = Action::Put { id: ids.next(), guard: Guard::None, ttl: None };
        let written = client.ask(asked(node, put)).await;
        let other = up.get((nth + 1) % up.len()).copied().unwrap_or(node);
        let read = client.ask(asked(other, Action::Get)).await;
        let shown = match &read.outcome {
            Outcome::Read(Seen::Value { version, .. }) => Some(*version),
            _ => None,
        };
        if written.acknowledged().is_none() || shown != written.acknowledged() {
            wrong.push(format!("serves: all is well, and {written:?}, then {read:?}"));
        }
    }
    if began.elapsed() > WITHIN {
        wrong.push(format!("serves: all is well, and it took {:?}", began.elapsed()));
    }
    wrong
}
