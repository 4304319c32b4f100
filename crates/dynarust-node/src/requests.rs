//! Requests that came with an idempotency key: which are under way, and which were refused.
//!
//! A write that took is the store's to remember, in the same journal entry as its record. Here is what
//! need not outlive the process: what still runs, and refusals that a repeat shall hear again (they
//! changed nothing: after a restart a repeat is judged anew).
//!
//! Invariant: of one key at most one request is under way. It ends when its [`Running`] does, however
//! that comes about; the write of a client that went away may still be queued then, and the store's
//! writer knows the repeat behind it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dynarust_core::limits::{ANSWERS_KEPT_MILLIS, REFUSALS_KEPT_MAX};
use dynarust_core::{RequestKey, UnixMillis};
use parking_lot::Mutex;

use crate::{RefusedPatch, RefusedWrite};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Arc<str>, Known>,
    /// The refusals among them, oldest first.
    refusals: VecDeque<(UnixMillis, Arc<str>)>,
}

#[derive(Debug)]
struct Known {
    fingerprint: u128,
    /// `None` while it runs.
    refused: Option<RefusedPatch>,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    requests: &'a Requests,
    /// `None` where it came without a key.
    key: Option<Arc<str>>,
}

impl Requests {
    /// Begins a request, unless its key says that it needs no doing.
    ///
    /// # Errors
    /// What is to be answered: it runs already, the key is another request's, or what the first of
    /// its kind heard.
    pub(crate) fn begin(
        &self,
        request: Option<&RequestKey>,
        now: UnixMillis,
    ) -> Result<Running<'_>, RefusedPatch> {
        let Some(request) = request else {
            return Ok(Running { requests: self, key: None });
        };
        let mut state = self.state.lock();
        state.forget_before(now.saturating_sub(ANSWERS_KEPT_MILLIS));
        match state.known.get(&request.key) {
            Some(known) if known.fingerprint != request.fingerprint => {
                return Err(RefusedWrite::KeyReused.into());
            }
            Some(Known { refused: Some(refused), .. }) => return Err(refused.clone()),
            Some(Known { refused: None, .. }) => return Err(RefusedWrite::InProgress.into()),
            None => {}
        }
        let known = Known { fingerprint: request.fingerprint, refused: None };
        state.known.insert(Arc::clone(&request.key), known);
        Ok(Running { requests: self, key: Some(Arc::clone(&request.key)) })
    }
}

impl State {
    fn forget_before(&mut self, time: UnixMillis) {
        while self.refusals.len() > REFUSALS_KEPT_MAX
            || self.refusals.front().is_some_and(|(at, _)| *at < time)
        {
            let Some((_, key)) = self.refusals.pop_front() else {
                return;
            };
            self.known.remove(&key);
        }
    }
}

impl Running<'_> {
    /// Ends it: a repeat hears what this one was refused for, where that is for good.
    pub(crate) fn end(mut self, refused: Option<RefusedPatch>, now: UnixMillis) {
        let Some(refused) = refused.filter(RefusedPatch::is_for_good) else {
            return;
        };
        let Some(key) = self.key.take() else {
            return;
        };
        let mut state = self.requests.state.lock();
        if let Some(known) = state.known.get_mut(&key) {
            known.refused = Some(refused);
            state.refusals.push_back((now, key));
        }
        state.forget_before(0);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.requests.state.lock().known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use dynarust_store::WriteError;

    use super::*;

    fn request(key: &str, fingerprint: u128) -> RequestKey {
        RequestKey { key: key.into(), fingerprint }
    }

    fn refused() -> Option<RefusedPatch> {
        Some(RefusedWrite::Absent { replicas: None }.into())
    }

    #[test]
    fn of_one_key_one_request_runs() {
        let requests = Requests::default();
        let running = requests.begin(Some(&request("a", 1)), 0).unwrap();
        let again = requests.begin(Some(&request("a", 1)), 0).unwrap_err();
        assert_eq!(again, RefusedWrite::InProgress.into());
        let other = requests.begin(Some(&request("a", 2)), 0).unwrap_err();
        assert_eq!(other, RefusedWrite::KeyReused.into());
        requests.begin(Some(&request("b", 1)), 0).unwrap();
        requests.begin(None, 0).unwrap();
        drop(running);
        requests.begin(Some(&request("a", 2)), 0).unwrap();
    }

    #[test]
    fn a_refusal_is_heard_again_for_ten_minutes() {
        let requests = Requests::default();
        requests.begin(Some(&request("a", 1)), 5).unwrap().end(refused(), 5);
        let last = 5 + ANSWERS_KEPT_MILLIS;
        let again = requests.begin(Some(&request("a", 1)), last).unwrap_err();
        assert_eq!(Some(again), refused());
        let other = requests.begin(Some(&request("a", 2)), last).unwrap_err();
        assert_eq!(other, RefusedWrite::KeyReused.into());
        requests.begin(Some(&request("a", 2)), last + 1).unwrap();
    }

    #[test]
    fn what_may_go_better_next_time_is_not_kept() {
        let requests = Requests::default();
        let full = RefusedWrite::Store(WriteError::Full).into();
        requests.begin(Some(&request("a", 1)), 0).unwrap().end(Some(full), 0);
        requests.begin(Some(&request("a", 1)), 0).unwrap();
        assert!(requests.state.lock().known.is_empty());
    }

    #[test]
    fn refusals_are_bounded() {
        let requests = Requests::default();
        for nth in 0..REFUSALS_KEPT_MAX + 10 {
            let request = request(&nth.to_string(), 1);
            requests.begin(Some(&request), 0).unwrap().end(refused(), 0);
        }
        let state = requests.state.lock();
        assert_eq!(
            (state.known.len(), state.refusals.len()),
            (REFUSALS_KEPT_MAX, REFUSALS_KEPT_MAX)
        );
        assert!(!state.known.contains_key("0") && state.known.contains_key("10"));
    }
}
