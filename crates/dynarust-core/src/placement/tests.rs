use super::*;
use crate::limits::{MEMBERS_MAX, REPLICATION_DEFAULT, REPLICATION_MAX, WEIGHT_DEFAULT};
use crate::member::tests::member;
use crate::{Incarnation, MemberState};
use proptest::prelude::*;

fn registry(members: &[Member]) -> Registry {
    members.iter().cloned().collect()
}

/// Members with ids that look as if drawn at random.
fn members(seed: u64, count: u64) -> Vec<Member> {
    let id = |nth: u64| XxHash3_64::oneshot_with_seed(seed, &nth.to_be_bytes());
    (0..count).map(|nth| member(id(nth))).collect()
}

/// Up to eight members of different ids, weights and zones.
fn any_members() -> impl Strategy<Value = Vec<Member>> {
    let zone = prop::option::of(prop_oneof![Just("a"), Just("b"), Just("c")]);
    prop::collection::btree_map(any::<u64>(), (1..400_u16, zone), 1..8).prop_map(|members| {
        let build = |(id, (weight, zone)): (u64, (u16, Option<&str>))| Member {
            weight,
            zone: zone.map(Into::into),
            ..member(id)
        };
        members.into_iter().map(build).collect()
    })
}

/// The largest share of a member, against the mean.
fn largest_share(placement: &Placement, members: &[Member]) -> f64 {
    let owned = |member: &Member| f64::from(placement.owned(member.id).len());
    let all: f64 = members.iter().map(owned).sum();
    members.iter().map(owned).fold(0.0, f64::max) * members.len() as f64 / all
}

// The golden values were reckoned by another program, from the header of `placement.rs`.
#[test]
fn golden_numbers() {
    let number = |node, partition| uniform(NodeId(node), Partition::new(partition).unwrap());
    assert_eq!(number(1, 0), 3_984_163_440_824_294_336);
    assert_eq!(number(1, 1023), 6_436_609_288_714_332_114);
    assert_eq!(number(0x0123_4567_89ab_cdef, 872), 2_708_614_280_486_184_457);
}

#[test]
fn golden_logarithms() {
    assert_eq!(log2(0), 0);
    assert_eq!(log2(1), 0);
    assert_eq!(log2(2), 1 << FRACTION_BITS);
    assert_eq!(log2(1 << 63), 63 << FRACTION_BITS);
    // log2(3) = 1.584962500721156…, rounded down
    assert_eq!(log2(3), 446_127_282_977_750);
    assert_eq!(log2(u64::MAX), 18_014_398_509_481_983);
}

#[test]
fn golden_owners() {
    let mut five: Vec<_> = (1..=5).map(member).collect();
    let told = |members: &[Member], partition| {
        let owners = owners(Partition::new(partition).unwrap(), members, 3);
        owners.into_iter().map(|id| id.0).collect::<Vec<_>>()
    };
    assert_eq!(told(&five, 0), [2, 3, 5]);
    assert_eq!(told(&five, 1), [4, 2, 3]);
    assert_eq!(told(&five, 872), [1, 5, 4]);
    assert_eq!(told(&five, 1023), [4, 2, 5]);
    five[0].weight = 4 * WEIGHT_DEFAULT;
    for (member, zone) in five.iter_mut().zip(["a", "a", "a", "b", "b"]) {
        member.zone = Some(zone.into());
    }
    assert_eq!(told(&five, 7), [2, 1, 5], "3 is nearer, in a zone that has two");
    assert_eq!(told(&five, 14), [2, 1, 4], "as here");
    assert_eq!(told(&five, 872), [1, 5, 4]);
}

#[test]
fn golden_table() {
    let table = Placement::of(&registry(&members(7, 16)), REPLICATION_DEFAULT);
    let ids = Partition::all().flat_map(|partition| table.owners(partition).to_vec());
    let bytes: Vec<u8> = ids.flat_map(|id| id.0.to_be_bytes()).collect();
    assert_eq!(XxHash3_64::oneshot(&bytes), 9_542_863_966_453_847_623);
}

#[test]
fn a_members_numbers_are_spread_evenly() {
    for node in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
        let parts: BTreeSet<_> =
            Partition::all().map(|partition| uniform(NodeId(node), partition) >> 54).collect();
        assert_eq!(parts.len(), Partition::all().count());
    }
}

#[test]
fn up_to_as_many_as_copies_own_everything() {
    for count in 1..=3 {
        let members = members(1, count);
        let placement = Placement::of(&registry(&members), 3);
        for member in &members {
            assert_eq!(placement.owned(member.id), PartitionSet::all());
        }
    }
    let nobody = Placement::of(&Registry::default(), 3);
    assert!(Partition::all().all(|partition| nobody.owners(partition).is_empty()));
}

#[test]
fn shares_are_balanced() {
    for seed in 0..40 {
        for (count, largest) in [(5, 1.10), (16, 1.20)] {
            let members = members(seed, count);
            let placement = Placement::of(&registry(&members), REPLICATION_DEFAULT);
            let share = largest_share(&placement, &members);
            assert!(share <= largest, "{count} members, seed {seed}: {share}");
        }
    }
}

