//! Runs simulations: each on a thread of its own, whose randomness and time are the simulation's.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;
use tokio::runtime;

use crate::report::Report;
use crate::settings::Settings;
use crate::world::World;
use crate::{seeded, time};

/// Why there was no simulation.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No folder for the disks could be made.
    #[error("no folder can be made for the simulated disks: {0}")]
    Folder(io::Error),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    Thread(io::Error),
    /// The node, or the simulator, panicked.
    #[error("seed {seed} panicked: {why}")]
    Panicked {
        /// The seed.
        seed: u64,
        /// With what.
        why: String,
    },
}

/// Where the disks are: in memory, where the system has such a place.
fn disks() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Runs one simulation.
///
/// # Errors
/// [`RunError`].
pub fn run(settings: Settings) -> Result<Report, RunError> {
    let root = TempDir::with_prefix_in("dynarust-sim-", disks()).map_err(RunError::Folder)?;
    let seed = settings.seed;
    let simulation = move || {
        seeded::begin(seed);
        let run = || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .map_err(RunError::Thread)?;
            Ok(runtime.block_on(async {
                time::begin();
                World::new(settings, root).run().await
            }))
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let why = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            Err(RunError::Panicked { seed, why: why.unwrap_or_default() })
        })
    };
    let thread = thread::Builder::new()
        .name(format!("seed-{seed}"))
        .stack_size(16 << 20)
        .spawn(simulation)
        .map_err(RunError::Thread)?;
    // It catches its panics.
    thread
        .join()
        .unwrap_or_else(|_| Err(RunError::Panicked { seed, why: "the thread ended".to_owned() }))
}
