//! Writes that came with an idempotency key and are not in the base yet: what their requests were
//! answered with.
//!
//! Invariants:
//! - an answer is journaled in the frame of its record, and published with it;
//! - as with records, whoever looks here first and into the base then misses none: an answer leaves
//!   here once the base has it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dynarust_core::limits::{ANSWERS_KEPT_MAX, ANSWERS_KEPT_MILLIS};
use dynarust_core::{RequestKey, Seq, UnixMillis, Version};

use crate::port::Answered;

/// A request that was carried out: the write that it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) request: RequestKey,
    pub(crate) version: Version,
    pub(crate) seq: Seq,
}

/// What the journal and the base keep of it under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) fingerprint: u128,
    pub(crate) version: Version,
}

impl Kept {
    /// What it says of a request with its key at `now`; nothing once it has had its time.
    pub(crate) fn answered(self, request: &RequestKey, now: UnixMillis) -> Option<Answered> {
        if is_over(self.version, now) {
            None
        } else if self.fingerprint == request.fingerprint {
            Some(Answered::Done(self.version))
        } else {
            Some(Answered::KeyReused)
        }
    }
}

/// Whether the request that became this version has had its time.
pub(crate) fn is_over(version: Version, now: UnixMillis) -> bool {
    now.saturating_sub(version.unix_millis()) > ANSWERS_KEPT_MILLIS
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RecentAnswers {
    by_key: HashMap<Arc<str>, (Seq, Kept)>,
    in_order: VecDeque<Carried>,
    /// About so many are in the base.
    in_base: usize,
}

impl RecentAnswers {
    /// Takes in the next.
    pub(crate) fn publish(&mut self, carried: Carried) {
        let Carried { request, version, seq } = &carried;
        let kept = Kept { fingerprint: request.fingerprint, version: *version };
        self.by_key.insert(Arc::clone(&request.key), (*seq, kept));
        self.in_order.push_back(carried);
    }

    /// What the newest request with this key became, if the base does not have it yet.
    pub(crate) fn get(&self, key: &str) -> Option<Kept> {
        self.by_key.get(key).map(|(_, kept)| *kept)
    }

    /// The request that became the record of that seq, if the base does not have it yet.
    pub(crate) fn request_at(&self, seq: Seq) -> Option<RequestKey> {
        let at = self.in_order.binary_search_by_key(&seq, |carried| carried.seq).ok()?;
        self.in_order.get(at).map(|carried| carried.request.clone())
    }

    /// The oldest, up to a seq, at most so many.
    pub(crate) fn through(&self, seq: Seq, answers_max: usize) -> Vec<Carried> {
        let old = self.in_order.iter().take_while(|carried| carried.seq <= seq);
        old.take(answers_max).cloned().collect()
    }

    /// The base has the oldest of them now.
    pub(crate) fn applied(&mut self, count: usize) {
        for carried in self.in_order.drain(..count.min(self.in_order.len())) {
            let key = &carried.request.key;
            if self.by_key.get(key).is_some_and(|(seq, _)| *seq == carried.seq) {
                self.by_key.remove(key);
            }
        }
        self.in_base += count;
    }

    /// The base has so many.
    pub(crate) fn set_in_base(&mut self, count: usize) {
        self.in_base = count;
    }

    /// How many are kept, here and in the base.
    pub(crate) fn len(&self) -> usize {
        self.in_order.len() + self.in_base
    }

    /// Whether there is room for more.
    pub(crate) fn have_room(&self) -> bool {
        self.len() < ANSWERS_KEPT_MAX
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::NodeId;

    use super::*;

    fn carried(key: &str, fingerprint: u128, seq: Seq) -> Carried {
        let version = Version { hlc: seq << 16, node: NodeId(1) };
        Carried { request: RequestKey { key: key.into(), fingerprint }, version, seq }
    }

    #[test]
    fn the_newest_under_a_key_stays_until_the_base_has_it() {
        let mut answers = RecentAnswers::default();
        for answer in [carried("a", 1, 1), carried("b", 2, 2), carried("a", 3, 5)] {
            answers.publish(answer);
        }
        assert_eq!(answers.get("a").unwrap().fingerprint, 3);
        assert_eq!(answers.through(4, 10).len(), 2);
        assert_eq!(answers.through(9, 1), [carried("a", 1, 1)]);
        answers.applied(2);
        assert_eq!((answers.get("b"), answers.get("a").unwrap().fingerprint), (None, 3));
        answers.applied(1);
        assert_eq!((answers.get("a"), answers.len()), (None, 3));
    }

    #[test]
    fn an_answer_is_known_for_ten_minutes() {
        let answer = carried("a", 1, 7);
        let kept = Kept { fingerprint: 1, version: answer.version };
        let last = 7 + ANSWERS_KEPT_MILLIS;
        let done = Some(Answered::Done(answer.version));
        assert_eq!(kept.answered(&answer.request, last), done);
        assert_eq!(kept.answered(&answer.request, last + 1), None);
        assert_eq!(kept.answered(&answer.request, 0), done, "a clock that was set back");
        assert_eq!(kept.answered(&carried("a", 2, 7).request, 7), Some(Answered::KeyReused));
    }
}
