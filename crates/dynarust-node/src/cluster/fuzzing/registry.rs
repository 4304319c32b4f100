//! Registries: the laws of `dynarust_core::registry` over whatever members are told; who is gone stays
//! gone; and a note is never misread.

use bytes::Bytes;
use dynarust_core::limits::REPLICATION_MAX;
use dynarust_core::{Member, MemberState, NodeId, Partition, Placement, Registry};
use prost::Message;

use crate::cluster::note::Note;
use crate::mesh::message::MemberText;

/// What three nodes hear, one after the other.
#[derive(Clone, PartialEq, prost::Message)]
struct Heard {
    #[prost(message, repeated, tag = "1")]
    sayings: Vec<Saying>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Saying {
    /// Which of the three hears it.
    #[prost(uint32, tag = "1")]
    by: u32,
    /// Of whom.
    #[prost(message, optional, tag = "2")]
    member: Option<MemberText>,
    /// Somebody is removed there instead; or says the next of itself, where `revises` is true.
    #[prost(fixed64, optional, tag = "3")]
    removes: Option<u64>,
    #[prost(bool, tag = "4")]
    revises: bool,
}

/// As a note, and as what three nodes hear.
pub fn registry(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    drop(Note::read(&bytes));
    let Ok(heard) = Heard::decode(bytes) else {
        return;
    };
    let mut registries: [Registry; 3] = std::array::from_fn(|_| Registry::default());
    for saying in heard.sayings {
        let registry = &mut registries[saying.by as usize % 3];
        hear(registry, saying);
    }
    laws(&registries);
    registries.iter().for_each(places);
}

/// It says whether anything changed, and nobody who was gone comes back.
fn hear(registry: &mut Registry, saying: Saying) {
    let before = registry.clone();
    let changed = match (saying.removes.map(NodeId), saying.member) {
        (Some(id), _) if saying.revises => registry.revise(id, |next| next.state = MemberState::Up),
        (Some(id), _) => registry.remove(id),
        (None, Some(text)) => text.understood().is_some_and(|it| registry.merge(it)),
        (None, None) => false,
    };
    assert_eq!(changed, *registry != before);
    assert_eq!(changed, registry.digest() != before.digest());
    stay_gone(&before, registry);
}

fn stay_gone(before: &Registry, after: &Registry) {
    for gone in before.iter().filter(|member| member.is_gone()) {
        assert!(after.get(gone.id).is_some_and(Member::is_gone), "{} came back", gone.id);
    }
}

fn join(a: &Registry, b: &Registry) -> Registry {
    let mut joined = a.clone();
    joined.merge_all(b.clone());
    joined
}

fn laws([a, b, c]: &[Registry; 3]) {
    assert_eq!(join(a, b), join(b, a));
    assert_eq!(join(&join(a, b), c), join(a, &join(b, c)));
    assert_eq!(join(a, a), *a);
    assert_eq!(join(&Registry::default(), a), *a);
    let joined = join(&join(a, b), c);
    assert_eq!(joined.digest(), join(&join(c, b), a).digest());
    [a, b, c].into_iter().for_each(|it| stay_gone(it, &joined));
    let ids: Vec<_> = joined.iter().map(|member| member.id).collect();
    assert!(ids.is_sorted() && joined.iter().all(|member| member.check().is_ok()));
}

/// Who is to own what: each partition has as many owners as there are members to own it, at most.
fn places(registry: &Registry) {
    let desired = registry.iter().filter(|member| member.is_desired()).count();
    let placement = Placement::of(registry, REPLICATION_MAX);
    for partition in Partition::all() {
        let owners = placement.owners(partition);
        assert_eq!(owners.len(), desired.min(usize::from(REPLICATION_MAX)));
        let mut distinct = owners.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), owners.len());
    }
}
