//! The registry: who is a member, as far as this node has heard (design section 5).
//!
//! A map from node id to the latest saying of that member ([`Member::is_later_than`]). With `A ∨ B` for
//! what two registries become when they meet, and `∅` for the empty one:
//! - commutative: `A ∨ B = B ∨ A`
//! - associative: `(A ∨ B) ∨ C = A ∨ (B ∨ C)`
//! - idempotent: `A ∨ A = A`
//! - `∅ ∨ A = A`
//!
//! because the sayings of one member are totally ordered and the latest one stays. Hence nodes that have
//! heard the same have equal registries, in whatever order they heard it, and however often.
//!
//! It also holds that
//! - a member that is gone stays in it and stays gone: no later word of it counts;
//! - whoever goes over it does so by node id;
//! - its size is bounded. The laws hold as long as it is not full; [`Registry::has_room`] turns new
//!   members away before, with room to spare for those that others let in at that moment.

use std::collections::BTreeMap;

use twox_hash::XxHash3_64;

use crate::limits::{GONE_MEMBERS_MAX, MEMBERS_MAX, REGISTRY_MEMBERS_MAX};
use crate::{Member, MemberState, NodeId};

/// All members that a node has heard of, those that are gone too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry(BTreeMap<NodeId, Member>);

impl Registry {
    /// Takes in what somebody says of a member; tells whether that changed anything. One that breaks a
    /// limit ([`Member::check`]) or finds the registry full changes nothing.
    pub fn merge(&mut self, other: Member) -> bool {
        let other = if other.is_gone() { other.gone() } else { other };
        if other.check().is_err() {
            return false;
        }
        let news = match self.0.get(&other.id) {
            Some(present) => other.is_later_than(present),
            None => self.0.len() < REGISTRY_MEMBERS_MAX,
        };
        if news {
            self.0.insert(other.id, other);
        }
        news
    }

    /// Takes in all that another registry has; tells whether that changed anything.
    pub fn merge_all(&mut self, others: impl IntoIterator<Item = Member>) -> bool {
        others.into_iter().fold(false, |changed, other| self.merge(other) | changed)
    }

    /// Says what this node says next of itself ([`Member::revise`]); tells whether that changed anything.
    /// Nothing does once it is gone.
    pub fn revise(&mut self, own: NodeId, change: impl FnOnce(&mut Member)) -> bool {
        match self.0.get(&own) {
            Some(present) if !present.is_gone() => self.merge(present.revise(change)),
            _ => false,
        }
    }

    /// Says that a member is gone, for good; tells whether that changed anything.
    pub fn remove(&mut self, id: NodeId) -> bool {
        match self.0.get(&id) {
            Some(present) => self.merge(present.clone().gone()),
            None => false,
        }
    }

    /// What was last heard of a member, gone or not.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        self.0.get(&id)
    }

    /// All that it has, those that are gone too, by node id: what is told to others.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }

    /// Those that are not gone, by node id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| !member.is_gone())
    }

    /// How many are not gone: what a majority of all members is counted by.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members().count()
    }

    /// Whether a node that is not in it can become a member.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let members = self.member_count();
        members < MEMBERS_MAX && self.0.len() - members < GONE_MEMBERS_MAX
    }

    /// A hash of all that it has: two nodes whose digests are equal have nothing to tell each other.
    /// The same on every machine, and a part of the protocol between nodes.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = Vec::new();
        for member in self.0.values() {
            describe(member, &mut bytes);
        }
        XxHash3_64::oneshot(&bytes)
    }
}

/// A member as bytes that no other member has.
fn describe(member: &Member, bytes: &mut Vec<u8>) {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    };
    bytes.extend(member.id.0.to_be_bytes());
    bytes.extend(member.incarnation.0.to_be_bytes());
    bytes.extend(member.revision.to_be_bytes());
    text(bytes, &member.address);
    // No zone is empty: it stands for none.
    text(bytes, member.zone.as_deref().unwrap_or_default());
    bytes.extend(member.weight.to_be_bytes());
    bytes.push(match member.state {
        MemberState::Joining => 1,
        MemberState::Up => 2,
        MemberState::Leaving => 3,
        MemberState::Gone => 4,
    });
    bytes.extend(member.serves.to_bytes());
    bytes.extend(member.dropped.to_bytes());
}

impl FromIterator<Member> for Registry {
    fn from_iter<I: IntoIterator<Item = Member>>(members: I) -> Self {
        let mut registry = Self::default();
        registry.merge_all(members);
        registry
    }
}

impl IntoIterator for Registry {
    type Item = Member;
    type IntoIter = std::collections::btree_map::IntoValues<NodeId, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::tests::member;
    use crate::{Incarnation, Partition, PartitionSet};
    use proptest::prelude::*;

    fn join(a: &Registry, b: &Registry) -> Registry {
        let mut joined = a.clone();
        joined.merge_all(b.clone());
        joined
    }

