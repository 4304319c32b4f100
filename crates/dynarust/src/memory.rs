//! Memory that was freed goes back to the system.
//!
//! glibc keeps what was freed wherever something above it in the same arena is still in use: 10,000
//! connections that came and went left 110 MB behind, of which 1.5 MB were in use, and each next crowd
//! added to it. So the process looks now and then how much more it has than it uses, and where that has
//! grown, asks glibc to give back what is free.

use std::time::Duration;

use dynarust_core::limits::{FREED_BYTES_MAX, MEMORY_CHECK_MILLIS};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Gives memory back for as long as it is polled; it never ends.
pub(crate) async fn give_back() {
    keep_small().await;
    std::future::pending().await
}

/// Ends only where there are no figures to go by.
async fn keep_small() {
    // What is not in use and cannot be given back: code, stacks, arenas' own.
    let mut least = u64::MAX;
    loop {
        sleep(Duration::from_millis(MEMORY_CHECK_MILLIS)).await;
        let Some(unused) = unused_bytes().await else { return };
        least = least.min(unused);
        if unused - least < FREED_BYTES_MAX {
            continue;
        }
        if spawn_blocking(allocator::trim).await.is_err() {
            return;
        }
        let Some(left) = unused_bytes().await else { return };
        tracing::debug!(unused, left, "memory was given back");
        least = left;
    }
}

/// Bytes that the process has, and does not use.
async fn unused_bytes() -> Option<u64> {
    let measured = spawn_blocking(|| {
        let resident = resident_bytes()?;
        Some(resident.saturating_sub(allocator::used_bytes()?))
    });
    measured.await.ok().flatten()
}

/// Resident memory that is no file's. See `proc(5)`: the second and third number of `statm`, in pages.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut numbers = text.split(' ').skip(1).map_while(|number| number.parse::<u64>().ok());
    let (resident, shared) = (numbers.next()?, numbers.next()?);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

#[cfg(target_env = "gnu")]
mod allocator {
    #[expect(unsafe_code, reason = "UNSAFE.md: glibc has no other way")]
    pub(super) fn trim() {
        // SAFETY: it takes no pointer, may be called at any time and from any thread, and touches only
        // memory that is free.
        unsafe {
            libc::malloc_trim(0);
        }
    }

    #[expect(unsafe_code, reason = "UNSAFE.md: glibc has no other way")]
    pub(super) fn used_bytes() -> Option<u64> {
        // SAFETY: it takes no pointer, and may be called at any time and from any thread.
        let info = unsafe { libc::mallinfo2() };
        Some((info.uordblks + info.hblkhd) as u64)
    }
}

/// Other allocators give back by themselves.
#[cfg(not(target_env = "gnu"))]
mod allocator {
    pub(super) fn trim() {}

    pub(super) fn used_bytes() -> Option<u64> {
        None
    }
}
