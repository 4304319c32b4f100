//! Memory with a bound: whoever takes memory by a length that somebody sent runs into it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's memory, of which no more than a bound is handed out.
pub struct Bounded {
    taken: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl Bounded {
    /// Without a bound, until [`Bounded::within`] sets one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a static cannot use it")]
    pub const fn new() -> Self {
        Self { taken: AtomicUsize::new(0), bytes_max: AtomicUsize::new(usize::MAX) }
    }

    /// Runs it with so many bytes more than are taken now; the process ends where it asks for more.
    pub fn within(&self, bytes: usize, run: impl FnOnce()) {
        let bytes_max = self.taken.load(Ordering::Relaxed).saturating_add(bytes);
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        run();
        self.bytes_max.store(usize::MAX, Ordering::Relaxed);
    }
}

// SAFETY: all memory is the system's; it is only counted here.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let taken = self.taken.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        // What tells of a panic may take what it needs.
        if taken > bytes_max && !std::thread::panicking() {
            self.bytes_max.store(usize::MAX, Ordering::Relaxed);
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.taken.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
