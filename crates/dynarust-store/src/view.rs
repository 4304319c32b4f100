//! What is published, as the writer thread sees it while it decides a group.
//!
//! What is not recent it asks the base for, within one snapshot for many: beginning and ending one costs
//! as much as a look-up. A record may move from recent into the base meanwhile. So a snapshot answers only
//! for names that were not recent at an `applied` which it was begun behind.

use dynarust_core::{RecordName, Seq};

use crate::answers::Kept;
use crate::base::{Claimed, ReadBase, Snapshot};
use crate::group::{Published, Standing};
use crate::port::ReadError;
use crate::shared::{Shared, base_error, read_error};

/// See the module.
pub(crate) struct View<'a> {
    shared: &'a Shared,
    base: &'a ReadBase,
    /// With everything that it is certain to hold.
    snapshot: Option<(Snapshot<'a>, Seq)>,
}

impl<'a> View<'a> {
    pub(crate) fn new(shared: &'a Shared, base: &'a ReadBase) -> Self {
        Self { shared, base, snapshot: None }
    }

    /// Has a snapshot that holds everything up to `applied`.
    fn look_behind(&mut self, applied: Seq) -> Result<(), ReadError> {
        if self.snapshot.as_ref().is_none_or(|(_, holds)| *holds < applied) {
            // The one before ends first.
            self.snapshot = None;
            let snapshot = self.base.snapshot().map_err(|error| base_error(&error))?;
            self.snapshot = Some((snapshot, applied));
        }
        Ok(())
    }
}

impl Published for View<'_> {
    fn standing(&mut self, name: &RecordName) -> Result<Option<Standing>, ReadError> {
        let (recent, applied) = {
            let recent = self.shared.recent.read();
            (recent.standing(name), recent.applied())
        };
        if recent.is_some() {
            return Ok(recent);
        }
        if let Some(stored) = self.shared.cache.get(name) {
            return Ok(Some(Standing::of(&stored.record)));
        }
        self.look_behind(applied)?;
        let found = self.base.get(name).map_err(read_error)?;
        Ok(found.map(|stored| Standing::of(&stored.record)))
    }

    fn claimed(&mut self, name: &RecordName) -> Result<Option<Claimed>, ReadError> {
        self.base.claimed(name).map_err(|error| base_error(&error))
    }

    fn answer(&mut self, key: &str) -> Result<Option<Kept>, ReadError> {
        // Answers move by a law of their own: whatever is in the base now.
        self.snapshot = None;
        self.shared.answer(self.base, key)
    }

    fn has_room_for_answers(&mut self) -> bool {
        self.shared.answers.lock().have_room()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use dynarust_core::{Condition, Version};

    use super::*;
    use crate::driver::Driver;
    use crate::journal::disk::RealDisk;
    use crate::local::Threads;
    use crate::port::{Change, Durability, Store, Write, Written};
    use crate::{LocalStore, StoreConfig};

    /// Too large for the cache of these tests.
    const VALUE: Bytes = Bytes::from_static(&[b'1'; 4096]);

    async fn put(store: &LocalStore, name: &RecordName) -> Version {
        let change = Change::Put { value: VALUE, expiry: None };
        let (condition, durability) = (Condition::default(), Durability::Relaxed);
        let name = name.clone();
        let write = Write { name, change, condition, durability, request: None, above: None };
        match store.write(write).await.unwrap() {
            Written::Done { version, .. } => version,
            other => panic!("not written: {other:?}"),
        }
    }

    #[test]
    fn a_record_that_went_into_the_base_behind_the_snapshot_is_seen() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig { cache_bytes: 1, ..StoreConfig::new(folder.path().to_owned()) };
        let (store, Threads { writer, mut applier, .. }) =
            LocalStore::assemble(&config, Arc::new(RealDisk), Driver::Threads).unwrap();
        let writer = std::thread::spawn(move || writer.run());
        let [a, b] = ["a", "b"].map(|key| RecordName::parse("t", key).unwrap());
        let versions = [&a, &b].map(|name| runtime.block_on(put(&store, name)));
        applier.apply().unwrap();

        let base = ReadBase::open(&folder.path().join("base.sqlite")).unwrap();
        let mut view = View::new(&store.shared, &base);
        let mut seen = |name| view.standing(name).unwrap().map(|standing| standing.version);
        assert_eq!(seen(&a), Some(versions[0]));
        let newer = runtime.block_on(put(&store, &b));
        applier.apply().unwrap();
        assert_eq!(seen(&b), Some(newer));
        assert_eq!(seen(&a), Some(versions[0]));

        store.shared.fail("the run is over");
        writer.join().unwrap();
    }
}
