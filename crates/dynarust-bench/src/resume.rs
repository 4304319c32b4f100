//! `resume`: many streams are cut, miss a write each, and come back all at once.
//!
//! Each stream follows a key of its own. While all are away, every key is written once. Then each comes back
//! with its last id, and must get what it missed before `ready`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::ResumeArguments;
use crate::connection::Connection;
use crate::error::BenchError;
use crate::failures::{Failure, Failures};
use crate::handles;
use crate::progress::{Counts, Goal, Progress};
use crate::report::Outcome;
use crate::request::Requests;
use crate::tally::Tally;

/// Streams that are opened at a time at first, when nothing is measured.
const OPENING_MAX: usize = 64;
/// How long a stream may take to come back.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &[u8] = b"event: ready\n";
const RESET: &[u8] = b"event: reset\n";
const END_OF_EVENT: &[u8] = b"\n\n";
const MISSED: &str = "\"written while all were away\"";

#[derive(Debug)]
struct Run {
    asked: ResumeArguments,
    address: SocketAddr,
    opening: Semaphore,
    counts: Arc<Counts>,
}

/// How one stream came back.
#[derive(Debug)]
struct Back {
    took: Duration,
    by_reset: bool,
    has_missed: bool,
}

/// Opens, cuts, writes, resumes, and reports how long the last took.
pub(crate) async fn run(asked: &ResumeArguments, shown: bool) -> Result<Outcome, BenchError> {
    handles::raise(asked.streams + asked.target.connections)?;
    let address = asked.target.reach().await?;
    let progress = Progress::begin(shown, "resume", Goal::Requests(3 * asked.streams as u64));
    let run = Arc::new(Run {
        asked: asked.clone(),
        address,
        opening: Semaphore::new(OPENING_MAX),
        counts: progress.counts(),
    });
    let mut failures = Failures::default();
    let streams = 0..asked.streams;
    let ids = run.all(streams.clone().map(|stream| (stream, String::new())), open, &mut failures);
    let ids = ids.await?;
    let writers = (0..asked.target.connections).map(|writer| (writer, String::new()));
    run.all(writers, write_share, &mut failures).await?;
    let began = Instant::now();
    let back = run.all(ids.into_iter(), come_back, &mut failures).await?;
    let lasted = began.elapsed();
    Ok(run.conclude(&back, lasted, failures))
}

impl Run {
    /// Does `what` for each at the same time; gives what those who succeed give.
    async fn all<T, F>(
        self: &Arc<Self>,
        each: impl Iterator<Item = (usize, String)>,
        what: fn(Arc<Run>, usize, String) -> F,
        failures: &mut Failures,
    ) -> Result<Vec<T>, BenchError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let mut tasks: JoinSet<_> =
            each.map(|(number, id)| what(Arc::clone(self), number, id)).collect();
        let mut found = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.map_err(|ended| BenchError::System(ended.into()))?;
            self.counts.count(ended.is_ok());
            match ended {
                Ok(one) => found.push(one),
                Err(failure) => failures.count_one(&failure),
            }
        }
        Ok(found)
    }

    fn key(stream: usize) -> String {
        format!("away-{stream:06}")
    }

    fn request(&self, stream: usize, headers: &str) -> String {
        let (table, host) = (&self.asked.target.table, &self.asked.target.address);
        let key = Self::key(stream);
        format!(
            "GET /{table}/subscribe/{key}?state=false HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        )
    }

    fn conclude(&self, back: &[Back], lasted: Duration, failures: Failures) -> Outcome {
        let mut tally = Tally::new();
        for stream in back {
            tally.record_time(stream.took);
        }
        let missing = back.iter().filter(|stream| !stream.has_missed).count();
        let resets = back.iter().filter(|stream| stream.by_reset).count();
        Outcome {
            load: "resume",
            with: format!("{} streams at once", self.asked.streams),
            lasted,
            measured: vec![("all at once to ready", tally)],
            facts: vec![
                ("streams by reset", resets as f64),
                ("streams without what they missed", missing as f64),
            ],
            failures,
            shortfall: (missing > 0).then(|| format!("{missing} streams miss an event")),
        }
    }
}

/// Opens a stream and gives its last id; then it is cut.
async fn open(run: Arc<Run>, stream: usize, _: String) -> Result<(usize, String), Failure> {
    let _opening = run.opening.acquire().await;
    let mut connection = Connection::new(run.address);
    connection.open_stream(run.request(stream, "").as_bytes()).await?;
    connection.skip_behind(READY).await?;
    let event = connection.skip_behind(END_OF_EVENT).await?;
    let event = String::from_utf8_lossy(&event).into_owned();
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    let id = id.ok_or_else(|| Failure::Refused("ready without an id".to_owned()))?;
    Ok((stream, id.to_owned()))
}

/// One connection's share of the writes.
async fn write_share(run: Arc<Run>, writer: usize, _: String) -> Result<(), Failure> {
    let mut connection = Connection::new(run.address);
    let mut requests = Requests::new(&run.asked.target);
    let durability = run.asked.durability.name();
    for stream in (writer..run.asked.streams).step_by(run.asked.target.connections) {
        let request = requests.put_value(Run::key(stream), durability, MISSED);
        connection.exchange(request).await?;
        run.counts.count(true);
    }
    Ok(())
}

async fn come_back(run: Arc<Run>, stream: usize, id: String) -> Result<Back, Failure> {
    let began = Instant::now();
    let mut connection = Connection::new(run.address);
    let request = run.request(stream, &format!("Last-Event-ID: {id}\r\n"));
    let resumed = timeout(PATIENCE, async {
        connection.open_stream(request.as_bytes()).await?;
        connection.skip_behind(READY).await
    });
    let came = resumed.await.map_err(|_| Failure::Refused("never ready".to_owned()))??;
    Ok(Back {
        took: began.elapsed(),
        by_reset: memmem::find(&came, RESET).is_some(),
        has_missed: memmem::find(&came, MISSED.as_bytes()).is_some(),
    })
}
