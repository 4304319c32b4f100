//! A few read-only connections to the base, each used by one reader at a time on a blocking thread; or at once,
//! where hands drive the store.
//!
//! Reads of single records are the many: a bounded number of them waits. Scans and reads of the feed are
//! bounded by who makes them: one at a time for a request or a stream.

use std::path::Path;
use std::sync::Arc;

use dynarust_core::limits::READS_WAITING_MAX;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::base::{BaseError, ReadBase};
use crate::driver::Driver;
use crate::port::ReadError;

/// Connections, and so reads of the base at a time.
const READERS: usize = 4;
/// Those that are done at once don't meet.
const READERS_BY_HAND: usize = 1;

/// See the module.
#[derive(Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<ReadBase>>>,
    free: Arc<Semaphore>,
    /// Places of reads of single records, those that run included.
    places: Arc<Semaphore>,
    driver: Driver,
}

impl Readers {
    /// Opens the connections.
    pub(crate) fn open(base: &Path, driver: Driver) -> Result<Self, BaseError> {
        let readers = match driver {
            Driver::Threads => READERS,
            Driver::Hands => READERS_BY_HAND,
        };
        let idle = (0..readers).map(|_| ReadBase::open(base)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            free: Arc::new(Semaphore::new(readers)),
            places: Arc::new(Semaphore::new(READS_WAITING_MAX)),
            driver,
        })
    }

    /// Runs `read` with a connection, off the async threads.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadBase) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let closed = || ReadError::Base("the store is closed".into());
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let task = move || {
            let Some(base) = idle.lock().pop() else {
                return Err(ReadError::Base("no connection is idle".into()));
            };
            let found = read(&base);
            idle.lock().push(base);
            drop(permit);
            found
        };
        match self.driver {
            Driver::Threads => tokio::task::spawn_blocking(task).await.map_err(|_| closed())?,
            Driver::Hands => task(),
        }
    }

    /// As [`Readers::with`].
    ///
    /// # Errors
    /// [`ReadError::Overloaded`] where too many others wait.
    pub(crate) async fn with_if_free_soon<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadBase) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let _place = self.places.try_acquire().map_err(|_| ReadError::Overloaded)?;
        self.with(read).await
    }

    /// Ends: reads that begin from now on fail.
    pub(crate) fn close(&self) {
        self.free.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn a_bounded_number_of_reads_waits() {
        let idle = Arc::default();
        let free = Arc::new(Semaphore::new(0));
        let places = Arc::new(Semaphore::new(2));
        let readers = Readers { idle, free, places, driver: Driver::Threads };
        let read = || readers.with_if_free_soon(|_| Ok(()));
        let close = async { readers.close() };
        let (outcomes, ()) = tokio::join!(join_all([read(), read(), read()]), close);
        let overloaded = outcomes.iter().map(|it| *it == Err(ReadError::Overloaded));
        assert_eq!(overloaded.collect::<Vec<_>>(), [false, false, true]);
        // Those that waited have ended, so there is room again.
        assert_ne!(read().await, Err(ReadError::Overloaded));
    }
}
