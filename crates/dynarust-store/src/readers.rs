//! A few read-only connections to the base, each used by one reader at a time on a blocking thread.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::base::{BaseError, ReadBase};
use crate::port::ReadError;

/// Connections, and so reads of the base at a time.
const READERS: usize = 4;

/// See the module.
#[derive(Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<ReadBase>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub(crate) fn open(base: &Path) -> Result<Self, BaseError> {
        let idle = (0..READERS).map(|_| ReadBase::open(base)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), free: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `read` with a connection, off the async threads.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadBase) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let closed = || ReadError::Base("the store is closed".into());
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let task = tokio::task::spawn_blocking(move || {
            let Some(base) = idle.lock().pop() else {
                return Err(ReadError::Base("no connection is idle".into()));
            };
            let found = read(&base);
            idle.lock().push(base);
            drop(permit);
            found
        });
        task.await.map_err(|_| closed())?
    }

    /// Ends: reads that begin from now on fail.
    pub(crate) fn close(&self) {
        self.free.close();
    }
}
