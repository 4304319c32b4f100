//! The followers of `soak`: live streams that are opened, read for a while, and dropped or resumed.

use std::sync::Arc;
use std::time::Duration;

use memchr::memmem;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::error::BenchError;
use crate::failures::Failure;
use crate::request::key;
use crate::soak::Run;
use crate::soak::client::Work;

const READY: &[u8] = b"event: ready\n";
const END_OF_EVENT: &[u8] = b"\n\n";
/// How long a stream may take until it misses nothing any more.
const READY_PATIENCE: Duration = Duration::from_secs(30);
/// How long a stream is read.
const FOLLOWED: std::ops::Range<f64> = 0.0..10.0;
/// What a follower does behind a failure, so that a node that is away is not stormed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

impl Run {
    /// One follower after the other, to the end.
    pub(super) async fn followers(self: Arc<Self>, number: usize) -> Result<Work, BenchError> {
        let mut work = Work::default();
        let mut dice = SmallRng::seed_from_u64(u64::MAX - number as u64);
        let mut last_id = None;
        while !self.is_over() {
            work.streams += 1;
            let followed = self.follower(&mut dice, last_id.take(), &mut work).await;
            self.counts.count(followed.is_ok());
            match followed {
                Ok(id) => last_id = id.filter(|_| dice.random_bool(0.5)),
                Err(failure) => {
                    work.failures.count_one(&failure.of("stream"));
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
        Ok(work)
    }

    /// One stream; gives where it was, so that another can go on from there.
    async fn follower(
        &self,
        dice: &mut SmallRng,
        last_id: Option<(String, String)>,
        work: &mut Work,
    ) -> Result<Option<(String, String)>, Failure> {
        let mut connection = Connection::new(self.address);
        let (path, id) = match last_id {
            Some((path, id)) => (path, format!("Last-Event-ID: {id}\r\n")),
            None => (self.selection(dice), String::new()),
        };
        let host = &self.asked.target.address;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{id}\r\n");
        connection.open_stream(request.as_bytes()).await?;
        let until_ready = timeout(READY_PATIENCE, connection.skip_behind(READY)).await;
        until_ready.map_err(|_| Failure::Refused("never ready".to_owned()))??;
        let left = self.end.saturating_duration_since(std::time::Instant::now());
        let time = Duration::from_secs_f64(dice.random_range(FOLLOWED)).min(left);
        let mut seen = None;
        let reading = timeout(time, read(&mut connection, &mut seen, &mut work.events)).await;
        match reading {
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(())) | Err(_) => Ok(seen.map(|id| (path, id))),
        }
    }

    /// A key, a prefix, or both of several; never the whole table, which every write would go to.
    fn selection(&self, dice: &mut SmallRng) -> String {
        let table = &self.asked.target.table;
        let mut record = || key(dice.random_range(0..self.asked.records.records)).to_string();
        let (one, other) = (record(), record());
        let prefix: String = one.chars().take(one.len() - 1).collect();
        match dice.random_range(0..3) {
            0 => format!("/{table}/subscribe/{one}"),
            1 => format!("/{table}/subscribe?prefix={prefix}&state=false"),
            _ => format!("/subscribe?key={table}/{other}&prefix={table}/{prefix}"),
        }
    }
}

/// Reads events, and keeps the last id; ends only by a failure.
async fn read(
    connection: &mut Connection,
    seen: &mut Option<String>,
    events: &mut u64,
) -> Result<(), Failure> {
    loop {
        while let Some(end) = memmem::find(connection.received(), END_OF_EVENT) {
            let event: Vec<u8> = connection.received().drain(..end + END_OF_EVENT.len()).collect();
            let event = String::from_utf8_lossy(&event);
            *events += u64::from(event.contains("data: "));
            if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                *seen = Some(id.to_owned());
            }
        }
        connection.receive().await?;
    }
}
