//! What a live stream reads of its node's store, while it waits for that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dynarust_core::Stored;
use dynarust_store::{FeedPage, ReadError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::state::StateReader;
use crate::environment::Tasks;

/// What is read of the store.
pub(super) enum Read {
    /// Some of the state, and what is left of it.
    State(StateReader, Result<Vec<Arc<Stored>>, ReadError>),
    /// A part of the feed.
    Feed(Result<FeedPage, ReadError>),
}

/// A read of the store. It goes on without whom it is for: who waits for the store's readers holds a place among
/// them, and a reader whose socket is full does not ask for long.
pub(super) enum Reading {
    Begins(BoxFuture<'static, Read>),
    GoesOn(JoinHandle<Read>),
}

impl Reading {
    /// None where it cannot be read any more.
    pub(super) fn poll(&mut self, tasks: &Tasks, context: &mut Context<'_>) -> Poll<Option<Read>> {
        if let Self::Begins(read) = self {
            // What is in memory is there at once.
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(Some(read));
            }
            let read = std::mem::replace(read, std::future::pending().boxed());
            *self = Self::GoesOn(tokio::spawn(tasks.task(read)));
        }
        match self {
            Self::Begins(_) => Poll::Pending,
            Self::GoesOn(read) => Pin::new(read).poll(context).map(Result::ok),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Self::GoesOn(read) = self {
            read.abort();
        }
    }
}
