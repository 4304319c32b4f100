//! Records that come from other nodes, and what the model says becomes of them.

use bytes::Bytes;
use dynarust_core::merge::{Merge, merge};
use dynarust_core::{NodeId, Record, RecordName, RequestKey, UnixMillis, Version, clock};
use proptest::prelude::*;

use super::run::{Held, State};
use super::{HOUR, KEYS, MINUTE, REQUEST_KEYS};
use crate::answers::is_over;
use crate::port::{Arrival, Over, TakenIn};

/// The first of the records: when the clock of a run begins.
pub(super) const BEGINNING: u64 = 1_000_000 * HOUR;

/// One of the few records that other nodes have written. All else of it follows from these: of a version
/// there is one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arriving {
    key: u8,
    node: u8,
    /// When it was written.
    nth: u8,
    /// It comes in its last form, if it expires at all.
    expired: bool,
    /// It comes from its coordinator, with what that knows of its request.
    fresh: bool,
}

pub(super) fn arriving() -> impl Strategy<Value = Arriving> {
    (0..KEYS, 2..5u8, 0..16u8, prop::bool::weighted(0.3), any::<bool>())
        .prop_map(|(key, node, nth, expired, fresh)| Arriving { key, node, nth, expired, fresh })
}

impl Arriving {
    pub(super) fn arrival(self) -> Arrival {
        let written = BEGINNING + u64::from(self.nth) * 40 * MINUTE;
        let hlc = clock::at(written) + u64::from(self.key);
        let version = Version { hlc, node: NodeId(u64::from(self.node)) };
        let tombstone = self.nth % 4 == 1;
        let expiry = (self.nth.is_multiple_of(3) && !tombstone).then_some(written + 2 * HOUR);
        let value = match tombstone {
            true => Bytes::new(),
            false => format!("[{},{},{}]", self.key, self.node, self.nth).into(),
        };
        let record = Record { version, previous: None, expiry, tombstone, expired: false, value };
        let expired = self.expired && expiry.is_some();
        let record = if expired { record.into_expired() } else { record };
        let name = RecordName::parse("t", &self.key.to_string()).unwrap();
        let keyed = self.fresh && self.nth.is_multiple_of(2);
        let request = keyed.then(|| RequestKey {
            key: (self.nth / 2 % REQUEST_KEYS).to_string().into(),
            fingerprint: u128::from(hlc) << 64 | u128::from(self.node),
        });
        Arrival { name, record, request, fresh: self.fresh, over: Over::Older }
    }
}

impl State {
    /// By the merge law; but what stands there already comes once more for a request that is not known.
    pub(super) fn take_in(&mut self, arrival: &Arrival, now: UnixMillis) -> TakenIn {
        let Arrival { name, record, request, .. } = arrival;
        let stands = self.stands(name.key());
        if let Some(stands) = stands
            && merge(Some(stands), record.stamp()) == Merge::Keep
        {
            let news = request.as_ref().is_some_and(|request| {
                self.answers.get(&request.key).is_none_or(|known| known.1 < record.version)
            });
            if stands != record.stamp() || !news || is_over(record.version, now) {
                return TakenIn::Kept(stands);
            }
        }
        let key = name.key().to_owned();
        if record.holds_value() {
            self.gone.remove(&key);
            self.values.insert(key, Held::of(record));
        } else {
            self.values.remove(&key);
            self.gone.insert(key, record.stamp());
        }
        if let Some(request) = request {
            let answer = (request.fingerprint, record.version);
            let known = self.answers.entry(request.key.clone()).or_insert(answer);
            if known.1 < answer.1 {
                *known = answer;
            }
        }
        let replaced = stands.map(|it| it.version).filter(|it| *it < record.version);
        TakenIn::Applied { unseen: replaced.filter(|it| Some(*it) != record.previous) }
    }
}
