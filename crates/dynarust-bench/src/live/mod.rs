//! Live streams: how long a write takes from being sent to being answered, and to reaching its readers.
//!
//! Each value holds the microsecond of the run in which it was sent; a reader finds it in its event.
//! A key has one writer with one write under way, so its values come in the order of these times, and
//! a reader that saw none as late as the key's last has missed something. What it may miss are values in between:
//! a slow reader gets the newest of a key.

mod reader;
mod spread;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::arguments::{LiveArguments, Target};
use crate::dialect::Dialect;
use crate::error::BenchError;
use crate::failures::Failures;
use crate::handles;
use crate::live::spread::Spread;
use crate::progress::{Counts, Goal, Progress};
use crate::report::Outcome;
use crate::tally::Tally;

/// Streams that are being opened at a time.
const OPENING_MAX: usize = 64;
/// How long the last events may take after the last answer.
const LAST_EVENTS_PATIENCE: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What readers and writers share.
#[derive(Debug)]
struct Run {
    asked: LiveArguments,
    dialect: Dialect,
    address: SocketAddr,
    /// The node whose streams are followed.
    followed: Target,
    followed_address: SocketAddr,
    keys: usize,
    began: Instant,
    opening: Semaphore,
    /// Streams that are open, and such as ended: by failure, that is.
    opened: AtomicUsize,
    ended: AtomicUsize,
    /// Of each key: when its last acknowledged value was sent.
    written: Vec<AtomicU64>,
    /// Of each stream: when the last value that it saw was sent.
    seen: Vec<AtomicU64>,
    /// Events that the acknowledged writes should make, one a reader.
    expected: AtomicU64,
    counts: Arc<Counts>,
    findings: Mutex<Findings>,
}

#[derive(Debug)]
struct Findings {
    answers: Tally,
    events: Tally,
    spread: Spread,
    failures: Failures,
}

/// Opens the streams, writes, and reports both sides.
pub(crate) async fn run(
    asked: &LiveArguments,
    dialect: Dialect,
    shown: bool,
) -> Result<Outcome, BenchError> {
    handles::raise(asked.streams + asked.target.connections)?;
    let address = asked.target.reach().await?;
    let followed_address = asked.followed().reach().await?;
    let progress = Progress::begin(shown, "live", Goal::Time(Duration::from_secs(asked.seconds)));
    let run = Arc::new(Run::new(asked, dialect, (address, followed_address), progress.counts()));
    let mut readers: JoinSet<()> =
        (0..asked.streams).map(|stream| Arc::clone(&run).follow(stream)).collect();
    run.until_open().await;
    let opened = run.began.elapsed();
    run.write_all().await?;
    let lasted = run.began.elapsed() - opened;
    run.until_seen().await;
    readers.shutdown().await;
    Ok(run.conclude(opened, lasted))
}

impl Run {
    fn new(
        asked: &LiveArguments,
        dialect: Dialect,
        (address, followed_address): (SocketAddr, SocketAddr),
        counts: Arc<Counts>,
    ) -> Run {
        let keys = asked.keys.unwrap_or(asked.streams).min(asked.streams);
        Run {
            asked: asked.clone(),
            dialect,
            address,
            followed: asked.followed(),
            followed_address,
            keys,
            began: Instant::now(),
            opening: Semaphore::new(OPENING_MAX),
            opened: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            written: std::iter::repeat_with(AtomicU64::default).take(keys).collect(),
            seen: std::iter::repeat_with(AtomicU64::default).take(asked.streams).collect(),
            expected: AtomicU64::new(0),
            counts,
            findings: Mutex::new(Findings {
                answers: Tally::new(),
                events: Tally::new(),
                spread: Spread::default(),
                failures: Failures::default(),
            }),
        }
    }

    fn key(&self, stream: usize) -> String {
        format!("live-{:06}", stream % self.keys)
    }

    /// How many streams follow a key.
    fn readers_of(&self, key: usize) -> u64 {
        let streams = self.asked.streams;
        (streams / self.keys + usize::from(key < streams % self.keys)) as u64
    }

    async fn until_open(&self) {
        let settled = || self.opened.load(Ordering::Relaxed) + self.ended.load(Ordering::Relaxed);
        while settled() < self.asked.streams {
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn until_seen(&self) {
        let answered = Instant::now();
        while self.behind() > 0 && answered.elapsed() < LAST_EVENTS_PATIENCE {
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Streams that have not seen their key's last value.
    fn behind(&self) -> usize {
        let written = self.written.iter().cycle();
        let is_behind = |(seen, written): &(&AtomicU64, &AtomicU64)| {
            seen.load(Ordering::Relaxed) < written.load(Ordering::Relaxed)
        };
        self.seen.iter().zip(written).filter(is_behind).count()
    }

    fn conclude(&self, opened: Duration, lasted: Duration) -> Outcome {
        let findings = self.findings.lock();
        let behind = self.behind();
        let expected = self.expected.load(Ordering::Relaxed);
        let merged = expected.saturating_sub(findings.events.count());
        let mut measured = vec![
            ("write to answer", findings.answers.clone()),
            ("write to event", findings.events.clone()),
        ];
        if self.asked.streams > self.keys {
            measured.push(("write to last event", findings.spread.to_last()));
        }
        Outcome {
            load: "live",
            with: format!(
                "{}, {} streams of {} keys, {} writes a second",
                self.asked.durability.name(),
                self.asked.streams,
                self.keys,
                self.asked.rate,
            ),
            lasted,
            measured,
            facts: vec![
                ("streams opened within seconds", opened.as_secs_f64()),
                ("streams that ended early", self.ended.load(Ordering::Relaxed) as f64),
                ("streams without their last value", behind as f64),
                ("values merged into newer ones", merged as f64),
            ],
            failures: findings.failures.clone(),
            shortfall: (behind > 0).then(|| format!("{behind} streams miss their last value")),
        }
    }
}
