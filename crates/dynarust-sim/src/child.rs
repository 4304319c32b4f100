//! One simulation in a process of its own: what another one left in its process changes nothing for it, and one that
//! hangs, or dies, is noticed.

use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Summary;
use crate::settings::{Form, Settings, listed};

/// How long one seed may take, in real time.
const PATIENCE_SHORT: Duration = Duration::from_secs(120);
const PATIENCE_LONG: Duration = Duration::from_secs(1800);
const LOOK: Duration = Duration::from_millis(5);
/// What it wrote to its standard error, as a violation begins that tells it.
pub(crate) const SAID: &str = "said";

/// Simulates in a process of its own. One that comes to no end has failed.
pub(crate) fn run_apart(settings: &Settings) -> Summary {
    try_run(settings).unwrap_or_else(|error| {
        Summary::of_failure(settings.seed, settings.form, format!("no end: {error}"))
    })
}

fn try_run(settings: &Settings) -> io::Result<Summary> {
    let Settings { seed, form, faults, .. } = settings;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--form", form.word(), "--json"]);
    if let Some(faults) = faults {
        command.args(["--faults", &listed(faults)]);
    }
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
    let mut summary: Summary =
        serde_json::from_str(&told).map_err(|_| io::Error::other(format!("{told}{said}")))?;
    // Where it panicked.
    if !summary.is_well() && !said.trim().is_empty() {
        summary.violations.push(format!("{SAID}: {}", said.trim()));
    }
    Ok(summary)
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
