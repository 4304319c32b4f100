//! Requests over kept connections: fill, put, get.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::Load;
use crate::connection::{BenchError, Connection};
use crate::tally::Tally;
use dynarust_bench::lorem;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every record once.
    Fill,
    /// Random overwrites.
    Put,
    /// Random reads.
    Get,
}

/// What the connections of a run share.
#[derive(Debug)]
struct Run {
    kind: Kind,
    load: Load,
    filled: AtomicUsize,
    began: Instant,
}

/// Runs the load and reports it.
pub(crate) async fn run(kind: Kind, load: Load) -> Result<String, BenchError> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(Connection::open(load.address).await?);
    }
    let run = Arc::new(Run { kind, load, filled: AtomicUsize::new(0), began: Instant::now() });
    let mut workers = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        workers.spawn(run.clone().work(connection, number));
    }
    let mut all = Tally::new()?;
    while let Some(worker) = workers.join_next().await {
        all.add(&worker.map_err(std::io::Error::other)??)?;
    }
    let Load { connections, durability, .. } = run.load;
    let what = match kind {
        Kind::Get => format!("get, {connections} connections"),
        Kind::Put | Kind::Fill => {
            format!("{kind:?} {durability:?}, {connections} connections").to_lowercase()
        }
    };
    Ok(all.report(&what, run.began.elapsed()))
}

impl Run {
    async fn work(
        self: Arc<Self>,
        mut connection: Connection,
        number: usize,
    ) -> Result<Tally, BenchError> {
        let mut dice = SmallRng::seed_from_u64(number as u64);
        let mut tally = Tally::new()?;
        let mut requests = Requests::default();
        for sent in 0.. {
            let Some(record) = self.next_record(&mut dice) else { break };
            let due = self.due(number, sent);
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            let request = match self.kind {
                Kind::Get => requests.get(&self.load, record),
                Kind::Fill | Kind::Put => requests.put(&self.load, record, &mut dice),
            };
            // At a fixed rate a late answer makes the next one late: that counts, so time runs from when it
            // was due.
            let began = due.unwrap_or_else(Instant::now);
            connection.exchange(request).await?;
            tally.record(began)?;
        }
        Ok(tally)
    }

    fn next_record(&self, dice: &mut SmallRng) -> Option<usize> {
        match self.kind {
            Kind::Fill => Some(self.filled.fetch_add(1, Ordering::Relaxed))
                .filter(|record| *record < self.load.records),
            Kind::Put | Kind::Get => (self.began.elapsed() < self.load.duration())
                .then(|| dice.random_range(0..self.load.records.max(1))),
        }
    }

    /// When a request is to be sent, where there is a rate: connections take turns.
    fn due(&self, number: usize, sent: u32) -> Option<Instant> {
        let interval = Duration::from_secs(1) / self.load.rate?.max(1);
        let connections = u32::try_from(self.load.connections).unwrap_or(u32::MAX);
        let turn = u32::try_from(number).unwrap_or(u32::MAX);
        Some(self.began + interval * (sent * connections + turn))
    }
}

/// Requests, made in buffers that are used again.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    head: Vec<u8>,
    value: Vec<u8>,
}

impl Requests {
    fn get(&mut self, load: &Load, record: usize) -> &[u8] {
        self.head.clear();
        let Load { table, address, .. } = load;
        push(
            &mut self.head,
            format_args!("GET /{table}/key/{record:08} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        );
        &self.head
    }

    fn put(&mut self, load: &Load, record: usize, dice: &mut SmallRng) -> &[u8] {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        lorem::push_text(dice, &mut value);
        self.value = value;
        self.put_value(load, format_args!("{record:08}"))
    }

    /// A PUT of a value of the caller's.
    pub(crate) fn put_text(&mut self, load: &Load, key: &str, value: &str) -> &[u8] {
        self.value.clear();
        self.value.extend_from_slice(value.as_bytes());
        self.put_value(load, format_args!("{key}"))
    }

    fn put_value(&mut self, load: &Load, key: std::fmt::Arguments<'_>) -> &[u8] {
        const ENVELOPE_BYTES: usize = br#"{"value":}"#.len();
        self.head.clear();
        let Load { table, address, .. } = load;
        let (query, bytes) = (load.query(), self.value.len() + ENVELOPE_BYTES);
        push(
            &mut self.head,
            format_args!(
                "PUT /{table}/key/{key}{query} HTTP/1.1\r\nHost: {address}\r\n\
                 Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{{\"value\":"
            ),
        );
        self.head.extend_from_slice(&self.value);
        self.head.push(b'}');
        &self.head
    }
}

fn push(text: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // A vector takes whatever is written.
    let _always = text.write_fmt(arguments);
}