#[test]
fn shares_go_by_weight() {
    for seed in 0..20 {
        let mut members = members(seed, 8);
        for member in members.iter_mut().take(4) {
            member.weight = 2 * WEIGHT_DEFAULT;
        }
        let placement = Placement::of(&registry(&members), 1);
        let share = |members: &[Member]| {
            members.iter().map(|member| f64::from(placement.owned(member.id).len())).sum::<f64>()
        };
        let ratio = share(&members[..4]) / share(&members[4..]);
        assert!((1.7..2.35).contains(&ratio), "seed {seed}: {ratio}");
    }
}

#[test]
fn copies_are_in_as_many_zones_as_there_are() {
    let mut members = members(3, 9);
    for (member, zone) in members.iter_mut().zip(["a", "a", "a", "a", "a", "a", "a", "b", "c"]) {
        member.zone = Some(zone.into());
    }
    let zone = |id: &NodeId| members.iter().find(|member| member.id == *id).unwrap().zone.clone();
    for partition in Partition::all() {
        for (replication, zones) in [(1, 1), (2, 2), (3, 3), (5, 3)] {
            let owners = owners(partition, &members, replication);
            assert_eq!(owners.len(), usize::from(replication));
            assert_eq!(owners.iter().map(zone).collect::<BTreeSet<_>>().len(), zones);
        }
    }
}

#[test]
fn only_what_matters_makes_another_placement() {
    let mut registry = registry(&members(4, 5));
    let placement = Placement::of(&registry, 3);
    let own = registry.iter().next().unwrap().id;
    registry.revise(own, |next| next.serves = PartitionSet::all());
    assert!(placement.is_of(&registry, 3));
    assert!(!placement.is_of(&registry, 2));
    registry.revise(own, |next| next.state = MemberState::Leaving);
    assert!(!placement.is_of(&registry, 3));
    assert!(Placement::of(&registry, 3).owned(own).is_empty());
}

#[test]
fn the_largest_cluster_is_placed() {
    let members = members(5, MEMBERS_MAX as u64);
    let placement = Placement::of(&registry(&members), REPLICATION_MAX);
    assert!(Partition::all().all(|at| placement.owners(at).len() == usize::from(REPLICATION_MAX)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_join_moves_only_what_the_joiner_gets_and_a_leave_what_the_leaver_had(
        members in any_members(), replication in 1..=REPLICATION_MAX, at in any::<prop::sample::Index>()
    ) {
        let joiner = members[at.index(members.len())].id;
        let after = Placement::of(&registry(&members), replication);
        let mut gone = registry(&members);
        gone.remove(joiner);
        let before = Placement::of(&gone, replication);
        for partition in Partition::all() {
            let (old, new) = (before.owners(partition), after.owners(partition));
            if new.contains(&joiner) {
                let stayed: Vec<_> = new.iter().filter(|id| **id != joiner).collect();
                prop_assert!(stayed.iter().all(|id| old.contains(id)));
                prop_assert!(old.len() <= stayed.len() + 1);
            } else {
                prop_assert_eq!(old, new);
            }
        }
    }

    #[test]
    fn neither_order_nor_life_nor_what_is_served_shows(
        members in any_members(), replication in 1..=REPLICATION_MAX, number in 0..1024_u16
    ) {
        let partition = Partition::new(number).unwrap();
        let expected = owners(partition, &members, replication);
        let mut others = members.clone();
        others.reverse();
        for member in &mut others {
            member.state = MemberState::Joining;
            member.incarnation = Incarnation(9);
            member.serves.insert(partition);
        }
        prop_assert_eq!(&owners(partition, &others, replication), &expected);
        let placement = Placement::of(&registry(&others), replication);
        prop_assert_eq!(placement.owners(partition), &expected);
        let owning = members.iter().filter(|member| placement.owned(member.id).contains(partition));
        prop_assert_eq!(owning.count(), expected.len());
        prop_assert_eq!(expected.len(), members.len().min(usize::from(replication)));
    }

    #[test]
    fn more_weight_takes_and_never_gives(
        members in any_members(), more in 1..400_u16, at in any::<prop::sample::Index>()
    ) {
        let mut heavier = members.clone();
        let changed = at.index(members.len());
        heavier[changed].weight += more;
        let id = members[changed].id;
        for partition in Partition::all().step_by(16) {
            let had = owners(partition, &members, 3).contains(&id);
            let has = owners(partition, &heavier, 3).contains(&id);
            prop_assert!(has || !had);
        }
    }

    #[test]
    fn logarithms_never_fall_and_are_near(number: u64, more in 0..1_000_000_u64) {
        prop_assert!(log2(number) <= log2(number.saturating_add(more)));
        let near = (number.max(1) as f64).log2() - log2(number) as f64 / f64::from(FRACTION_BITS).exp2();
        prop_assert!(near.abs() < 1e-9, "{near}");
    }
}
