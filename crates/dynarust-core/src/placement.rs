//! Placement: which members are to own a partition (design section 4).
//!
//! Weighted rendezvous: each member has a cost for each partition, and those with the lowest own it. A
//! cost depends on the member and the partition alone. Hence
//! - a member that joins takes partitions, and nothing moves between the others; one that leaves gives
//!   its own away, and nothing else moves;
//! - members take shares in proportion to their weights, where there are many;
//! - the order in which members are told does not show.
//!
//! **A cost is the same on every machine and in every release**: it is part of the protocol, and all of
//! it is integer arithmetic.
//! 1. A number of 64 bits that is the member's for the partition (`uniform`). Its upper ten bits are the
//!    partition's number, shuffled for this member (a Feistel network of four rounds), so that each
//!    1,024th of all numbers has exactly one partition of each member; the rest is XXH3-64. Plain
//!    hashing would leave 16 members nearly twice as far from their mean share.
//! 2. From that the exponential variate `-log2(number / 2^64)`, as a fixed-point number of 48 binary
//!    digits, by repeated squaring (`log2`); no floating point, no table.
//! 3. Divided by the weight: the lowest of `E / weight` is the highest of `-weight / ln(uniform)`.
//!
//! Members that cost the same, which hardly happens, go by node id.
//!
//! **Zones:** the best member of each zone comes first, then all others, each by cost, and the first
//! `replication` are taken. A member without a zone is one by itself. Here too a member that joins
//! displaces at most one other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use twox_hash::XxHash3_64;

use crate::{Member, NodeId, Partition, PartitionSet, Registry};

/// Binary digits behind the point of a logarithm.
const FRACTION_BITS: u32 = 48;

/// Bits of a half of a partition's number, which the Feistel network exchanges.
const HALF_BITS: u16 = 5;
const HALF_MASK: u16 = (1 << HALF_BITS) - 1;
const ROUNDS: u8 = 4;

const _: () = assert!(crate::partition::PARTITIONS == 1 << (2 * HALF_BITS));

/// Those of `members` that are to own the partition, at most `replication` of them, in rendezvous order:
/// the lowest cost first. Who leaves or is gone is none of them.
#[must_use]
pub fn owners<'a>(
    partition: Partition,
    members: impl IntoIterator<Item = &'a Member>,
    replication: u8,
) -> Vec<NodeId> {
    let candidates: Vec<_> = candidates(members);
    choose(partition, &candidates, replication)
}

/// The owners of all partitions, reckoned once for what the registry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    replication: u8,
    candidates: Vec<Candidate>,
    owners: Vec<Vec<NodeId>>,
    owned: BTreeMap<NodeId, PartitionSet>,
}

/// What of a member its placement depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    id: NodeId,
    zone: Option<Arc<str>>,
    weight: u16,
}

impl Placement {
    /// The placement of all partitions over a registry's members.
    #[must_use]
    pub fn of(registry: &Registry, replication: u8) -> Self {
        let candidates = candidates(registry.iter());
        let nothing = |candidate: &Candidate| (candidate.id, PartitionSet::default());
        let mut owned: BTreeMap<_, _> = candidates.iter().map(nothing).collect();
        let mut owners = Vec::with_capacity(usize::from(crate::partition::PARTITIONS));
        for partition in Partition::all() {
            let chosen = choose(partition, &candidates, replication);
            for id in &chosen {
                owned.entry(*id).or_default().insert(partition);
            }
            owners.push(chosen);
        }
        Self { replication, candidates, owners, owned }
    }

    /// Whether it still is the placement of the registry: most of what members say changes no owner.
    #[must_use]
    pub fn is_of(&self, registry: &Registry, replication: u8) -> bool {
        self.replication == replication && self.candidates == candidates(registry.iter())
    }

    /// Who is to own the partition, in rendezvous order.
    #[must_use]
    pub fn owners(&self, partition: Partition) -> &[NodeId] {
        self.owners.get(usize::from(partition.number())).map_or(&[], Vec::as_slice)
    }

