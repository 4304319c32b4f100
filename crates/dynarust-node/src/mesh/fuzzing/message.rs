//! Messages: whatever is understood keeps its meaning when it is told on, and is within the limits of what
//! a node may hold.

use std::fmt::Debug;

use bytes::Bytes;
use dynarust_core::limits::{KEY_BYTES_MAX, MESH_FRAME_BYTES_MAX, TABLE_BYTES_MAX};
use dynarust_core::{Member, RecordName, Selector, Stored};
use prost::Message;

use crate::mesh::message::{
    Acknowledge, ClaimText, Confirm, Confirmed, DigestsText, Entry, FailureText, FeedAsk, FeedPart,
    Follow, Following, Held, Hold, MemberText, Members, Names, Read, ReadAnswer, Records,
    SelectorText, Ship, Watch, WatchNumber, Watched, record_name,
};

/// Which message; its body.
pub fn message(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else {
        return;
    };
    let body = Bytes::copy_from_slice(body);
    match which % 25 {
        0 => all_of(told_on::<Ship>(body).map(|it| it.entries)),
        1 => all_of(told_on::<Records>(body).map(|it| it.entries)),
        2 => feed_part(body),
        3 => all_of(told_on::<ReadAnswer>(body).map(|it| it.entry.into_iter().collect())),
        4 => all_of(told_on::<Watched>(body).map(|it| it.entries)),
        5 => names(told_on::<Names>(body)),
        6 => watch(told_on::<Watch>(body)),
        7 => members(told_on::<Members>(body)),
        8 => drop(FailureText::understand(body)),
        9 => drop(told_on::<Follow>(body)),
        10 => drop(told_on::<Following>(body)),
        11 => drop(told_on::<Acknowledge>(body)),
        12 => drop(told_on::<FeedAsk>(body)),
        13 => drop(told_on::<Read>(body)),
        14 => drop(told_on::<Confirm>(body)),
        15 => drop(told_on::<Confirmed>(body)),
        16 => drop(told_on::<DigestsText>(body)),
        17 => drop(told_on::<WatchNumber>(body)),
        18 => member(told_on::<MemberText>(body)),
        19 => selector(told_on::<SelectorText>(body)),
        20 => drop(record_name(&body).map(|name| within_limits(&name))),
        21 => drop(told_on::<Hold>(body)),
        22 => drop(told_on::<Held>(body)),
        23 => claim(told_on::<ClaimText>(body)),
        _ => all_of(told_on::<Entry>(body).map(|it| vec![it])),
    }
}

/// What is read is read again from what it is written as.
fn told_on<M: Message + Default + PartialEq + Debug>(body: Bytes) -> Option<M> {
    let read = M::decode(body).ok()?;
    let written = read.encode_to_vec();
    assert_eq!(written.len(), read.encoded_len());
    assert_eq!(M::decode(&*written).unwrap(), read);
    Some(read)
}

/// The most that is unpacked here: each two bytes of what comes of it can be an entry, which is a hundred times
/// as large.
const PACKED_BYTES_MAX: usize = 300;

fn feed_part(body: Bytes) {
    if let Some(mut part) = told_on::<FeedPart>(body)
        && part.packed.as_ref().is_none_or(|packed| packed.encoded_len() <= PACKED_BYTES_MAX)
    {
        all_of(part.take_entries());
    }
}

fn all_of(entries: Option<Vec<Entry>>) {
    entries.into_iter().flatten().for_each(entry);
}

fn entry(entry: Entry) {
    let Some(shipped) = entry.understood() else {
        return;
    };
    within_limits(&shipped.name);
    assert!(shipped.stamp.version.makes_sense());
    let Some(record) = shipped.record.clone() else {
        return;
    };
    assert_eq!((record.version, record.expired), (shipped.stamp.version, shipped.stamp.expired));
    assert!(record.value.len() <= MESH_FRAME_BYTES_MAX);
    let stored = Stored { name: shipped.name.clone(), seq: shipped.seq, record };
    let again = Entry::of(&stored, shipped.request.as_ref()).understood();
    assert_eq!(again.as_ref(), Some(&shipped));
}

fn names(names: Option<Names>) {
    for name in names.into_iter().flat_map(|it| it.names) {
        if let Some(name) = record_name(&name) {
            within_limits(&name);
        }
    }
}

fn within_limits(name: &RecordName) {
    assert!(name.table().len() <= TABLE_BYTES_MAX && name.key().len() <= KEY_BYTES_MAX);
    assert_eq!(record_name(name.as_bytes()).as_ref(), Some(name));
}

fn watch(watch: Option<Watch>) {
    for text in watch.into_iter().flat_map(|it| it.selectors) {
        selector(Some(text));
    }
}

fn selector(text: Option<SelectorText>) {
    let understood: Option<Selector> = text.and_then(SelectorText::understood);
    if let Some(selector) = understood {
        assert_eq!(SelectorText::of(&selector).understood(), Some(selector));
    }
}

fn claim(text: Option<ClaimText>) {
    if let Some(text) = text {
        assert_eq!(ClaimText::of(&text.clone().understood()), text);
    }
}

fn members(members: Option<Members>) {
    for text in members.into_iter().flat_map(|it| it.members) {
        member(Some(text));
    }
}

fn member(text: Option<MemberText>) {
    let understood: Option<Member> = text.and_then(MemberText::understood);
    if let Some(member) = understood {
        assert_eq!(MemberText::of(&member).understood(), Some(member));
    }
}
