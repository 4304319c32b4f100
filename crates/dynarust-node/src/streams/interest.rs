//! Who follows a name: the index of all attached streams.
//!
//! A name is looked up once among the keys, and once for each distinct length of a prefix: the cost
//! does not grow with the number of streams that follow something else. The parts of a selection are
//! disjoint, so a stream is found at most once.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use dynarust_core::{RecordName, Selection, Selector, TableName};

use super::mailbox::Mailbox;
use super::register::StreamId;

/// Those who follow one thing: mostly one stream, and sometimes thousands, each of which must go without a search.
#[derive(Debug)]
enum Followers {
    One(StreamId, Arc<Mailbox>),
    #[expect(
        clippy::box_collection,
        reason = "there may be thousands of the others, which are smaller"
    )]
    Many(Box<HashMap<StreamId, Arc<Mailbox>>>),
}

/// The streams that follow something, by what they follow.
#[derive(Debug, Default)]
pub(super) struct Interest {
    keys: HashMap<RecordName, Followers>,
    /// By the first bytes of a name: table, zero byte, prefix.
    prefixes: HashMap<Box<[u8]>, Followers>,
    /// The lengths of those, and how many have each.
    lengths: BTreeMap<usize, usize>,
}

impl Interest {
    /// From now on the stream is found by what it selects.
    pub(super) fn add(&mut self, id: StreamId, selection: &Selection, mailbox: &Arc<Mailbox>) {
        for part in selection.selectors() {
            let mailbox = Arc::clone(mailbox);
            match part {
                Selector::Key(name) => _ = join(self.keys.entry(name.clone()), id, mailbox),
                Selector::Prefix(table, prefix) => {
                    let prefix = first_bytes(table, prefix);
                    let length = prefix.len();
                    if join(self.prefixes.entry(prefix), id, mailbox) {
                        *self.lengths.entry(length).or_default() += 1;
                    }
                }
            }
        }
    }

    /// The stream is not found any more.
    pub(super) fn remove(&mut self, id: StreamId, selection: &Selection) {
        for part in selection.selectors() {
            match part {
                Selector::Key(name) => _ = leave(&mut self.keys, name, id),
                Selector::Prefix(table, prefix) => {
                    let prefix = first_bytes(table, prefix);
                    if leave(&mut self.prefixes, &prefix, id) {
                        self.forget_length(prefix.len());
                    }
                }
            }
        }
    }

    /// Adds the mailboxes of all streams that follow the name.
    pub(super) fn find(&self, name: &RecordName, found: &mut Vec<Arc<Mailbox>>) {
        let name_bytes = name.as_bytes();
        let keys = self.keys.get(name).into_iter();
        let prefixes =
            self.lengths.keys().filter_map(|length| self.prefixes.get(name_bytes.get(..*length)?));
        for followers in keys.chain(prefixes) {
            followers.add_to(found);
        }
    }

    /// The mailboxes of all streams, those that follow several things several times.
    pub(super) fn all(&self) -> Vec<Arc<Mailbox>> {
        let mut all = Vec::new();
        let groups = self.keys.values().chain(self.prefixes.values());
        groups.for_each(|followers| followers.add_to(&mut all));
        all
    }

    fn forget_length(&mut self, length: usize) {
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }
}

/// With what the names in the table begin that begin with the prefix.
fn first_bytes(table: &TableName, prefix: &str) -> Box<[u8]> {
    [table.as_str().as_bytes(), b"\0", prefix.as_bytes()].concat().into()
}

impl Followers {
    fn add_to(&self, found: &mut Vec<Arc<Mailbox>>) {
        match self {
            Self::One(_, mailbox) => found.push(Arc::clone(mailbox)),
            Self::Many(followers) => found.extend(followers.values().map(Arc::clone)),
        }
    }

    fn insert(&mut self, id: StreamId, mailbox: Arc<Mailbox>) {
        match self {
            Self::One(only, _) if *only == id => {}
            Self::One(first, theirs) => {
                let both = [(*first, Arc::clone(theirs)), (id, mailbox)];
                *self = Self::Many(Box::new(both.into()));
            }
            Self::Many(followers) => _ = followers.insert(id, mailbox),
        }
    }

    /// Whether nobody is left.
    fn remove(&mut self, id: StreamId) -> bool {
        match self {
            Self::One(only, _) => *only == id,
            Self::Many(followers) => {
                followers.remove(&id);
                followers.is_empty()
            }
        }
    }
}

/// Puts the stream into a group; whether the group is new.
fn join<Group>(entry: Entry<'_, Group, Followers>, id: StreamId, mailbox: Arc<Mailbox>) -> bool {
    match entry {
        Entry::Occupied(mut followers) => {
            followers.get_mut().insert(id, mailbox);
            false
        }
        Entry::Vacant(place) => {
            place.insert(Followers::One(id, mailbox));
            true
        }
    }
}

/// Takes the stream out of a group; whether the group went with it, being empty.
fn leave<Group: Eq + Hash>(
    groups: &mut HashMap<Group, Followers>,
    group: &Group,
    id: StreamId,
) -> bool {
    let empty = groups.get_mut(group).is_some_and(|followers| followers.remove(id));
    if empty {
        groups.remove(group);
    }
    empty
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::tests::store::{name, selection};

    fn found(interest: &Interest, key: &str) -> usize {
        let mut found = Vec::new();
        interest.find(&name(key), &mut found);
        found.len()
    }

    fn selections() -> Vec<Selection> {
        ["a", "ab", "*", "a*", "é*", "ab*", "a*"].map(|part| selection(&[part])).into()
    }

    #[test]
    fn a_name_finds_all_that_follow_it_and_nobody_else() {
        let mut interest = Interest::default();
        let mailbox = Arc::new(Mailbox::new(0, None, Arc::default()));
        for (id, selection) in (0..).map(StreamId).zip(selections()) {
            interest.add(id, &selection, &mailbox);
        }
        for (key, expected) in [("a", 4), ("ab", 5), ("abc", 4), ("é", 2), ("è", 1), ("z", 1)] {
            assert_eq!(found(&interest, key), expected, "{key}");
        }
        assert_eq!(found(&interest, "a"), 4);
        assert_eq!(interest.all().len(), 7);
    }

    #[test]
    fn nothing_stays_of_those_that_left() {
        let mut interest = Interest::default();
        let mailbox = Arc::new(Mailbox::new(0, None, Arc::default()));
        for (id, selection) in (0..).map(StreamId).zip(selections()) {
            interest.add(id, &selection, &mailbox);
        }
        for (id, selection) in (0..).map(StreamId).zip(selections()) {
            interest.remove(id, &selection);
            interest.remove(id, &selection);
        }
        assert!(interest.keys.is_empty());
        assert!(interest.prefixes.is_empty());
        assert!(interest.lengths.is_empty());
        assert_eq!(Arc::strong_count(&mailbox), 1);
    }
}
