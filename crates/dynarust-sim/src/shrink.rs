//! Shrinking: which of a plan's faults a failure needs.

use crate::child::{SAID, run_apart};
use crate::faults::{Event, plan};
use crate::report::Summary;
use crate::settings::Settings;

/// What is left of a failure.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The faults without which it is another one, or none.
    pub events: Vec<Event>,
    /// What comes of them.
    pub summary: Summary,
}

/// What a failure is about: the first word of each violation.
fn kinds(summary: &Summary) -> Vec<String> {
    let first = |violation: &String| violation.split([':', ' ']).next().unwrap_or("").to_owned();
    let mut kinds: Vec<_> = summary.violations.iter().map(first).collect();
    kinds.retain(|kind| kind != SAID);
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Leaves out faults, by halves, quarters and so on, as long as one of the same kinds of failure is left (delta
/// debugging: Zeller, Hildebrandt, 2002). Each try is a process of its own. None where nothing fails.
#[must_use]
pub fn shrink(settings: &Settings) -> Option<Shrunk> {
    let planned = plan(settings.seed, settings.form).events;
    let faults = settings.faults.clone();
    let faults = faults.unwrap_or_else(|| planned.iter().map(|event| event.number).collect());
    let first = run_apart(settings);
    if first.is_well() {
        return None;
    }
    let wanted = kinds(&first);
    let fails = |summary: &Summary| kinds(summary).iter().any(|kind| wanted.contains(kind));
    let tried = |faults: &[usize]| {
        let summary = run_apart(&Settings { faults: Some(faults.to_vec()), ..settings.clone() });
        fails(&summary).then_some(summary)
    };
    let (faults, smaller) = without_what_is_not_needed(faults, tried);
    let summary = smaller.unwrap_or(first);
    let events = planned.into_iter().filter(|event| faults.contains(&event.number)).collect();
    Some(Shrunk { events, summary })
}

/// What is left of them, and what came of the last try that kept the failure.
fn without_what_is_not_needed<T>(
    mut faults: Vec<usize>,
    tried: impl Fn(&[usize]) -> Option<T>,
) -> (Vec<usize>, Option<T>) {
    let mut last = None;
    let mut parts = 2;
    while faults.len() > 1 {
        let size = faults.len().div_ceil(parts);
        let mut smaller = None;
        for nth in 0..faults.len().div_ceil(size) {
            let kept = faults.iter().enumerate().filter(|(place, _)| place / size != nth);
            let kept: Vec<usize> = kept.map(|(_, fault)| *fault).collect();
            if let Some(came) = tried(&kept) {
                smaller = Some((kept, came));
                break;
            }
        }
        match smaller {
            Some((kept, came)) => {
                (faults, last) = (kept, Some(came));
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(faults.len()),
        }
    }
    (faults, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_needs_is_left_and_nothing_else() {
        for needed in [vec![3], vec![0, 9], vec![2, 5, 6]] {
            let fails = |kept: &[usize]| needed.iter().all(|it| kept.contains(it)).then_some(());
            let (left, _) = without_what_is_not_needed((0..10).collect(), fails);
            assert_eq!(left, needed);
        }
    }

    #[test]
    fn what_never_fails_again_is_left_as_it_was() {
        let (left, last) = without_what_is_not_needed(vec![4, 7], |_| None::<()>);
        assert_eq!((left, last), (vec![4, 7], None));
    }
}
