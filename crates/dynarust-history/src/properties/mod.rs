//! Properties: a history of a store that does as it should breaks no law, and one with a lie in it does.

mod lies;
mod truth;

use proptest::prelude::*;

use crate::{Calm, Stormy, check};
use lies::Lie;
use truth::Truth;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 20_000 }))]

    #[test]
    fn the_truth_breaks_no_law(truth in Truth::any()) {
        let history = truth.history();
        let found = check(&history, &Calm);
        prop_assert!(found.is_empty(), "{:#?}\n{}", found, history.to_lines());
        let found = check(&history, &Stormy);
        prop_assert!(found.is_empty(), "{:#?}\n{}", found, history.to_lines());
    }

    #[test]
    fn a_lie_is_found(truth in Truth::any(), lie in Lie::any(), pick: prop::sample::Index) {
        let mut history = truth.history();
        let Some(law) = lie.tell(&mut history, &pick) else { return Ok(()) };
        let found = check(&history, &Calm);
        let named = found.iter().any(|it| it.law == law);
        prop_assert!(named, "{:?}: no {} in {:#?}\n{}", lie, law, found, history.to_lines());
    }
}

/// Each lie can be told of one history in some at least: else nothing above says anything of it.
#[test]
fn every_lie_is_told() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut told = std::collections::BTreeMap::new();
    for _ in 0..200 {
        let truth = Truth::any().new_tree(&mut runner).unwrap().current();
        let pick = any::<prop::sample::Index>().new_tree(&mut runner).unwrap().current();
        for lie in Lie::ALL {
            let could = lie.tell(&mut truth.history(), &pick).is_some();
            *told.entry(format!("{lie:?}")).or_insert(0) += u32::from(could);
        }
    }
    assert!(told.values().all(|count| *count >= 10), "{told:#?}");
}
