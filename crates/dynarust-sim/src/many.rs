//! Many seeds, each in a process of its own: what one leaves in its process changes nothing for the next, and
//! one that hangs is noticed.

use std::io::{self, Read as _};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Sum, Summary};
use crate::settings::Form;

/// How long one seed may take, in real time.
const PATIENCE_SHORT: Duration = Duration::from_secs(120);
const PATIENCE_LONG: Duration = Duration::from_secs(1800);
const LOOK: Duration = Duration::from_millis(5);

/// Which seeds.
#[derive(Debug, Clone)]
pub struct Many {
    /// In this order.
    pub seeds: Range<u64>,
    /// How long each is.
    pub form: Form,
    /// Begins no further one after so long.
    pub within: Option<Duration>,
    /// How many at a time.
    pub at_a_time: usize,
    /// Begins no further one behind the first that fails.
    pub until_failure: bool,
}

impl Many {
    /// Simulates them; `tell` hears of each.
    pub fn run(&self, tell: impl Fn(&Summary) + Sync) -> Sum {
        let next = AtomicU64::new(self.seeds.start);
        let failed = AtomicBool::new(false);
        let sum = Mutex::new(Sum::default());
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..self.at_a_time.max(1) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let over = self.within.is_some_and(|within| began.elapsed() > within)
                            || self.until_failure && failed.load(Ordering::Relaxed);
                        if seed >= self.seeds.end || over {
                            return;
                        }
                        let summary = one(seed, self.form).unwrap_or_else(|error| {
                            Summary::of_failure(seed, self.form, format!("no end: {error}"))
                        });
                        failed.fetch_or(!summary.is_well(), Ordering::Relaxed);
                        tell(&summary);
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(&summary);
                    }
                });
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn one(seed: u64, form: Form) -> io::Result<Summary> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--form", form.word(), "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let patience = match form {
        Form::Short => PATIENCE_SHORT,
        Form::Long => PATIENCE_LONG,
    };
    let (told, said) = match read_all(&mut child, patience) {
        Ok(read) => read,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    child.wait()?;
    serde_json::from_str(&told).map_err(|_| io::Error::other(format!("{told}{said}")))
}

/// What the child says, on both of its outputs.
fn read_all(child: &mut Child, patience: Duration) -> io::Result<(String, String)> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let reading = |mut from: Box<dyn io::Read + Send>| {
        thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).map(|_| text)
        })
    };
    let (told, said) = (reading(Box::new(stdout)), reading(Box::new(stderr)));
    let end = Instant::now() + patience;
    while !(told.is_finished() && said.is_finished()) {
        if Instant::now() > end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it hangs"));
        }
        thread::sleep(LOOK);
    }
    let joined = |thread: thread::JoinHandle<io::Result<String>>| {
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the reader panicked")))
    };
    Ok((joined(told)?, joined(said)?))
}
