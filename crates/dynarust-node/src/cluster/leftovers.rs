//! Leftovers: what lies here of partitions that this node does not want. It was to own them once, and took some
//! of them in, when others came before it served them; or it brought them along from a former life; or they came
//! late. Nobody tells it what is deleted of them, and whoever does may forget it (`docs/adr/0019`).
//!
//! ```text
//! wanted no more ─▶ records there? ─▶ dropped, as what was served is ─▶ emptied once its owners have all (`moves`)
//! ```
//!
//! Invariants:
//! - what was not wanted for a moment, in this start or when the note was written with which it began, is taken in
//!   again only over nothing: where there may be records of it, it is dropped in the same view in which it would
//!   be wanted again;
//! - there may be records of what was wanted once, of all in a folder that was not empty, and of what they are found
//!   of; there are none of what was emptied.

use std::sync::Arc;

use dynarust_core::placement::Placement;
use dynarust_core::{Member, PartitionSet, Registry};
use parking_lot::Mutex;

use super::View;
use super::state::Cluster;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Not wanted at some moment, since they were last known to be empty.
    unwanted: PartitionSet,
    /// There may be records of these, deleted ones among them.
    touched: PartitionSet,
}

impl Leftovers {
    /// As a node begins that wanted these when it wrote its note, and all if it has none.
    pub(super) fn begin(wanted: &PartitionSet, is_empty: bool) -> Self {
        let all = PartitionSet::all();
        let unwanted = all.difference(wanted);
        let touched = if is_empty { PartitionSet::default() } else { all };
        Self(Mutex::new(State { unwanted, touched }))
    }

    /// Nothing is left of these.
    pub(super) fn are_emptied(&self, partitions: &PartitionSet) {
        let mut state = self.0.lock();
        state.touched = state.touched.difference(partitions);
    }

    /// There are records of these.
    fn are_held(&self, partitions: &PartitionSet) {
        let mut state = self.0.lock();
        state.touched = state.touched.union(partitions);
    }

    /// These are wanted from now on, whatever is here of them.
    pub(super) fn are_wanted_as_they_are(&self, partitions: &PartitionSet) {
        let mut state = self.0.lock();
        state.unwanted = state.unwanted.difference(partitions);
    }

    /// What is to be dropped, where this node says that of itself and wants these.
    fn found(&self, own: &Member, wants: &PartitionSet) -> PartitionSet {
        let mut state = self.0.lock();
        let unwanted = state.unwanted.union(&PartitionSet::all().difference(wants));
        let unwanted = unwanted.difference(&own.serves);
        // Who leaves gives it away with all else.
        let found = match own.is_desired() {
            true => unwanted.intersection(&state.touched).difference(&own.dropped),
            false => PartitionSet::default(),
        };
        // What is empty may be taken in.
        state.unwanted = unwanted.difference(&wants.difference(&state.touched));
        state.touched = state.touched.union(&wants.difference(&found));
        found
    }
}

impl Cluster {
    /// Drops what is found of partitions that this node does not want, in a registry that is to be known from now
    /// on. What it says of itself then, where that is new.
    pub(super) fn drop_leftovers(
        &self,
        registry: &mut Registry,
        placement: &Arc<Placement>,
    ) -> Option<Member> {
        let own = registry.get(self.me).filter(|own| !own.is_gone())?;
        let wants = super::view::wanted(placement, own);
        let found = self.leftovers.found(own, &wants);
        if found.is_empty() {
            return None;
        }
        self.positions.uncover(&found);
        self.copying.forget(&found);
        tracing::info!(
            partitions = found.len(),
            "this node drops what it has of partitions that it does not want, or did not"
        );
        registry.revise(self.me, |own| own.dropped = own.dropped.union(&found));
        registry.get(self.me).cloned()
    }

    /// Looks whether something came late.
    pub(super) fn look_for_leftovers(self: &Arc<Self>) {
        let view = self.view();
        let late = self.left_over(&view);
        self.leftovers.are_held(&late);
        self.moves.are_not_emptied(&late);
        if view.own().is_some_and(|own| !late.difference(&own.dropped).is_empty()) {
            // With any change it is dropped.
            self.change_own(|_| ());
        }
    }

    /// The partitions of which there are records, and that this node does not want.
    pub(super) fn left_over(&self, view: &View) -> PartitionSet {
        let wants = view.own().filter(|own| own.is_desired()).map(|_| view.wants());
        let held = self.held().unwrap_or_default();
        wants.map(|wants| held.difference(&wants)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::limits::WEIGHT_DEFAULT;
    use dynarust_core::{Incarnation, MemberState, NodeId, Partition};

    use super::*;

    fn partitions(numbers: impl IntoIterator<Item = u16>) -> PartitionSet {
        numbers.into_iter().filter_map(Partition::new).collect()
    }

    /// It serves partition 0, and has dropped partition 1.
    fn member(state: MemberState) -> Member {
        Member {
            id: NodeId(1),
            incarnation: Incarnation(1),
            revision: 1,
            address: "host-1:6660".into(),
            zone: None,
            weight: WEIGHT_DEFAULT,
            state,
            serves: partitions([0]),
            dropped: partitions([1]),
        }
    }

    #[test]
    fn what_may_be_there_and_is_not_wanted_is_found() {
        let own = member(MemberState::Up);
        let leftovers = Leftovers::begin(&partitions(0..3), true);
        let found = |wants| leftovers.found(&own, &partitions(wants));
        assert_eq!(found(0..3), partitions([]), "it is wanted");
        assert_eq!(found(0..5), partitions([]), "there was nothing");
        assert_eq!(found(0..3), partitions([3, 4]));
        assert_eq!(found(0..6), partitions([3, 4]), "it was not wanted for a while");
        leftovers.are_emptied(&partitions([3]));
        assert_eq!(found(0..6), partitions([4]));
        leftovers.are_wanted_as_they_are(&partitions([4]));
        assert_eq!(found(0..6), partitions([]));
        leftovers.are_held(&partitions([7]));
        assert_eq!(found(0..6), partitions([7]));
    }

    #[test]
    fn a_start_goes_by_what_was_noted() {
        let own = member(MemberState::Up);
        let found = |is_empty| {
            Leftovers::begin(&partitions(0..1020), is_empty).found(&own, &partitions(2..1022))
        };
        assert_eq!(found(true), partitions([]));
        // Partition 1 was dropped before, and 0 is served.
        assert_eq!(found(false), partitions(1020..1024));
    }

    #[test]
    fn who_leaves_drops_nothing_but_knows_it_when_it_stays() {
        let leftovers = Leftovers::begin(&partitions(0..4), false);
        let found = |state, wants| leftovers.found(&member(state), &partitions(wants));
        assert_eq!(found(MemberState::Leaving, 0..1), partitions([]));
        assert_eq!(found(MemberState::Up, 0..1024), partitions(2..1024));
    }
}
