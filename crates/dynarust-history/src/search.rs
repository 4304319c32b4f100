//! The search for an order of operations that one register, used by one client, could have shown.
//!
//! Wing and Gong's search ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what was
//! tried ("Testing for linearizability", 2017): take one operation after the other whose moment can have
//! come, turn back where none fits, and never look twice at the same set of operations with the same state.
//!
//! - An operation can be next if none that has to come was over before it began.
//! - Where the model ranks them, they come in the order of their ranks: so none can be next while a certain one of
//!   a lower rank is left. Where that finds no order, it is looked again without, since so it is seen better which
//!   one does not fit.
//! - Each has a moment at which it began, one by which its effect had come (or none), and has to be in the
//!   order or may be: a write whose outcome is unknown may be, at any time from its beginning.
//! - The search is exponential at worst. Who asks says how many configurations it may try; beyond them the
//!   verdict is [`Verdict::Unknown`], which is no pass.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::Nanos;

/// What a register does.
pub(crate) trait Model {
    /// What it holds.
    type State: Clone + Ord;
    /// What is asked of it, with what was told.
    type Action;

    /// What it holds afterwards; nothing where it could not have told that.
    fn step(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// No action is possible behind one of a higher rank, whatever lies between them; those without one say nothing
    /// of that. It only spares the search what [`Model::step`] would refuse later.
    fn rank(&self, _: &Self::Action) -> Option<u128> {
        None
    }
}

/// An operation on it.
#[derive(Debug, Clone)]
pub(crate) struct Step<A> {
    pub(crate) action: A,
    pub(crate) began: Nanos,
    /// Its effect, if it has one, was there by then.
    pub(crate) ended: Option<Nanos>,
    /// It took effect for sure.
    pub(crate) certain: bool,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none. The best try had all of these but this one in order, by their places in the input.
    Not {
        /// How many certain operations the best try had.
        placed: usize,
        /// The certain one that was over first of those that it had not.
        stuck: usize,
    },
    /// Not found within so many configurations.
    Unknown {
        /// How many were tried.
        tried: usize,
    },
}

/// Looks for an order of the steps, in which each finds what those before have left.
pub(crate) fn search<M: Model>(
    model: &M,
    initial: M::State,
    steps: &[Step<M::Action>],
    configurations_max: usize,
) -> Verdict {
    let ranked = Search::new(model, initial.clone(), steps, Ranks::Count).run(configurations_max);
    if ranked == Verdict::Linearizable {
        return ranked;
    }
    match Search::new(model, initial, steps, Ranks::DoNot).run(configurations_max) {
        Verdict::Unknown { .. } => ranked,
        found => found,
    }
}

/// Whether ranks are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ranks {
    Count,
    DoNot,
}

/// No such step.
const NONE: usize = usize::MAX;

struct Search<'a, M: Model> {
    model: &'a M,
    /// In the order in which they began, with their places in the input.
    steps: Vec<(usize, &'a Step<M::Action>)>,
    /// Of those that are not in the order yet: the next one, in the order in which they began. The last
    /// entry leads to the first.
    next: Vec<usize>,
    previous: Vec<usize>,
    placed: Placed,
    state: M::State,
    tried: BTreeSet<(usize, Vec<u64>, M::State)>,
    frames: Vec<Frame<M::State>>,
    certain_left: usize,
    ranks: Ranks,
    /// How many of them have each rank.
    ranks_left: BTreeMap<u128, usize>,
    /// The fewest that were left, and which of them was over first.
    best: (usize, usize),
}

/// A step that was put into the order, and what else could have been.
struct Frame<S> {
    step: usize,
    before: S,
    others: Vec<usize>,
    /// The latest beginning of all in the order before.
    latest: Nanos,
}

/// The steps that are in the order, as bits.
struct Placed {
    words: Vec<u64>,
    /// The latest beginning of them.
    latest: Nanos,
}

impl Placed {
    fn flip(&mut self, step: usize) {
        if let Some(word) = self.words.get_mut(step / 64) {
            *word ^= 1 << (step % 64);
        }
    }

