//! The records that are recent, by name and by index: one copy of each, packed.
//!
//! There may be a hundred thousand. A hash table of whole records would be up to half empty, and twice as
//! large while it grows; here it holds indexes of four bytes, and the records lie in blocks that stay
//! where they are.
//!
//! Invariant: `by_name` holds the index of every record that is in `blocks`, and no other.

use std::hash::{BuildHasher, RandomState};

use dynarust_core::RecordName;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry::{Occupied, Vacant};

use super::Slot;

/// Records of a block.
const BLOCK: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Slots {
    by_name: HashTable<u32>,
    blocks: Blocks,
    /// Indexes that are free again.
    free: Vec<u32>,
    /// Behind the highest index so far.
    end: u32,
    /// With keys of its own: names come from outside.
    hasher: RandomState,
}

/// A name, and what is recent of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: RecordName,
    pub(super) slot: Slot,
}

#[derive(Debug, Default)]
struct Blocks(Vec<Vec<Option<Held>>>);

impl Blocks {
    fn get(&self, index: u32) -> Option<&Held> {
        let index = index as usize;
        self.0.get(index / BLOCK)?.get(index % BLOCK)?.as_ref()
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Option<Held>> {
        let index = index as usize;
        self.0.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }

    /// Puts it at an index that is free, or behind the last.
    fn put(&mut self, index: u32, held: Held) {
        if let Some(place) = self.get_mut(index) {
            *place = Some(held);
            return;
        }
        if self.0.last().is_none_or(|block| block.len() == BLOCK) {
            self.0.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.0.last_mut() {
            block.push(Some(held));
        }
    }
}

impl Slots {
    /// The record of this name.
    pub(super) fn get(&self, name: &RecordName) -> Option<Slot> {
        let is_it = |index: &u32| self.at(*index).is_some_and(|held| held.name == *name);
        let index = self.by_name.find(self.hasher.hash_one(name), is_it)?;
        self.at(*index).map(|held| held.slot)
    }

    /// The record with this index.
    pub(super) fn at(&self, index: u32) -> Option<&Held> {
        self.blocks.get(index)
    }

    /// Puts the record in the place of the one with its name. Returns its index, and the one before.
    pub(super) fn put(&mut self, name: &RecordName, slot: Slot) -> (u32, Option<Slot>) {
        let (blocks, hasher) = (&mut self.blocks, &self.hasher);
        let is_it = |index: &u32| blocks.get(*index).is_some_and(|held| held.name == *name);
        let hash = |index: &u32| blocks.get(*index).map_or(0, |held| hasher.hash_one(&held.name));
        match self.by_name.entry(hasher.hash_one(name), is_it, hash) {
            Occupied(entry) => {
                let index = *entry.get();
                let held = blocks.get_mut(index).and_then(Option::as_mut);
                (index, held.map(|held| std::mem::replace(&mut held.slot, slot)))
            }
            Vacant(entry) => {
                let index = self.free.pop().unwrap_or_else(|| {
                    self.end += 1;
                    self.end - 1
                });
                entry.insert(index);
                blocks.put(index, Held { name: name.clone(), slot });
                (index, None)
            }
        }
    }

    /// Takes the record with this index out.
    pub(super) fn remove(&mut self, index: u32) -> Option<Held> {
        let held = self.blocks.get_mut(index)?.take()?;
        let hash = self.hasher.hash_one(&held.name);
        if let Ok(entry) = self.by_name.find_entry(hash, |found| *found == index) {
            entry.remove();
        }
        self.free.push(index);
        if self.by_name.is_empty() {
            // What a storm took goes back, but for the small table: to grow again takes milliseconds.
            self.blocks = Blocks::default();
            self.free = Vec::new();
            self.end = 0;
        }
        Some(held)
    }

    /// Every name, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &RecordName> {
        self.blocks.0.iter().flatten().flatten().map(|held| &held.name)
    }
}
