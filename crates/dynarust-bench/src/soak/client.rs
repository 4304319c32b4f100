//! The clients of `soak`: connections with some requests each.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::connection::Connection;
use crate::error::BenchError;
use crate::failures::{Failure, Failures};
use crate::pace::Pace;
use crate::request::Requests;
use crate::soak::Run;
use crate::soak::operation::Operation;
use crate::tally::Tally;

/// Requests of one connection.
const REQUESTS_MAX: usize = 200;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) tallies: BTreeMap<Operation, Tally>,
    pub(super) connections: u64,
    pub(super) streams: u64,
    pub(super) events: u64,
    pub(super) failures: Failures,
}

impl Work {
    pub(super) fn add(&mut self, other: &Work) {
        for (operation, tally) in &other.tallies {
            self.tallies.entry(*operation).or_insert_with(Tally::new).add(tally);
        }
        self.connections += other.connections;
        self.streams += other.streams;
        self.events += other.events;
        self.failures.add(&other.failures);
    }
}

impl Run {
    /// One client after the other, to the end.
    pub(super) async fn clients(self: Arc<Self>, number: usize) -> Result<Work, BenchError> {
        let mut work = Work::default();
        let mut dice = SmallRng::seed_from_u64(number as u64);
        let pace = Pace::new(self.began, self.asked.rate, number, self.asked.target.connections);
        let mut pace = pace.map_err(BenchError::System)?;
        while pace.next() < self.end {
            work.connections += 1;
            self.client(&mut pace, &mut dice, &mut work).await?;
        }
        Ok(work)
    }

    /// One client: a connection, some requests, and it is gone.
    async fn client(
        &self,
        pace: &mut Pace,
        dice: &mut SmallRng,
        work: &mut Work,
    ) -> Result<(), BenchError> {
        let mut connection = Connection::new(self.address);
        let mut requests = Requests::new(&self.asked.target);
        for _ in 0..dice.random_range(1..=REQUESTS_MAX) {
            if pace.next() >= self.end {
                break;
            }
            let began = pace.wait().await.map_err(BenchError::System)?;
            let operation = Operation::draw(dice);
            let request = operation.request(&mut requests, self.asked.records.records, dice);
            let answered = match connection.ask(request).await {
                Ok(status) if operation.may_answer(status) => Ok(()),
                Ok(_) => Err(Failure::Refused(connection.problem())),
                Err(failure) => Err(failure),
            };
            self.counts.count(answered.is_ok());
            match answered {
                Ok(()) => work.tallies.entry(operation).or_insert_with(Tally::new).record(began),
                Err(failure) => work.failures.count_one(&failure.of(operation.name())),
            }
        }
        Ok(())
    }
}
