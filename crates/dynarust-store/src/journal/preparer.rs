//! A thread that has the next segment ready before the writer needs it: filling one with zeros takes
//! longer than a client should wait. Where hands drive the store there is no thread, and the segment is made
//! when it is asked for.
//!
//! It owns nothing but the segment in the making. It ends when its [`Preparer`] is dropped.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dynarust_core::limits::DISK_RESERVE_BYTES;
use parking_lot::{Condvar, Mutex};

use crate::driver::Driver;

use super::disk::Disk;
use super::frame::Binding;
use super::segment::Segment;

/// After a failure the disk is left alone for so long; until then every request fails at once.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What the writer sees of the thread.
pub(super) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    driver: Driver,
}

struct Shared {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    /// Nothing was asked for, or what was has been taken.
    Idle,
    /// In the making.
    Wanted(Binding),
    /// Made, or not, and when.
    Ready(io::Result<Segment>, Instant),
    /// The thread ends.
    Closed,
}

impl Preparer {
    /// Starts the thread, if there is to be one.
    pub(super) fn start(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        segment_bytes: u64,
        driver: Driver,
    ) -> io::Result<Self> {
        let (state, changed) = (Mutex::new(State::Idle), Condvar::new());
        let shared = Arc::new(Shared { disk, folder, segment_bytes, state, changed });
        let thread = match driver {
            Driver::Hands => None,
            Driver::Threads => {
                let theirs = Arc::clone(&shared);
                let thread = thread::Builder::new().name("journal-prepare".to_owned());
                Some(thread.spawn(move || theirs.run())?)
            }
        };
        Ok(Self { shared, thread, driver })
    }

    /// Asks for the segment that will be needed next.
    pub(super) fn want(&self, binding: Binding) {
        *self.shared.state.lock() = State::Wanted(binding);
        match self.driver {
            Driver::Hands => self.shared.make(binding),
            Driver::Threads => drop(self.shared.changed.notify_all()),
        }
    }

    /// The segment that was asked for; waits while it is in the making.
    ///
    /// # Errors
    /// Making it failed. The next call tries again, unless [`RETRY_AFTER`] has not passed.
    pub(super) fn take(&self, binding: Binding) -> io::Result<Segment> {
        let mut state = self.shared.state.lock();
        if matches!(&*state, State::Ready(Err(_), at) if at.elapsed() >= RETRY_AFTER)
            || matches!(&*state, State::Idle)
        {
            drop(state);
            self.want(binding);
            state = self.shared.state.lock();
        }
        while matches!(&*state, State::Wanted(_)) {
            self.shared.changed.wait_for(&mut state, RETRY_AFTER);
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(io::Error::other("the thread that makes segments has ended"));
            }
        }
        match std::mem::replace(&mut *state, State::Idle) {
            State::Ready(Ok(segment), _) => Ok(segment),
            State::Ready(Err(error), at) => {
                let told = io::Error::new(error.kind(), error.to_string());
                *state = State::Ready(Err(error), at);
                Err(told)
            }
            State::Idle | State::Wanted(_) | State::Closed => Err(io::ErrorKind::Other.into()),
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        *self.shared.state.lock() = State::Closed;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing left to undo.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        while let Some(binding) = self.next_wanted() {
            self.make(binding);
        }
    }

    fn make(&self, binding: Binding) {
        let (disk, folder) = (self.disk.as_ref(), &self.folder);
        let made =
            Segment::create_within(disk, folder, binding, self.segment_bytes, DISK_RESERVE_BYTES);
        let mut state = self.state.lock();
        // Not when the preparer was closed meanwhile.
        if matches!(&*state, State::Wanted(_)) {
            *state = State::Ready(made, Instant::now());
        }
        self.changed.notify_all();
    }

    /// Waits for a wish; `None` once the preparer is closed.
    fn next_wanted(&self) -> Option<Binding> {
        let mut state = self.state.lock();
        loop {
            match &*state {
                State::Wanted(binding) => return Some(*binding),
                State::Closed => return None,
                State::Ready(..) | State::Idle => self.changed.wait(&mut state),
            }
        }
    }
}
