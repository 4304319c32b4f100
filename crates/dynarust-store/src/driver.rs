//! Who drives a store: threads of its own, or hands from outside ([`crate::by_hand`]).

use std::sync::Arc;

use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// Each part has a thread, and waits there for work.
    Threads,
    /// Nothing runs, and nothing waits, but within a call.
    Hands,
}

/// Tells the hands that there is work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Option<Arc<Notify>>);

impl Bell {
    /// Threads have other ways to hear of it.
    pub(crate) fn of(driver: Driver) -> Self {
        Self((driver == Driver::Hands).then(Arc::default))
    }

    pub(crate) fn ring(&self) {
        if let Some(bell) = &self.0 {
            bell.notify_one();
        }
    }

    /// Returns once it was rung, or has been since the last call. Of several who wait one is told.
    pub(crate) async fn rung(&self) {
        match &self.0 {
            Some(bell) => bell.notified().await,
            None => std::future::pending().await,
        }
    }
}
