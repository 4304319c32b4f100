//! The writes of `live`: each writer has keys of its own, and its share of the rate.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::connection::Connection;
use crate::error::BenchError;
use crate::live::Run;
use crate::pace::Pace;
use crate::request::Requests;

/// What stands in a value in front of the microseconds since the run began.
pub(super) const SENT_AT: &[u8] = b"sent at ";

impl Run {
    /// Writes for as long as was asked, and waits for the answers.
    pub(super) async fn write_all(self: &Arc<Self>) -> Result<(), BenchError> {
        let time = Duration::from_secs(self.asked.seconds);
        if self.asked.rate == 0.0 {
            sleep(time).await;
            return Ok(());
        }
        let number = self.asked.target.connections.min(self.keys);
        let began = Instant::now();
        let mut writers = JoinSet::new();
        for writer in 0..number {
            let pace = Pace::new(began, self.asked.rate, writer, number);
            let pace = pace.map_err(BenchError::System)?;
            writers.spawn(Arc::clone(self).write(writer, number, pace, began + time));
        }
        while let Some(ended) = writers.join_next().await {
            ended.map_err(|ended| BenchError::System(ended.into()))??;
        }
        Ok(())
    }

    /// One writer: each time a random one of its keys.
    async fn write(
        self: Arc<Self>,
        writer: usize,
        writers: usize,
        mut pace: Pace,
        end: Instant,
    ) -> Result<(), BenchError> {
        let mut connection = Connection::new(self.address);
        let mut dice = SmallRng::seed_from_u64(writer as u64);
        let mut requests = Requests::new(&self.asked.target);
        let durability = self.asked.durability.name();
        let own_keys = (self.keys - writer).div_ceil(writers);
        while pace.next() < end {
            pace.wait().await.map_err(BenchError::System)?;
            let key = writer + writers * dice.random_range(0..own_keys);
            let sent = Instant::now();
            let sent_micros = u64::try_from((sent - self.began).as_micros()).unwrap_or(u64::MAX);
            let value = format!("\"sent at {sent_micros} µs\"");
            let (target, name) = (&self.asked.target, self.key(key));
            let request = self.dialect.write(&mut requests, target, &name, durability, &value);
            let answered = connection.exchange(&request).await;
            self.counts.count(answered.is_ok());
            let mut findings = self.findings.lock();
            match answered {
                Ok(()) => {
                    findings.answers.record(sent);
                    self.expected.fetch_add(self.readers_of(key), Ordering::Relaxed);
                    if let Some(written) = self.written.get(key) {
                        written.fetch_max(sent_micros, Ordering::Relaxed);
                    }
                }
                Err(failure) => findings.failures.count_one(&failure),
            }
        }
        Ok(())
    }
}
