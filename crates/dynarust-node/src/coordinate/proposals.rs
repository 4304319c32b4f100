//! Conditional writes that this node coordinates and that do not stand here yet.
//!
//! Of one key there is one at a time. While it is under way this node has, in effect, accepted it: another
//! coordinator's conditional write of the key
//! - waits where its stamp is lower: the own one may have been accepted elsewhere, and would come out above
//!   it;
//! - goes on where its stamp is higher. The own one is *overtaken*, and is not acknowledged where it meets
//!   the other here.

use std::collections::BTreeMap;

use dynarust_core::{RecordName, Version};
use parking_lot::Mutex;

use crate::turns::{Turn, Turns};

/// See the module.
#[derive(Default)]
pub(crate) struct Proposals {
    turns: Turns,
    under_way: Mutex<BTreeMap<RecordName, UnderWay>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    /// None while it is judged and stamped.
    version: Option<Version>,
    overtaken: bool,
}

/// One of them, until it is dropped.
pub(super) struct Proposal<'a> {
    proposals: &'a Proposals,
    name: &'a RecordName,
    _turn: Turn<'a>,
}

impl Proposals {
    /// Waits for the turn at the key.
    pub(super) async fn begin<'a>(&'a self, name: &'a RecordName) -> Proposal<'a> {
        let turn = self.turns.take(name).await;
        self.under_way.lock().insert(name.clone(), UnderWay::default());
        Proposal { proposals: self, name, _turn: turn }
    }

    /// Submits another coordinator's write, unless it must wait.
    pub(super) fn let_in<T>(
        &self,
        name: &RecordName,
        version: Version,
        submit: impl FnOnce() -> T,
    ) -> Option<T> {
        // With the lock: what is submitted is behind what was judged before, or before what is judged later.
        let mut under_way = self.under_way.lock();
        if let Some(own) = under_way.get_mut(name) {
            if own.version.is_none_or(|own| version < own) {
                return None;
            }
            own.overtaken = true;
        }
        Some(submit())
    }
}

impl Proposal<'_> {
    /// It is about to be judged and stamped, perhaps not for the first time.
    pub(super) fn judging(&self) {
        self.set(UnderWay::default());
    }

    /// This is its stamp.
    pub(super) fn stamped(&self, version: Version) {
        self.set(UnderWay { version: Some(version), overtaken: false });
    }

    /// Whether a higher one of another coordinator was let in since.
    pub(super) fn is_overtaken(&self) -> bool {
        self.proposals.under_way.lock().get(self.name).is_some_and(|own| own.overtaken)
    }

    fn set(&self, under_way: UnderWay) {
        if let Some(own) = self.proposals.under_way.lock().get_mut(self.name) {
            *own = under_way;
        }
    }
}

impl Drop for Proposal<'_> {
    fn drop(&mut self) {
        // The turn ends behind this.
        self.proposals.under_way.lock().remove(self.name);
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::NodeId;

    use super::*;

    const LOW: Version = Version { hlc: 1, node: NodeId(1) };
    const OWN: Version = Version { hlc: 2, node: NodeId(1) };
    const HIGH: Version = Version { hlc: 3, node: NodeId(1) };

    #[tokio::test]
    async fn a_lower_write_of_another_waits_and_a_higher_one_overtakes() {
        let proposals = Proposals::default();
        let [name, other] = ["a", "b"].map(|key| RecordName::parse("t", key).unwrap());
        let let_in = |name, version| proposals.let_in(name, version, || ()).is_some();
        assert!(let_in(&name, LOW));
        let own = proposals.begin(&name).await;
        assert!(!let_in(&name, LOW) && !let_in(&name, HIGH) && let_in(&other, LOW));
        own.stamped(OWN);
        assert!(!let_in(&name, LOW) && !own.is_overtaken());
        assert!(let_in(&name, HIGH) && own.is_overtaken());
        own.judging();
        assert!(!let_in(&name, HIGH) && !own.is_overtaken());
        drop(own);
        assert!(let_in(&name, LOW));
        assert!(proposals.under_way.lock().is_empty());
    }
}
