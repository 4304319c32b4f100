//! Shrinking: which of a plan's faults a failure needs.

use crate::report::Report;
use crate::run::{RunError, run};
use crate::settings::Settings;

/// What a failure is about: the first word of each violation.
fn kinds(report: &Report) -> Vec<String> {
    let first = |violation: &String| violation.split([':', ' ']).next().unwrap_or("").to_owned();
    let mut kinds: Vec<_> = report.summary.violations.iter().map(first).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Leaves out faults, by halves, quarters and so on, as long as one of the same kinds of failure is left; what is
/// left then, and the last report (delta debugging: Zeller, Hildebrandt, 2002).
///
/// # Errors
/// [`RunError`].
pub fn shrink(settings: &Settings, first: Report) -> Result<(Vec<usize>, Report), RunError> {
    let wanted = kinds(&first);
    let mut faults: Vec<usize> =
        settings.faults.clone().unwrap_or_else(|| (0..first.events.len()).collect());
    let mut report = first;
    let mut parts = 2;
    while faults.len() > 1 {
        let size = faults.len().div_ceil(parts);
        let mut found = None;
        for nth in 0..faults.len().div_ceil(size) {
            let left: Vec<usize> = faults
                .iter()
                .enumerate()
                .filter(|(place, _)| place / size != nth)
                .map(|(_, fault)| *fault)
                .collect();
            let again = run(Settings { faults: Some(left.clone()), ..settings.clone() })?;
            if kinds(&again).iter().any(|kind| wanted.contains(kind)) {
                found = Some((left, again));
                break;
            }
        }
        match found {
            Some((left, again)) => {
                (faults, report) = (left, again);
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(faults.len()),
        }
    }
    Ok((faults, report))
}