    /// Few different ones, so that sayings of one member meet; also such as should not be: of one
    /// incarnation and revision, and yet different.
    fn saying() -> impl Strategy<Value = Member> {
        let state = prop_oneof![
            Just(MemberState::Joining),
            Just(MemberState::Up),
            Just(MemberState::Leaving),
            Just(MemberState::Gone),
        ];
        let zone = prop::option::of(prop_oneof![Just("a".into()), Just("b".into())]);
        let numbers = (0..3u64, 1..3u64, 1..3u64, 1..3u16);
        (numbers, state, zone, 0..3u16).prop_map(|(numbers, state, zone, partition)| {
            let (id, incarnation, revision, weight) = numbers;
            let serves: PartitionSet = Partition::new(partition).into_iter().collect();
            Member {
                incarnation: Incarnation(incarnation),
                revision,
                weight,
                zone,
                state,
                serves,
                ..member(id)
            }
        })
    }

    fn registry() -> impl Strategy<Value = Registry> {
        prop::collection::vec(saying(), 0..6).prop_map(Registry::from_iter)
    }

    proptest! {
        #[test]
        fn is_commutative_associative_and_idempotent(a in registry(), b in registry(), c in registry()) {
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            prop_assert_eq!(join(&a, &a), a.clone());
            prop_assert_eq!(join(&Registry::default(), &a), a);
        }

        #[test]
        fn the_order_and_number_of_tellings_do_not_show(
            sayings in prop::collection::vec(saying(), 0..10), order in any::<prop::sample::Index>()
        ) {
            let told: Registry = sayings.iter().cloned().collect();
            let mut again = sayings.clone();
            if !again.is_empty() {
                let places = again.len();
                again.rotate_left(order.index(places));
                again.reverse();
            }
            again.extend(sayings);
            let told_again: Registry = again.into_iter().collect();
            prop_assert_eq!(&told, &told_again);
            prop_assert_eq!(told.digest(), told_again.digest());
        }

        #[test]
        fn a_merge_says_whether_anything_changed(a in registry(), saying in saying()) {
            let mut merged = a.clone();
            let changed = merged.merge(saying);
            prop_assert_eq!(changed, merged != a);
            prop_assert_eq!(changed, merged.digest() != a.digest());
        }

        #[test]
        fn gone_is_final(mut a in registry(), later in prop::collection::vec(saying(), 0..6)) {
            let ids: Vec<_> = a.iter().map(|member| member.id).collect();
            for id in &ids {
                a.remove(*id);
            }
            a.merge_all(later);
            for id in ids {
                prop_assert!(a.get(id).is_some_and(Member::is_gone));
                prop_assert!(!a.revise(id, |next| next.state = MemberState::Up));
            }
        }

        #[test]
        fn one_registry_goes_by_node_id(a in registry()) {
            prop_assert!(a.iter().is_sorted_by_key(|member| member.id));
        }
    }

    #[test]
    fn golden_digest() {
        let mut registry: Registry = [member(1), member(2)].into_iter().collect();
        registry.revise(NodeId(2), |next| {
            next.zone = Some("eu".into());
            next.serves.extend(Partition::new(5));
        });
        registry.remove(NodeId(1));
        assert_eq!(registry.digest(), 11_716_121_421_052_229_918);
        assert_ne!(Registry::default().digest(), registry.digest());
    }

    #[test]
    fn a_member_is_heard_over_restarts_and_changes() {
        let mut registry = Registry::default();
        assert!(registry.merge(member(1)));
        assert!(!registry.merge(member(1)));
        assert!(registry.revise(NodeId(1), |next| next.state = MemberState::Leaving));
        assert_eq!(registry.get(NodeId(1)).unwrap().revision, 2);
        assert!(!registry.merge(member(1)), "what it said before is old");
        let restarted = Member { incarnation: Incarnation(2), ..member(1) };
        assert!(registry.merge(restarted.clone()), "a restart begins at revision 1");
        assert_eq!(registry.get(NodeId(1)), Some(&restarted));
        assert!(registry.remove(NodeId(1)));
        assert!(!registry.remove(NodeId(1)));
        assert!(!registry.remove(NodeId(2)), "nobody has heard of it");
        assert!(!registry.merge(Member { incarnation: Incarnation(3), ..member(1) }));
        assert_eq!((registry.member_count(), registry.iter().count()), (0, 1));
    }

    #[test]
    fn what_breaks_a_limit_is_not_taken_in() {
        let mut registry = Registry::default();
        assert!(!registry.merge(Member { weight: 0, ..member(1) }));
        assert!(!registry.merge(Member { address: "".into(), ..member(1) }.gone()));
        assert_eq!(registry, Registry::default());
    }

    #[test]
    fn new_members_are_turned_away_before_it_is_full() {
        let mut registry: Registry = (1..MEMBERS_MAX as u64).map(member).collect();
        assert!(registry.has_room());
        registry.merge(member(MEMBERS_MAX as u64));
        assert!(!registry.has_room());
        assert!(registry.merge(member(9_000)), "another node let it in at that moment");
        registry.remove(NodeId(1));
        registry.remove(NodeId(2));
        assert!(registry.has_room());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let gone = |id: usize| member(id as u64).gone();
        let mut registry: Registry = (1..GONE_MEMBERS_MAX).map(gone).collect();
        assert!(registry.has_room());
        registry.merge(gone(GONE_MEMBERS_MAX));
        assert!(!registry.has_room());
        registry.merge_all((GONE_MEMBERS_MAX + 1..2 * REGISTRY_MEMBERS_MAX).map(gone));
        assert_eq!(registry.iter().count(), REGISTRY_MEMBERS_MAX);
        assert!(!registry.merge(member(0)), "full");
    }
}
