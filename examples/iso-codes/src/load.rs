//! `load`: every record with a PUT of its own, over a few connections.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::api::{Api, ApiError};
use crate::source::Tables;

/// Writes all tables and returns how many records that were.
///
/// # Errors
/// The first write that came to nothing; then the others stop as well.
pub fn load(api: &Api, tables: &Tables, connections: usize) -> Result<usize, ApiError> {
    let records: Vec<(&str, &String, &String)> = tables
        .iter()
        .flat_map(|(table, records)| records.iter().map(move |(key, text)| (*table, key, text)))
        .collect();
    let next = AtomicUsize::new(0);
    let write = || {
        while let Some((table, key, text)) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = api.put(table, key, text) {
                next.store(records.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..connections.max(1)).map(|_| scope.spawn(write)).collect();
        let outcomes = writers.into_iter().map(|writer| match writer.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        outcomes.collect::<Result<(), ApiError>>()
    })?;
    Ok(records.len())
}
