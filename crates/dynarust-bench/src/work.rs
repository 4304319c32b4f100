//! Requests over kept connections: every record once, random overwrites, random reads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::arguments::{LoadArguments, ReadArguments, Target, WriteArguments};
use crate::connection::Connection;
use crate::error::BenchError;
use crate::failures::{Failure, Failures};
use crate::pace::Pace;
use crate::progress::{Counts, Goal, Progress};
use crate::report::Outcome;
use crate::request::{Requests, key};
use crate::tally::Tally;

/// Tries in a row without a connection after which a run is given up.
const LOST_MAX: usize = 50;

/// Which records.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Each once.
    Each,
    /// At random, for this long.
    Random(Duration),
}

/// What is asked of them.
#[derive(Debug, Clone, Copy)]
enum Request {
    Get,
    Put { durability: &'static str },
}

/// What the connections of a run share.
#[derive(Debug)]
struct Run {
    target: Target,
    address: SocketAddr,
    request: Request,
    order: Order,
    records: usize,
    rate: Option<f64>,
    taken: AtomicUsize,
    /// It ends early, and what was found is reported.
    interrupted: AtomicBool,
    counts: Arc<Counts>,
    began: Instant,
}

/// Writes every record once.
pub(crate) async fn load(asked: &LoadArguments, shown: bool) -> Result<Outcome, BenchError> {
    fill(&asked.target, asked.records.records, asked.durability.name(), shown).await
}

/// Writes so many records once.
pub(crate) async fn fill(
    target: &Target,
    records: usize,
    durability: &'static str,
    shown: bool,
) -> Result<Outcome, BenchError> {
    let request = Request::Put { durability };
    run("load", target, records, Order::Each, request, None, shown).await
}

/// Reads random records, or each once.
pub(crate) async fn read(asked: &ReadArguments, shown: bool) -> Result<Outcome, BenchError> {
    let order = if asked.once { Order::Each } else { Order::Random(asked.time.duration()) };
    let (records, rate) = (asked.records.records, asked.time.rate);
    run("read", &asked.target, records, order, Request::Get, rate, shown).await
}

/// Overwrites random records.
pub(crate) async fn write(asked: &WriteArguments, shown: bool) -> Result<Outcome, BenchError> {
    let request = Request::Put { durability: asked.durability.name() };
    let order = Order::Random(asked.time.duration());
    let (records, rate) = (asked.records.records, asked.time.rate);
    run("write", &asked.target, records, order, request, rate, shown).await
}

async fn run(
    load: &'static str,
    target: &Target,
    records: usize,
    order: Order,
    request: Request,
    rate: Option<f64>,
    shown: bool,
) -> Result<Outcome, BenchError> {
    let address = target.reach().await?;
    let goal = match order {
        Order::Each => Goal::Requests(records as u64),
        Order::Random(time) => Goal::Time(time),
    };
    let progress = Progress::begin(shown, load, goal);
    let run = Arc::new(Run {
        target: target.clone(),
        address,
        request,
        order,
        records,
        rate: rate.filter(|rate| *rate > 0.0),
        taken: AtomicUsize::new(0),
        interrupted: AtomicBool::new(false),
        counts: progress.counts(),
        began: Instant::now(),
    });
    let mut workers = JoinSet::new();
    for number in 0..target.connections {
        workers.spawn(Arc::clone(&run).work(number));
    }
    let listening = tokio::spawn(Arc::clone(&run).listen());
    let (mut tally, mut failures) = (Tally::new(), Failures::default());
    while let Some(worker) = workers.join_next().await {
        let (measured, failed) = worker.map_err(|ended| BenchError::System(ended.into()))??;
        tally.add(&measured);
        failures.add(&failed);
    }
    listening.abort();
    Ok(Outcome {
        load,
        with: run.describe(),
        lasted: run.began.elapsed(),
        measured: vec![("request to answer", tally)],
        facts: Vec::new(),
        failures,
        shortfall: None,
    })
}

impl Run {
    /// One connection's share.
    async fn work(self: Arc<Self>, number: usize) -> Result<(Tally, Failures), BenchError> {
        let (mut tally, mut failures) = (Tally::new(), Failures::default());
        let mut dice = SmallRng::seed_from_u64(number as u64);
        let mut requests = Requests::new(&self.target);
        let mut connection = Connection::new(self.address);
        let mut lost = 0;
        let pace = |rate| Pace::new(self.began, rate, number, self.target.connections);
        let mut pace = self.rate.map(pace).transpose().map_err(BenchError::System)?;
        while let Some(record) = self.next_record(&mut dice) {
            let began = match &mut pace {
                None => Instant::now(),
                Some(pace) if self.is_behind_the_end(pace.next()) => break,
                Some(pace) => pace.wait().await.map_err(BenchError::System)?,
            };
            let request = match self.request {
                Request::Get => requests.get(key(record)),
                Request::Put { durability } => {
                    requests.put_lorem(key(record), durability, &mut dice)
                }
            };
            let answered = connection.exchange(request).await;
            self.counts.count(answered.is_ok());
            match answered {
                Ok(()) => tally.record(began),
                Err(failure) => {
                    failures.count_one(&failure);
                    lost = if matches!(failure, Failure::Lost(_)) { lost + 1 } else { 0 };
                    if lost > LOST_MAX {
                        return Err(self.gone(&failure));
                    }
                    continue;
                }
            }
            lost = 0;
        }
        Ok((tally, failures))
    }

    /// Random work may be ended by an interrupt, and is reported as far as it came. Where every record is
    /// wanted, an interrupt ends the program, as ever.
    async fn listen(self: Arc<Self>) {
        if matches!(self.order, Order::Random(_)) && tokio::signal::ctrl_c().await.is_ok() {
            self.interrupted.store(true, Ordering::Relaxed);
        }
    }

    fn next_record(&self, dice: &mut SmallRng) -> Option<usize> {
        match self.order {
            Order::Each => Some(self.taken.fetch_add(1, Ordering::Relaxed))
                .filter(|record| *record < self.records),
            Order::Random(time) => {
                let goes_on =
                    self.began.elapsed() < time && !self.interrupted.load(Ordering::Relaxed);
                goes_on.then(|| dice.random_range(0..self.records))
            }
        }
    }

    fn is_behind_the_end(&self, due: Instant) -> bool {
        matches!(self.order, Order::Random(time) if due > self.began + time)
    }

    fn gone(&self, failure: &Failure) -> BenchError {
        BenchError::Lost { address: self.target.address.clone(), said: failure.to_string() }
    }

    fn describe(&self) -> String {
        let durability = match self.request {
            Request::Get => String::new(),
            Request::Put { durability } => format!("{durability}, "),
        };
        let rate = self.rate.map_or(String::new(), |rate| format!(", {rate} a second"));
        format!(
            "{durability}{} connections, {} records{rate}",
            self.target.connections, self.records
        )
    }
}
