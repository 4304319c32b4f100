//! Live streams: one a key, and how long a write takes from being sent to reaching its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use crate::Load;
use crate::connection::{BenchError, Connection};
use crate::tally::Tally;
use crate::work::Requests;

const WRITES_A_SECOND: u32 = 300;
/// Streams that are being opened at a time.
const OPENING_MAX: usize = 64;
/// How long the last events may take after the last answer.
const LAST_EVENTS_TIMEOUT: Duration = Duration::from_secs(5);
/// What stands in a value in front of the microseconds since the run began.
const SENT_AT: &[u8] = b"\"sent at ";

/// What readers and writers share.
#[derive(Debug)]
struct Run {
    load: Load,
    streams: usize,
    began: Instant,
    opening: Semaphore,
    ready: AtomicUsize,
    events: Mutex<Tally>,
    answers: Mutex<Tally>,
}

/// Opens the streams, writes, and reports both sides.
pub(crate) async fn run(load: Load, streams: usize) -> Result<String, BenchError> {
    let run = Arc::new(Run {
        load,
        streams,
        began: Instant::now(),
        opening: Semaphore::new(OPENING_MAX),
        ready: AtomicUsize::new(0),
        events: Mutex::new(Tally::new()?),
        answers: Mutex::new(Tally::new()?),
    });
    let mut readers: JoinSet<_> = (0..streams).map(|stream| run.clone().follow(stream)).collect();
    while run.ready.load(Ordering::Relaxed) < streams {
        pause(&mut readers).await?;
    }
    let opened = run.began.elapsed();
    let mut writers: JoinSet<_> =
        (0..run.load.connections).map(|writer| run.clone().write(writer)).collect();
    while let Some(writer) = writers.join_next().await {
        writer.map_err(std::io::Error::other)??;
    }
    let (lasted, ended) = (run.began.elapsed() - opened, Instant::now());
    let answers = run.answers.lock().await;
    while run.events.lock().await.count() < answers.count() && ended.elapsed() < LAST_EVENTS_TIMEOUT
    {
        pause(&mut readers).await?;
    }
    let events = run.events.lock().await;
    let write = format!("write to answer, {:?}", run.load.durability).to_lowercase();
    Ok(format!(
        "{streams} streams open after {:.1} s\n{}\n{}\n{} events missing",
        opened.as_secs_f64(),
        answers.report(&write, lasted),
        events.report("write to event", lasted),
        answers.count().saturating_sub(events.count()),
    ))
}

/// A moment of waiting, in which no reader may end.
async fn pause(readers: &mut JoinSet<Result<(), BenchError>>) -> Result<(), BenchError> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    readers.try_join_next().map_or(Ok(()), |reader| reader.map_err(std::io::Error::other)?)
}

fn key(stream: usize) -> String {
    format!("live-{stream:06}")
}

impl Run {
    /// Follows one key for as long as the run lasts.
    async fn follow(self: Arc<Self>, stream: usize) -> Result<(), BenchError> {
        let Load { address, table, .. } = &self.load;
        let opening = self.opening.acquire().await.map_err(std::io::Error::other)?;
        let mut connection = Connection::open(*address).await?;
        let key = key(stream);
        let request =
            format!("GET /{table}/subscribe/{key}?state=false HTTP/1.1\r\nHost: {address}\r\n\r\n");
        connection.open_stream(request.as_bytes()).await?;
        while memmem::find(connection.unread(), b"event: ready").is_none() {
            connection.read_more().await?;
        }
        connection.unread().clear();
        drop(opening);
        self.ready.fetch_add(1, Ordering::Relaxed);
        loop {
            connection.read_more().await?;
            let now = self.began.elapsed().as_micros();
            while let Some(sent) = take_sent_at(connection.unread()) {
                self.events.lock().await.record_micros(now.saturating_sub(sent))?;
            }
        }
    }

    /// One writer: its share of the rate, each time to a random key.
    async fn write(self: Arc<Self>, writer: usize) -> Result<(), BenchError> {
        let mut connection = Connection::open(self.load.address).await?;
        let mut dice = SmallRng::seed_from_u64(writer as u64);
        let mut requests = Requests::default();
        let rate = self.load.rate.unwrap_or(WRITES_A_SECOND).max(1);
        let interval = Duration::from_secs(1) / rate;
        let writers = u32::try_from(self.load.connections).unwrap_or(u32::MAX);
        let first = Instant::now() + interval * u32::try_from(writer).unwrap_or(u32::MAX);
        let mut due = first;
        while due.duration_since(first) < self.load.duration() {
            tokio::time::sleep_until(due.into()).await;
            let key = key(dice.random_range(0..self.streams));
            let sent = Instant::now();
            let value = format!("\"sent at {} µs\"", (sent - self.began).as_micros());
            connection.exchange(requests.put_text(&self.load, &key, &value)).await?;
            self.answers.lock().await.record(sent)?;
            due += interval * writers;
        }
        Ok(())
    }
}

/// Takes one value's time from what came; a value that is not whole yet stays.
fn take_sent_at(unread: &mut Vec<u8>) -> Option<u128> {
    let start = memmem::find(unread, SENT_AT)? + SENT_AT.len();
    let rest = unread.get(start..)?;
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let sent = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok();
    unread.drain(..start + end);
    sent
}
