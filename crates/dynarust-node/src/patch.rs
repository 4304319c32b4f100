//! PATCH: a key's value is changed in part.
//!
//! ```text
//! read ─▶ condition ─▶ apply ─▶ write over what was read, and over nothing else ─┬─▶ version
//!   ▲                                                                            │
//!   └───────────────────── somebody wrote in between ◀───────────────────────────┘
//! ```
//!
//! Patches of one key take turns (`turns::Turns`), so they don't come between each other; only other
//! writes do. A patch that was passed several times presses for the key: puts and deletes that come from
//! then on wait behind it. Batches don't; so tries are counted too.

use std::sync::Arc;

use bytes::Bytes;
use dynarust_core::limits::{
    PATCH_AT_ONCE_BYTES_MAX, PATCH_TRIES_BEFORE_PRESSING, PATCH_TRIES_MAX,
};
use dynarust_core::{
    Condition, Consistency, EntityTags, Patch, PatchError, RecordName, Replicas, RequestKey,
    Stored, UnixMillis, Version,
};
use dynarust_store::{Change, Durability, ReadError, Write, WriteError};

use crate::coordinate::Route;
use crate::{Acknowledged, Found, Node, RefusedRead, RefusedWrite};

/// A change in part of a record's value.
#[derive(Debug, Clone)]
pub struct PatchRecord {
    /// The record.
    pub name: RecordName,
    /// What becomes of its value.
    pub patch: Arc<Patch>,
    /// Bytes that the patched value may have.
    pub value_bytes_max: usize,
    /// From when on the record is gone by itself; `None`: never, also where it had an expiry.
    pub expiry: Option<UnixMillis>,
    /// What must hold before.
    pub condition: Condition,
    /// When it counts as done.
    pub durability: Durability,
    /// How many owners must have it then.
    pub consistency: Consistency,
    /// By what a repeat of it is known.
    pub request: Option<RequestKey>,
}

/// Why a patch was not acknowledged. Nothing changed, but where [`RefusedWrite`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPatch {
    /// As of any write; absent where there is no live record.
    #[error(transparent)]
    Write(#[from] RefusedWrite),
    /// The record cannot be read. Nothing changed.
    #[error(transparent)]
    Read(#[from] RefusedRead),
    /// There is no patched value. Nothing changed.
    #[error("{error}")]
    Patch {
        /// Why.
        error: PatchError,
        /// Who was asked what the value is.
        replicas: Replicas,
    },
    /// Others wrote the key each time between the read and the write. Nothing changed.
    #[error(
        "the record changes faster than it can be patched: try again, or write it by `If-Match`"
    )]
    Outrun,
}

impl RefusedPatch {
    /// Whether a repeat of the request shall hear the same.
    pub(crate) fn is_for_good(&self) -> bool {
        matches!(
            self,
            Self::Write(RefusedWrite::VersionMismatch { .. } | RefusedWrite::Absent { .. })
                | Self::Patch { .. }
        )
    }

    /// As a write that is no patch is told. A patch's own refusals come only to patches: they are other
    /// requests.
    pub(crate) fn into_write(self) -> RefusedWrite {
        match self {
            Self::Write(refused) => refused,
            Self::Read(_) | Self::Patch { .. } | Self::Outrun => RefusedWrite::KeyReused,
        }
    }
}

impl Node {
    /// Patches the value; answers with the record's version once it is as durable, at as many owners,
    /// as was asked. The condition is looked at before the existence, and that before the patch.
    /// Dropping the future does not undo it.
    ///
    /// # Errors
    /// [`RefusedPatch`].
    pub async fn patch(&self, patch: PatchRecord) -> Result<Acknowledged, RefusedPatch> {
        let running = self.requests.begin(patch.request.as_ref(), self.now())?;
        let outcome = self.patch_begun(patch).await;
        running.end(outcome.as_ref().err().cloned(), self.now());
        outcome
    }

