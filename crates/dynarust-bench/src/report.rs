//! What a load found, for people and for scripts.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::BenchError;
use crate::failures::Failures;
use crate::tally::Tally;

/// What a load found.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The load's name.
    pub(crate) load: &'static str,
    /// With what it was done: durability, connections, streams.
    pub(crate) with: String,
    /// How long it was measured.
    pub(crate) lasted: Duration,
    /// What was timed.
    pub(crate) measured: Vec<(&'static str, Tally)>,
    /// What else there is to say, in numbers.
    pub(crate) facts: Vec<(&'static str, f64)>,
    /// What went wrong.
    pub(crate) failures: Failures,
    /// Why the figures are not what was asked for, where no request failed.
    pub(crate) shortfall: Option<String>,
}

impl Outcome {
    pub(crate) fn to_json(&self) -> String {
        let seconds = self.lasted.as_secs_f64();
        let measured = self.measured.iter().map(|(what, tally)| {
            let figures = json!({
                "count": tally.count(),
                "per_second": tally.count() as f64 / seconds,
                "micros": tally.percentiles(),
            });
            ((*what).to_owned(), figures)
        });
        let facts = self.facts.iter().map(|(what, number)| ((*what).to_owned(), json!(number)));
        let report = json!({
            "load": self.load,
            "with": self.with,
            "seconds": seconds,
            "measured": measured.collect::<Map<String, Value>>(),
            "facts": facts.collect::<Map<String, Value>>(),
            "failures": self.failures.kinds(),
        });
        report.to_string()
    }

    /// Whether everything was as it should be.
    pub(crate) fn verdict(&self) -> Result<(), BenchError> {
        const NO_RECORDS: &str = "404 key_not_found";
        let failed = match (self.failures.total(), &self.shortfall) {
            (0, None) => return Ok(()),
            (0, Some(shortfall)) => shortfall.clone(),
            (1, _) => "1 request failed".to_owned(),
            (failed, _) => format!("{failed} requests failed"),
        };
        let hint = match self.failures.kinds().contains_key(NO_RECORDS) {
            true => "; `DynaRust bench load` writes the records",
            false => "",
        };
        Err(BenchError::Failed(failed + hint))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        write!(f, "{}, {}, {seconds:.1} s", self.load, self.with)?;
        for (what, tally) in &self.measured {
            let figures = tally.percentiles();
            let rate = tally.count() as f64 / seconds;
            write!(
                f,
                "\n  {what}: {}, {rate:.0}/s; p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
                tally.count(),
                Micros(figures.p50),
                Micros(figures.p90),
                Micros(figures.p99),
                Micros(figures.p99_9),
                Micros(figures.max),
            )?;
        }
        for (what, number) in &self.facts {
            write!(f, "\n  {what}: {}", (number * 1000.0).round() / 1000.0)?;
        }
        for (kind, count) in self.failures.kinds() {
            write!(f, "\n  failed: {count} × {kind}")?;
        }
        Ok(())
    }
}

/// A time in the unit that suits it.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 as f64;
        match self.0 {
            0..1000 => write!(f, "{micros} µs"),
            1000..1_000_000 => write!(f, "{:.2} ms", micros / 1e3),
            _ => write!(f, "{:.2} s", micros / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::Failure;

    fn outcome() -> Outcome {
        let mut tally = Tally::new();
        for micros in [100, 1_500, 2_000_000] {
            tally.record_time(Duration::from_micros(micros));
        }
        let mut failures = Failures::default();
        failures.count_one(&Failure::Refused("503 overloaded".to_owned()));
        Outcome {
            load: "write",
            with: "sync, 1 connection".to_owned(),
            lasted: Duration::from_secs(2),
            measured: vec![("write to answer", tally)],
            facts: vec![("streams", 5.0)],
            failures,
            shortfall: None,
        }
    }

    #[test]
    fn people_see_lines() {
        let expected = "\
write, sync, 1 connection, 2.0 s
  write to answer: 3, 2/s; p50 1.50 ms, p90 2.00 s, p99 2.00 s, p99.9 2.00 s, max 2.00 s
  streams: 5
  failed: 1 × 503 overloaded";
        assert_eq!(outcome().to_string(), expected);
    }

    #[test]
    fn scripts_see_one_object() {
        let report: Value = serde_json::from_str(&outcome().to_json()).unwrap();
        assert_eq!(report["measured"]["write to answer"]["count"], 3);
        assert_eq!(report["measured"]["write to answer"]["micros"]["p50"], 1500);
        assert_eq!(report["failures"]["503 overloaded"], 1);
        assert_eq!(report["facts"]["streams"], 5.0);
    }

    #[test]
    fn what_failed_is_no_success() {
        let mut outcome = outcome();
        assert_eq!(outcome.verdict().unwrap_err().to_string(), "1 request failed");
        outcome.failures = Failures::default();
        outcome.verdict().unwrap();
        outcome.shortfall = Some("2 events are missing".to_owned());
        assert_eq!(outcome.verdict().unwrap_err().to_string(), "2 events are missing");
    }
}
