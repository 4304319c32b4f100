//! `soak`: mixed work by clients that come and go, for as long as is asked; and whether the node's memory,
//! file handles and disk are at the end what they were in the first minutes.
//!
//! A client is a connection with a random number of operations on random records, at its share of the rate,
//! and then another one. A follower is a stream on something random, for some seconds, dropped or
//! resumed. So many of each run at a time; all that they do comes from their numbers.

mod client;
mod follower;
mod operation;
mod sample;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::arguments::SoakArguments;
use crate::error::BenchError;
use crate::handles;
use crate::progress::{Counts, Goal, Progress};
use crate::report::Outcome;
use crate::soak::client::Work;
use crate::soak::operation::Operation;
use crate::soak::sample::{Samples, Subject};
use crate::work;

/// How often the node is looked at, and how long the two spans are that are compared. A short run
/// has shorter ones.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
const SPAN: Duration = Duration::from_secs(120);
const SAMPLES_MIN: u32 = 20;

/// What clients and followers share.
#[derive(Debug)]
struct Run {
    asked: SoakArguments,
    address: SocketAddr,
    began: Instant,
    end: Instant,
    counts: Arc<Counts>,
}

/// Soaks the node, and compares its end with its beginning.
pub(crate) async fn run(asked: &SoakArguments, shown: bool) -> Result<Outcome, BenchError> {
    handles::raise(asked.target.connections + asked.streams)?;
    let address = asked.target.reach().await?;
    let subject = Subject::new(asked.pid, asked.folder.clone())?;
    // Every record is there from the beginning, so that their number is no reason to grow.
    work::fill(&asked.target, asked.records.records, "relaxed", shown).await?.verdict()?;
    let time = Duration::from_secs_f64(asked.minutes * 60.0);
    let progress = Progress::begin(shown, "soak", Goal::Time(time));
    let began = Instant::now();
    let counts = progress.counts();
    let run = Arc::new(Run { asked: asked.clone(), address, began, end: began + time, counts });
    let mut workers: JoinSet<Result<Work, BenchError>> = JoinSet::new();
    for number in 0..asked.target.connections {
        workers.spawn(Arc::clone(&run).clients(number));
    }
    for number in 0..asked.streams {
        workers.spawn(Arc::clone(&run).followers(number));
    }
    let samples = run.watch(&subject, time).await?;
    let mut work = Work::default();
    while let Some(worker) = workers.join_next().await {
        work.add(&worker.map_err(|ended| BenchError::System(ended.into()))??);
    }
    Ok(run.conclude(&work, &samples, SPAN.min(time / 2)))
}

impl Run {
    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Looks at the node again and again, to the end.
    async fn watch(&self, subject: &Subject, time: Duration) -> Result<Samples, BenchError> {
        let interval = SAMPLE_INTERVAL.min(time / SAMPLES_MIN);
        let mut samples = Samples::default();
        while !self.is_over() {
            sleep(interval).await;
            samples.take(subject, self.began.elapsed())?;
        }
        Ok(samples)
    }

    fn conclude(&self, work: &Work, samples: &Samples, span: Duration) -> Outcome {
        let tallies = Operation::ALL.iter().filter_map(|operation| {
            let tally = work.tallies.get(operation)?;
            Some((operation.name(), tally.clone()))
        });
        let mut facts = vec![
            ("connections opened", work.connections as f64),
            ("streams opened", work.streams as f64),
            ("events", work.events as f64),
        ];
        let growth = samples.growth(span);
        facts.extend(growth.iter().flat_map(sample::Growth::facts));
        let grown: Vec<_> = growth.iter().filter_map(sample::Growth::complaint).collect();
        Outcome {
            load: "soak",
            with: format!(
                "{} clients, {} followers, {} records, {} a second",
                self.asked.target.connections,
                self.asked.streams,
                self.asked.records.records,
                self.asked.rate,
            ),
            lasted: self.began.elapsed(),
            measured: tallies.collect(),
            facts,
            failures: work.failures.clone(),
            shortfall: (!grown.is_empty()).then(|| grown.join("; ")),
        }
    }
}
