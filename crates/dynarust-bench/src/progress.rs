//! How far a load has come, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const BAR_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// When a load is done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    Requests(u64),
    Time(Duration),
}

/// What the connections of a load have done so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    succeeded: AtomicU64,
    failed: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, success: bool) {
        let counter = if success { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Shows the counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    counts: Arc<Counts>,
    display: Option<JoinHandle<()>>,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn begin(shown: bool, load: &'static str, goal: Goal) -> Progress {
        let counts = Arc::new(Counts::default());
        let on_terminal = shown && std::io::stderr().is_terminal();
        let bar = if on_terminal { bar(load, goal) } else { ProgressBar::hidden() };
        let view = View { load, goal, began: Instant::now(), counts: Arc::clone(&counts) };
        let display = match (shown, on_terminal) {
            (false, _) => None,
            (true, true) => Some(tokio::spawn(view.draw(bar.clone()))),
            (true, false) => Some(tokio::spawn(view.print())),
        };
        Progress { counts, display, bar }
    }

    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(display) = &self.display {
            display.abort();
        }
        self.bar.finish_and_clear();
    }
}

#[derive(Debug)]
struct View {
    load: &'static str,
    goal: Goal,
    began: Instant,
    counts: Arc<Counts>,
}

impl View {
    async fn draw(self, bar: ProgressBar) {
        loop {
            bar.set_position(self.position());
            bar.set_message(self.message());
            sleep(BAR_INTERVAL).await;
        }
    }

    async fn print(self) {
        loop {
            sleep(LINE_INTERVAL).await;
            let goal = match self.goal {
                Goal::Requests(requests) => format!("of {requests}"),
                Goal::Time(time) => {
                    format!("in {} of {} s", self.began.elapsed().as_secs(), time.as_secs())
                }
            };
            // Nobody reads: none of the load's business.
            let _ = writeln!(std::io::stderr(), "{}: {} {goal}", self.load, self.message());
        }
    }

    fn position(&self) -> u64 {
        match self.goal {
            Goal::Requests(_) => self.counts.succeeded.load(Ordering::Relaxed),
            Goal::Time(_) => millis(self.began.elapsed()),
        }
    }

    fn message(&self) -> String {
        let succeeded = self.counts.succeeded.load(Ordering::Relaxed);
        let failed = self.counts.failed.load(Ordering::Relaxed);
        let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let rate = succeeded as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        format!("{succeeded} requests, {rate:.0}/s{failures}")
    }
}

fn bar(load: &'static str, goal: Goal) -> ProgressBar {
    let length = match goal {
        Goal::Requests(requests) => requests,
        Goal::Time(time) => millis(time),
    };
    let bar = ProgressBar::new(length).with_prefix(load);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {percent} % {msg}") {
        bar.set_style(style);
    }
    bar
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