    async fn patch_begun(&self, patch: PatchRecord) -> Result<Acknowledged, RefusedPatch> {
        // Before the patch is tried: it would fit what it made of the value no more.
        if let Some(request) = &patch.request
            && let Some(first) = self.repeated(&patch.name, request, patch.consistency).await?
        {
            return Ok(first);
        }
        let turn = self.turns.take(&patch.name).await;
        for tries in 0..PATCH_TRIES_MAX {
            if tries == PATCH_TRIES_BEFORE_PRESSING {
                turn.press();
            }
            let Found { stored, replicas } =
                self.get(patch.name.clone(), patch.consistency).await?;
            let current = stored.as_ref().map(|stored| stored.record.version);
            let asked = Some(replicas);
            if !patch.condition.holds(current) {
                return Err(RefusedWrite::VersionMismatch { current, replicas: asked }.into());
            }
            let stored = stored.ok_or(RefusedWrite::Absent { replicas: asked })?;
            let read = stored.record.version;
            let value = self.patched(&patch, stored, replicas).await?;
            match self.submit(patch.write_over(read, value), patch.consistency, Route::Any).await {
                Err(RefusedWrite::VersionMismatch { .. }) => {}
                written => return Ok(written?),
            }
        }
        Err(RefusedPatch::Outrun)
    }

    /// The patched value. What takes longer is done where it keeps nobody else waiting, a few at a
    /// time, since it also takes the more memory.
    async fn patched(
        &self,
        patch: &PatchRecord,
        stored: Arc<Stored>,
        replicas: Replicas,
    ) -> Result<Bytes, RefusedPatch> {
        let bytes_max = patch.value_bytes_max;
        if stored.record.value.len() + patch.patch.text().len() <= PATCH_AT_ONCE_BYTES_MAX {
            return apply(&patch.patch, (&stored, replicas), bytes_max);
        }
        let stopped = || RefusedWrite::Store(WriteError::Stopped("the node closes".into()));
        let _turn = self.large_patches.acquire().await.map_err(|_| stopped())?;
        let patch = Arc::clone(&patch.patch);
        let apply = move || apply(&patch, (&stored, replicas), bytes_max);
        let applied = tokio::task::spawn_blocking(apply).await;
        applied.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => stopped(),
        })?
    }
}

impl PatchRecord {
    fn write_over(&self, read: Version, value: Bytes) -> Write {
        Write {
            name: self.name.clone(),
            change: Change::Put { value, expiry: self.expiry },
            condition: Condition {
                if_match: Some(EntityTags::Versions(vec![read])),
                if_none_match: None,
            },
            durability: self.durability,
            request: self.request.clone(),
            above: None,
        }
    }
}

fn apply(
    patch: &Patch,
    (stored, replicas): (&Stored, Replicas),
    bytes_max: usize,
) -> Result<Bytes, RefusedPatch> {
    let value = std::str::from_utf8(&stored.record.value)
        .map_err(|_| RefusedRead::Store(ReadError::CorruptRecord(stored.name.clone())))?;
    let patched = patch.apply(value, bytes_max);
    Ok(patched.map_err(|error| RefusedPatch::Patch { error, replicas })?.into())
}

#[cfg(test)]
mod tests {
    use dynarust_core::PatchForm;
    use std::sync::atomic::{AtomicBool, Ordering};

    use dynarust_store::{LocalStore, StoreConfig, SystemClock};

    use super::*;
    use crate::membership::ALONE;
    use crate::store_in_memory::StoreInMemory;
    use crate::{NodeConfig, Put};

    const NAME: (&str, &str) = ("t", "k");

    fn name() -> RecordName {
        RecordName::parse(NAME.0, NAME.1).unwrap()
    }

    fn node() -> (Arc<Node>, Arc<StoreInMemory>) {
        let store = StoreInMemory::new();
        let config = NodeConfig::alone("127.0.0.1:6660");
        (Node::start(store.clone(), Arc::new(SystemClock), config), store)
    }

    fn merge(patch: &str) -> PatchRecord {
        PatchRecord {
            name: name(),
            patch: Arc::new(Patch::new(PatchForm::Merge, patch.to_owned()).unwrap()),
            value_bytes_max: 4 << 20,
            expiry: None,
            condition: Condition::default(),
            durability: Durability::Relaxed,
            consistency: Consistency::default(),
            request: None,
        }
    }

