//! What a put and a delete share: the one way into the store, and how a write is refused.

use dynarust_core::{Consistency, Replicas, Version};
use dynarust_store::{Write, WriteError, Written};
use futures_util::FutureExt;
use futures_util::future::Either;

use crate::coordinate::Route;
use crate::membership::ALONE;
use crate::{Node, RefusedPatch};

/// A write that took, as durably and at as many owners as was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The record's version now.
    pub version: Version,
    /// Who has it.
    pub replicas: Replicas,
}

/// Why a write was not acknowledged. Nothing changed, but where [`RefusedWrite::NotEnoughReplicas`] or
/// [`WriteError::Stopped`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedWrite {
    /// The condition did not hold. Nothing changed; read the key again, and decide anew.
    #[error("the record is not at the version that the condition asks for")]
    VersionMismatch {
        /// The live version; none where the key is absent.
        current: Option<Version>,
        /// Who was asked; none where the node that was does not tell.
        replicas: Option<Replicas>,
    },
    /// A delete found no live record. Nothing changed.
    #[error("there is no such record")]
    Absent {
        /// Who was asked; none where the node that was does not tell.
        replicas: Option<Replicas>,
    },
    /// A request with the same idempotency key runs. Ask again when it is done.
    #[error("a request with this idempotency key is under way: repeat it in a moment")]
    InProgress,
    /// The idempotency key came with another request before. Nothing changed.
    #[error("this idempotency key came with another request before: take a new one")]
    KeyReused,
    /// Fewer owners than the consistency asks for are there, or answered in time. Ask for less, or try
    /// again when more are there.
    #[error("{needed} owners of the record must have the write, and {live} of them are there")]
    NotEnoughReplicas {
        /// So many must have it.
        needed: u16,
        /// So many are there.
        live: u16,
        /// Some have it, and the others will; unless a later write comes first. Otherwise nothing
        /// changed.
        indeterminate: bool,
    },
    /// The node has not joined its cluster yet. Nothing changed; ask another node, or wait.
    #[error("this node has not joined its cluster yet: ask another node, or try again in a moment")]
    NotReady,
    /// The node's clock is off, and it stamps nothing. Nothing changed; set the clock.
    #[error(
        "this node's clock is off from those of the others: set it, and ask another node until then"
    )]
    ClockSkew,
    /// The store did not take it; [`WriteError`] says what that means.
    #[error(transparent)]
    Store(#[from] WriteError),
}

impl Node {
    /// As [`Node::write_at_once`], unless a patch presses for the key: then the write waits for its turn
    /// behind it.
    pub(crate) fn write(
        &self,
        write: Write,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        if self.turns.is_pressed(&write.name) {
            Either::Left(self.write_in_turn(write, consistency).boxed())
        } else {
            Either::Right(self.write_at_once(write, consistency))
        }
    }

    async fn write_in_turn(
        &self,
        write: Write,
        consistency: Consistency,
    ) -> Result<Acknowledged, RefusedWrite> {
        let name = write.name.clone();
        let turn = self.turns.take(&name).await;
        let written = self.write_at_once(write, consistency);
        drop(turn);
        written.await
    }

    /// The call submits the write; the future waits for what became of it. A repeat of a request that is
    /// known by its key hears what the first one did.
    pub(crate) fn write_at_once(
        &self,
        write: Write,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        self.write_routed(write, consistency, Route::Any)
    }

    /// As [`Node::write_at_once`]; for another node, too.
    pub(crate) fn write_routed(
        &self,
        write: Write,
        consistency: Consistency,
        route: Route,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        let running = self.requests.begin(write.request.as_ref(), self.now());
        let begun = running.map(|running| (running, self.submit(write, consistency, route)));
        async move {
            let (running, written) = begun.map_err(RefusedPatch::into_write)?;
            let outcome = written.await;
            // What another node asks for may be a try of many, of a patch: it keeps what comes of them.
            let refused = outcome.as_ref().err().filter(|_| route == Route::Any);
            running.end(refused.cloned().map(RefusedPatch::from), self.now());
            outcome
        }
    }

    /// As [`Node::write`], of a request that has begun.
    pub(crate) fn submit(
        &self,
        write: Write,
        consistency: Consistency,
        route: Route,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        if self.cluster.is_alone() {
            Either::Left(self.write_alone(write))
        } else {
            self.cluster.budget.clients_are_there();
            Either::Right(self.coordinate(write, consistency, route))
        }
    }

    fn write_alone(
        &self,
        write: Write,
    ) -> impl Future<Output = Result<Acknowledged, RefusedWrite>> + Send + use<'_> {
        let written = self.store.write(write);
        async move { decided(&written.await?, ALONE) }
    }
}

/// What the store decided, where so many stand behind that.
pub(crate) fn decided(written: &Written, replicas: Replicas) -> Result<Acknowledged, RefusedWrite> {
    match *written {
        Written::Done { version, .. } | Written::Repeated(version) => {
            Ok(Acknowledged { version, replicas })
        }
        Written::Refused(current) => {
            Err(RefusedWrite::VersionMismatch { current, replicas: Some(replicas) })
        }
        Written::Absent => Err(RefusedWrite::Absent { replicas: Some(replicas) }),
        Written::KeyReused => Err(RefusedWrite::KeyReused),
    }
}