    /// The same set always gives the same: how many words are full, and those behind.
    fn key(&self) -> (usize, Vec<u64>) {
        let full = self.words.iter().take_while(|word| **word == u64::MAX).count();
        let last = self.words.iter().rposition(|word| *word != 0).map_or(full, |last| last + 1);
        (full, self.words.get(full..last.max(full)).unwrap_or_default().to_vec())
    }
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, initial: M::State, steps: &'a [Step<M::Action>], ranks: Ranks) -> Self {
        let mut sorted: Vec<(usize, &Step<M::Action>)> = steps.iter().enumerate().collect();
        sorted.sort_by_key(|(_, step)| step.began);
        let count = sorted.len();
        let certain = steps.iter().filter(|step| step.certain).count();
        let mut ranks_left = BTreeMap::new();
        for step in steps.iter().filter(|step| step.certain && ranks == Ranks::Count) {
            if let Some(rank) = model.rank(&step.action) {
                *ranks_left.entry(rank).or_default() += 1;
            }
        }
        Self {
            model,
            steps: sorted,
            next: (1..=count).chain([0]).collect(),
            previous: [count].into_iter().chain(0..count).collect(),
            placed: Placed { words: vec![0; count.div_ceil(64)], latest: 0 },
            state: initial,
            tried: BTreeSet::new(),
            frames: Vec::new(),
            certain_left: certain,
            ranks,
            ranks_left,
            best: (certain + 1, NONE),
        }
    }

    fn run(mut self, configurations_max: usize) -> Verdict {
        let certain = self.certain_left;
        let mut candidates = self.candidates();
        loop {
            if self.certain_left == 0 {
                return Verdict::Linearizable;
            }
            if self.tried.len() >= configurations_max {
                return Verdict::Unknown { tried: self.tried.len() };
            }
            if self.place_one_of(&mut candidates) {
                candidates = self.candidates();
            } else if let Some(others) = self.take_back() {
                candidates = others;
            } else {
                let (left, stuck) = self.best;
                let stuck = self.steps.get(stuck).map_or(NONE, |(place, _)| *place);
                return Verdict::Not { placed: certain - left, stuck };
            }
        }
    }

    fn left(&self) -> impl Iterator<Item = usize> {
        let count = self.steps.len();
        let following =
            move |step: usize| self.next.get(step).copied().filter(|next| *next < count);
        std::iter::successors(following(count), move |step| following(*step))
    }

    /// Those whose moment can have come, the likeliest last: what has to come, and is over first.
    fn candidates(&mut self) -> Vec<usize> {
        let mut first_end = (Nanos::MAX, NONE);
        let mut found = Vec::new();
        for (place, step) in self.left().filter_map(|it| Some((it, self.steps.get(it)?.1))) {
            if step.began > first_end.0 {
                break;
            }
            let end = step.ended.unwrap_or(Nanos::MAX);
            if step.certain && (end < first_end.0 || first_end.1 == NONE) {
                first_end = (end, place);
            }
            if self.placed.latest <= end {
                found.push((!step.certain, end, place));
            }
        }
        if self.certain_left < self.best.0 {
            self.best = (self.certain_left, first_end.1);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, _, place)| place).collect()
    }

    /// Puts the likeliest into the order that fits, and leads to what was not tried.
    fn place_one_of(&mut self, candidates: &mut Vec<usize>) -> bool {
        while let Some(candidate) = candidates.pop() {
            let Some(&(_, step)) = self.steps.get(candidate) else { continue };
            let lowest = self.ranks_left.keys().next().copied();
            if self.model.rank(&step.action).is_some_and(|rank| lowest.is_some_and(|it| it < rank))
            {
                continue;
            }
            let Some(after) = self.model.step(&self.state, &step.action) else { continue };
            self.placed.flip(candidate);
            let (full, words) = self.placed.key();
            if !self.tried.insert((full, words, after.clone())) {
                self.placed.flip(candidate);
                continue;
            }
            let latest = self.placed.latest;
            self.placed.latest = latest.max(step.began);
            self.certain_left -= usize::from(step.certain);
            if let Some(rank) = self.certain_rank(step)
                && let Some(count) = self.ranks_left.get_mut(&rank)
            {
                *count -= 1;
                if *count == 0 {
                    self.ranks_left.remove(&rank);
                }
            }
            let before = std::mem::replace(&mut self.state, after);
            let others = std::mem::take(candidates);
            self.frames.push(Frame { step: candidate, before, others, latest });
            self.unlink(candidate);
            return true;
        }
        false
    }

    /// Takes the last one out of the order again; gives what else could stand there.
    fn take_back(&mut self) -> Option<Vec<usize>> {
        let frame = self.frames.pop()?;
        self.link(frame.step);
        self.placed.flip(frame.step);
        self.placed.latest = frame.latest;
        let step = self.steps.get(frame.step)?.1;
        self.certain_left += usize::from(step.certain);
        if let Some(rank) = self.certain_rank(step) {
            *self.ranks_left.entry(rank).or_default() += 1;
        }
        self.state = frame.before;
        Some(frame.others)
    }

    /// The rank of a step that has to be in the order.
    fn certain_rank(&self, step: &Step<M::Action>) -> Option<u128> {
        let counts = step.certain && self.ranks == Ranks::Count;
        if counts { self.model.rank(&step.action) } else { None }
    }

    fn unlink(&mut self, step: usize) {
        let around = (self.previous.get(step).copied(), self.next.get(step).copied());
        if let (Some(previous), Some(next)) = around {
            self.join(previous, next);
        }
    }

    /// Undoes [`Search::unlink`], in the opposite order.
    fn link(&mut self, step: usize) {
        let around = (self.previous.get(step).copied(), self.next.get(step).copied());
        if let (Some(previous), Some(next)) = around {
            self.join(previous, step);
            self.join(step, next);
        }
    }

    fn join(&mut self, previous: usize, next: usize) {
        if let Some(it) = self.next.get_mut(previous) {
            *it = next;
        }
        if let Some(it) = self.previous.get_mut(next) {
            *it = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy)]
    enum Asked {
        Read(u8),
        Write(u8),
        Swap(u8, u8),
    }

    #[derive(Debug)]
    struct Register;

    impl Model for Register {
        type State = u8;
        type Action = Asked;

        fn step(&self, held: &u8, asked: &Asked) -> Option<u8> {
            match *asked {
                Asked::Read(seen) => (seen == *held).then_some(*held),
                Asked::Write(value) => Some(value),
                Asked::Swap(from, to) => (from == *held).then_some(to),
            }
        }
    }

    /// What the search is to find, by its definition: some order of all certain ones, and of some others, in
    /// which nobody stands behind somebody who began after it was over.
    fn can_be_ordered(placed: &mut Vec<usize>, held: u8, steps: &[Step<Asked>]) -> bool {
        let is_placed = |nth: usize, placed: &[usize]| placed.contains(&nth);
        if (0..steps.len()).all(|nth| !steps[nth].certain || is_placed(nth, placed)) {
            return true;
        }
        (0..steps.len()).any(|nth| {
            let ended = steps[nth].ended.unwrap_or(Nanos::MAX);
            let late = placed.iter().any(|before| ended < steps[*before].began);
            if is_placed(nth, placed) || late {
                return false;
            }
            let Some(after) = Register.step(&held, &steps[nth].action) else { return false };
            placed.push(nth);
            let found = can_be_ordered(placed, after, steps);
            placed.pop();
            found
        })
    }

    fn steps() -> impl Strategy<Value = Vec<Step<Asked>>> {
        let value = || 0..3_u8;
        let action = prop_oneof![
            3 => value().prop_map(Asked::Read),
            2 => value().prop_map(Asked::Write),
            1 => (value(), value()).prop_map(|(from, to)| Asked::Swap(from, to)),
        ];
        let certain = || prop::option::weighted(0.7, 0..8 as Nanos);
        let step = (action, 0..20 as Nanos, certain(), prop::option::of(0..9 as Nanos));
        let step = step.prop_map(|(action, began, certain, ended)| match certain {
            Some(length) => Step { action, began, ended: Some(began + length), certain: true },
            None => Step { action, began, ended: ended.map(|it| began + it), certain: false },
        });
        prop::collection::vec(step, 0..7)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn finds_an_order_where_there_is_one(steps in steps()) {
            let verdict = search(&Register, 0, &steps, 100_000);
            let expected = can_be_ordered(&mut Vec::new(), 0, &steps);
            prop_assert_eq!(verdict == Verdict::Linearizable, expected, "{:?}", verdict);
            let unknown = matches!(verdict, Verdict::Unknown { .. });
            prop_assert!(!unknown);
        }

        #[test]
        fn a_bound_changes_no_verdict_but_to_unknown(steps in steps(), bound in 0..20_usize) {
            let verdict = search(&Register, 0, &steps, bound);
            let whole = search(&Register, 0, &steps, 100_000);
            let same = verdict == whole || matches!(verdict, Verdict::Unknown { .. });
            prop_assert!(same, "{:?} and {:?}", verdict, whole);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let certain =
            |action, began, ended| Step { action, began, ended: Some(ended), certain: true };
        let steps = [
            certain(Asked::Read(1), 5, 6),
            certain(Asked::Write(1), 1, 2),
            certain(Asked::Read(0), 8, 9),
        ];
        let verdict = search(&Register, 0, &steps, 100);
        assert_eq!(verdict, Verdict::Not { placed: 2, stuck: 2 });
    }
}
