//! Runs simulations: each on a thread of its own, whose randomness and time are the simulation's.

use std::io;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
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

/// What has panicked in this process, in whatever task.
struct Panics(Arc<Mutex<Vec<String>>>);

impl Panics {
    /// From now on they are noted, and said as before.
    fn hooked() -> Self {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let (notes, said) = (Arc::clone(&noted), panic::take_hook());
        panic::set_hook(Box::new(move |panic| {
            notes.lock().push(panic.to_string());
            said(panic);
        }));
        Self(noted)
    }

    fn told(&self) -> Vec<String> {
        self.0.lock().clone()
    }
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
        let panics = Panics::hooked();
        let run = || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .map_err(RunError::Thread)?;
            let mut report = runtime.block_on(async {
                time::begin();
                World::new(settings, root).run().await
            });
            // A task that panics ends by itself.
            let panicked = panics.told().into_iter().map(|panic| format!("panicked: {panic}"));
            report.summary.violations.splice(0..0, panicked);
            Ok(report)
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
