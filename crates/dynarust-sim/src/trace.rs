//! The trace: what happened, moment by moment; the same for the same seed, byte for byte.

use std::fmt::{self, Write};
use std::hash::Hasher as _;

use parking_lot::Mutex;
use twox_hash::xxhash3_64::Hasher;

use crate::time;

/// See the module.
#[derive(Default)]
pub(crate) struct Trace(Mutex<Written>);

struct Written {
    hash: Hasher,
    lines: u64,
    /// All of it, where it is wanted.
    text: Option<String>,
    line: String,
}

impl Default for Written {
    fn default() -> Self {
        Self { hash: Hasher::new(), lines: 0, text: None, line: String::new() }
    }
}

impl Trace {
    /// A trace that keeps its text.
    pub(crate) fn kept() -> Self {
        Self(Mutex::new(Written { text: Some(String::new()), ..Written::default() }))
    }

    /// One more line.
    pub(crate) fn tell(&self, what: fmt::Arguments<'_>) {
        let mut written = self.0.lock();
        let mut line = std::mem::take(&mut written.line);
        line.clear();
        // Writing to a string does not fail.
        let _ = writeln!(line, "{:>10.3} {what}", time::now().as_secs_f64() * 1000.0);
        written.hash.write(line.as_bytes());
        written.lines += 1;
        if let Some(text) = &mut written.text {
            text.push_str(&line);
        }
        written.line = line;
    }

    /// What stands for all of it, and how many lines it has.
    pub(crate) fn sum(&self) -> (u64, u64) {
        let written = self.0.lock();
        (written.hash.finish(), written.lines)
    }

    /// All of it, where it was kept.
    pub(crate) fn text(&self) -> Option<String> {
        self.0.lock().text.clone()
    }
}

/// One line of the trace.
macro_rules! tell {
    ($trace:expr, $($what:tt)*) => { $trace.tell(format_args!($($what)*)) };
}
pub(crate) use tell;
