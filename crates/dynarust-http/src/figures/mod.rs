//! The node in numbers: `/stats` for people and programs, `/metrics` for Prometheus (API.md section 5).
//!
//! ```text
//! counts, limits ─┐
//! node, store ────┼──► stats (JSON)
//! process ────────┘──► metrics ──► exposition (Prometheus text)
//! ```

mod exposition;
mod limits;
mod metrics;
mod process;
mod stats;

pub(crate) use metrics::metrics;
#[cfg(test)]
pub(crate) use stats::StatsText;
pub(crate) use stats::stats;