    async fn value(node: &Node) -> String {
        let stored = node.get(name(), Consistency::default()).await.unwrap().stored.unwrap();
        String::from_utf8(stored.record.value.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_patch_between_whose_read_and_write_somebody_wrote_begins_anew() {
        let (node, store) = node();
        store.insert(name(), r#"{"n":0}"#, None);
        store.hold_writes(true);
        let patching = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.patch(merge(r#"{"mine":1}"#)).await }
        });
        store.until_waiting(1).await;
        store.insert(name(), r#"{"theirs":1}"#, None);
        store.hold_writes(false);
        patching.await.unwrap().unwrap();
        assert_eq!(value(&node).await, r#"{"theirs":1,"mine":1}"#);
    }

    #[tokio::test]
    async fn a_condition_that_no_longer_holds_ends_it() {
        let (node, store) = node();
        store.insert(name(), "{}", None);
        let read = node.get(name(), Consistency::default()).await.unwrap().stored.unwrap();
        let read = read.record.version;
        let only =
            Condition { if_match: Some(EntityTags::Versions(vec![read])), if_none_match: None };
        store.hold_writes(true);
        let patching = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.patch(PatchRecord { condition: only, ..merge("1") }).await }
        });
        store.until_waiting(1).await;
        store.insert(name(), "2", None);
        store.hold_writes(false);
        let refused = patching.await.unwrap().unwrap_err();
        assert!(matches!(
            refused,
            RefusedPatch::Write(RefusedWrite::VersionMismatch { current: Some(current), .. }) if current > read
        ));
        assert_eq!(value(&node).await, "2");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_patches_of_one_key_all_take() {
        let (node, store) = node();
        store.insert(name(), "{}", None);
        // Large enough for some of them to be applied elsewhere.
        let long = "x".repeat(PATCH_AT_ONCE_BYTES_MAX / 32);
        let patches = (0..64).map(|nth| {
            let node = Arc::clone(&node);
            let patch = merge(&format!(r#"{{"{nth}":"{long}"}}"#));
            tokio::spawn(async move { node.patch(patch).await.unwrap() })
        });
        let mut versions = Vec::new();
        for patch in patches.collect::<Vec<_>>() {
            versions.push(patch.await.unwrap().version);
        }
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 64);
        let value = value(&node).await;
        assert!((0..64).all(|nth| value.contains(&format!("\"{nth}\":"))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_patch_gets_through_where_others_write_the_key_without_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&StoreConfig::new(folder.path().join("node"))).unwrap();
        let config = NodeConfig::alone("127.0.0.1:6660");
        let node = Node::start(Arc::new(store), Arc::new(SystemClock), config);
        let put = || Put {
            name: name(),
            value: Bytes::from_static(b"{}"),
            expiry: None,
            condition: Condition::default(),
            durability: Durability::Sync,
            consistency: Consistency::default(),
            request: None,
        };
        node.put(put()).await.unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let writers = (0..16).map(|_| {
            let (node, done) = (Arc::clone(&node), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    node.put(put()).await.unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        for _ in 0..100 {
            node.patch(merge(r#"{"mine":1}"#)).await.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        node.close_store().await;
    }

    #[tokio::test]
    async fn what_is_refused_changes_nothing() {
        let (node, store) = node();
        let absent = node.patch(merge("1")).await;
        let refused = RefusedWrite::Absent { replicas: Some(ALONE) };
        assert_eq!(absent, Err(refused.clone().into()));
        store.insert(name(), "1", Some(1));
        assert_eq!(node.patch(merge("1")).await, Err(refused.into()));
        store.insert(name(), "1", None);
        let small = PatchRecord { value_bytes_max: 3, ..merge("1234") };
        let error = PatchError::TooLarge { bytes_max: 3 };
        let too_large = RefusedPatch::Patch { error, replicas: ALONE };
        assert_eq!(node.patch(small).await, Err(too_large));
        store.refuse_writes(Some(WriteError::Full));
        let full = RefusedWrite::Store(WriteError::Full);
        assert_eq!(node.patch(merge("2")).await, Err(full.into()));
        assert_eq!(value(&node).await, "1");
    }
}
