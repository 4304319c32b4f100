//! What a node finds around it, as ports: so that a simulator can bring all of it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dynarust_store::{SystemClock, WallClock};
use futures_util::future::Either;

use crate::mesh::{Network, TcpNetwork};

/// The machine that a node runs on, but for its disk, which is the store's.
#[derive(Clone)]
pub struct Environment {
    /// Tells the time of day.
    pub clock: Arc<dyn WallClock>,
    /// Connects to other nodes.
    pub network: Arc<dyn Network>,
    /// Runs the node's tasks.
    pub tasks: Tasks,
}

impl Default for Environment {
    /// The machine's own.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            network: Arc::new(TcpNetwork),
            tasks: Tasks::default(),
        }
    }
}

/// What a node's tasks have to pass each time before they go on.
pub trait Gate: Send + Sync + 'static {
    /// Ready where they may; else it wakes who asks once they may.
    fn poll_open(&self, context: &mut Context<'_>) -> Poll<()>;
}

/// How a node's tasks are run: as they come, or behind a gate, by which all of one node's can be stopped
/// where they stand, as a stopped process is.
#[derive(Clone, Default)]
pub struct Tasks(Option<Arc<dyn Gate>>);

impl Tasks {
    /// All pass this gate.
    #[must_use]
    pub fn behind(gate: Arc<dyn Gate>) -> Self {
        Self(Some(gate))
    }

    /// The task as it is to be spawned.
    pub fn task<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        let Some(gate) = self.0.clone() else {
            return Either::Left(task);
        };
        // Never in a real node: it may cost an allocation.
        let mut task = Box::pin(task);
        Either::Right(poll_fn(move |context| {
            ready!(gate.poll_open(context));
            task.as_mut().poll(context)
        }))
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("gated", &self.0.is_some()).finish()
    }
}