    /// Which partitions a node is to own.
    #[must_use]
    pub fn owned(&self, node: NodeId) -> PartitionSet {
        self.owned.get(&node).cloned().unwrap_or_default()
    }
}

/// Those that are to own something, by node id.
fn candidates<'a>(members: impl IntoIterator<Item = &'a Member>) -> Vec<Candidate> {
    let desired = members.into_iter().filter(|member| member.is_desired());
    let mut candidates: Vec<_> = desired
        .map(|member| Candidate { id: member.id, zone: member.zone.clone(), weight: member.weight })
        .collect();
    candidates.sort_by_key(|candidate| candidate.id);
    candidates
}

fn choose(partition: Partition, candidates: &[Candidate], replication: u8) -> Vec<NodeId> {
    let mut by_cost: Vec<_> = candidates
        .iter()
        .map(|candidate| ((cost(candidate, partition), candidate.id), &candidate.zone))
        .collect();
    by_cost.sort_by_key(|(place, _)| *place);
    let mut zones = BTreeSet::new();
    let mut by_turn: Vec<_> = by_cost
        .into_iter()
        .map(|(place, zone)| {
            let first_of_its_zone = zone.as_deref().is_none_or(|zone| zones.insert(zone));
            (Reverse(first_of_its_zone), place)
        })
        .collect();
    by_turn.sort_unstable();
    by_turn.truncate(usize::from(replication));
    by_turn.sort_unstable_by_key(|(_, place)| *place);
    by_turn.into_iter().map(|(_, (_, id))| id).collect()
}

/// What the partition costs with this member: the less, the sooner it owns it.
fn cost(candidate: &Candidate, partition: Partition) -> u128 {
    let whole = 64_u128 << FRACTION_BITS;
    let exponential = whole.saturating_sub(log2(uniform(candidate.id, partition)));
    // Room for the quotient's digits; 71 bits in all. No weight is 0.
    (exponential << 16) / u128::from(candidate.weight.max(1))
}

/// The member's number for the partition: the upper ten bits shuffled, the rest hashed.
fn uniform(node: NodeId, partition: Partition) -> u64 {
    let (mut left, mut right) = (partition.number() >> HALF_BITS, partition.number() & HALF_MASK);
    for round in 1..=ROUNDS {
        let [.., low] = hash(node, round, right).to_be_bytes();
        (left, right) = (right, left ^ (u16::from(low) & HALF_MASK));
    }
    let shuffled = u64::from(left << HALF_BITS | right);
    (shuffled << (64 - 2 * HALF_BITS)) | (hash(node, 0, partition.number()) >> (2 * HALF_BITS))
}

/// XXH3-64 of the node's id, the round and the number, all big-endian.
fn hash(node: NodeId, round: u8, number: u16) -> u64 {
    let ([n0, n1, n2, n3, n4, n5, n6, n7], [high, low]) =
        (node.0.to_be_bytes(), number.to_be_bytes());
    XxHash3_64::oneshot(&[n0, n1, n2, n3, n4, n5, n6, n7, round, high, low])
}

/// The logarithm to the base 2 of a number, 0 taken for 1, as a fixed-point number of
/// [`FRACTION_BITS`], rounded down: its whole part is the place of the highest bit; each further digit
/// is whether the square of what remains, which is 1 at the least and less than 2, reaches 2.
fn log2(number: u64) -> u128 {
    let number = number.max(1);
    let whole = number.ilog2();
    // With 63 binary digits.
    let mut rest = u128::from(number) << (63 - whole);
    let mut log = u128::from(whole);
    for _ in 0..FRACTION_BITS {
        rest = (rest * rest) >> 63;
        let digit = rest >> 64;
        rest >>= digit;
        log = (log << 1) | digit;
    }
    log
}

#[cfg(test)]
mod tests;
