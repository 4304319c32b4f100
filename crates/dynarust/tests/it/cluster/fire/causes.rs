//! What was done to which node and when, and whether a `reset` has its cause in that.
//!
//! An id says which nodes told what its reader has seen. Who resumes it makes sure that it holds that, and has it at
//! once, or within a second, from the node that told it or from another (docs/guarantees.md, Live streams). So a
//! `reset` at a node behind an id has cause only
//!
//! | where | until |
//! | --- | --- |
//! | another node told of it, and was harmed at that moment or within a second after | that one is well again |
//! | another node told of it, and the one that resumes is harmed | the one that resumes is well again |
//! | the state was being told, so that the id leads to `reset` by itself | all of it is told |
//!
//! and never where the node that resumes told all of it itself, be it killed in between. Whoever is harmed otherwise
//! is no cause.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dynarust_core::{NodeId, StreamCursor};

use crate::cluster::nodes::Cluster;

/// By then the others have what one has told; and go on with it, once it is well again.
const SHIPPED_WITHIN: Duration = Duration::from_secs(1);

/// What was done to a node, until all was well again.
#[derive(Debug, Clone, Copy)]
struct Disturbance {
    what: &'static str,
    node: usize,
    from: Instant,
    /// Not yet over where there is none.
    to: Option<Instant>,
}

impl Disturbance {
    /// Whether its node was harmed at some time between the two.
    fn is_within(&self, from: Instant, to: Instant) -> bool {
        self.from <= to && self.to.is_none_or(|end| from <= end + SHIPPED_WITHIN)
    }
}

/// A `reset`, and what was before it.
#[derive(Debug)]
pub(super) struct Reset {
    /// The node that said so, when it was asked for the stream, and when it did.
    pub(super) node: usize,
    pub(super) asked: Instant,
    pub(super) at: Instant,
    /// The last id, and when it came.
    pub(super) behind: Option<(String, Instant)>,
    /// Whether the reader had been told all that was there.
    pub(super) is_whole: bool,
}

/// All that was done so far.
#[derive(Debug)]
pub(super) struct Causes {
    /// By number.
    nodes: Vec<NodeId>,
    disturbances: Mutex<Vec<Disturbance>>,
}

impl Causes {
    /// Of a cluster that is well.
    pub(super) fn new(cluster: &Cluster) -> Causes {
        let membership = cluster.membership(0).unwrap();
        let id = |node| membership["nodes"][cluster.address(node).to_string()]["id"].as_str();
        let id = |node| NodeId(u64::from_str_radix(id(node).unwrap(), 16).unwrap());
        Causes { nodes: cluster.all().map(id).collect(), disturbances: Mutex::default() }
    }

    /// From now on not all is well with this node. Gives the number of what was done.
    pub(super) fn begin(&self, what: &'static str, node: usize) -> usize {
        let mut disturbances = self.disturbances();
        disturbances.push(Disturbance { what, node, from: Instant::now(), to: None });
        disturbances.len() - 1
    }

    /// It is over, and the cluster is one again.
    pub(super) fn end(&self, number: usize) {
        self.disturbances()[number].to = Some(Instant::now());
    }

    /// Whether no node was harmed since then.
    pub(super) fn is_calm_since(&self, from: Instant) -> bool {
        !self.disturbances().iter().any(|it| it.is_within(from, Instant::now()))
    }

    /// What was done so far, and how often.
    pub(super) fn counted(&self) -> BTreeMap<&'static str, u64> {
        let mut counted = BTreeMap::new();
        for it in self.disturbances().iter() {
            *counted.entry(it.what).or_default() += 1;
        }
        counted
    }

    fn disturbances(&self) -> MutexGuard<'_, Vec<Disturbance>> {
        self.disturbances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cause of a reset; or all that is known of it, where it has none.
    pub(super) fn of(&self, reset: &Reset) -> Result<String, String> {
        let cursor = reset.behind.as_ref().and_then(|(id, _)| StreamCursor::decode(id));
        self.cause(reset, cursor.as_ref()).ok_or_else(|| {
            let since = |moment| reset.at.saturating_duration_since(moment);
            let told = reset.behind.as_ref().map(|(_, moment)| since(*moment));
            format!(
                "asked {:?} before, told {told:?} before, behind {cursor:?}, of {:?}: {reset:?}",
                since(reset.asked),
                self.nodes
            )
        })
    }

    fn cause(&self, reset: &Reset, cursor: Option<&StreamCursor>) -> Option<String> {
        if cursor.is_none() && !reset.is_whole {
            return Some("before all was told".to_owned());
        }
        let node = |id| self.nodes.iter().position(|it| *it == id);
        let told_by = cursor.map(|cursor| -> Vec<usize> {
            cursor.told.iter().filter_map(|told| node(told.node)).collect()
        });
        if told_by.iter().any(|told_by| told_by.iter().all(|it| *it == reset.node)) {
            return None;
        }
        // An id that says nothing may be of anybody.
        let has_told = |node| told_by.as_ref().is_none_or(|told_by| told_by.contains(&node));
        let told_at = reset.behind.as_ref().map_or(reset.asked, |(_, at)| *at);
        // What happened before the last event on the same connection did it no harm.
        let since = told_at.max(reset.asked);
        let cause = |it: &Disturbance| {
            let resumes = it.node == reset.node;
            let unshipped = has_told(it.node) && it.is_within(told_at, told_at + SHIPPED_WITHIN);
            let harmed = it.is_within(since, reset.at) && (resumes || unshipped);
            let who = if resumes { "resumes" } else { "told it" };
            harmed.then(|| format!("the node that {who} was {}", it.what))
        };
        self.disturbances().iter().find_map(cause)
    }
}

#[cfg(test)]
mod tests {
    use std::iter::once;

    use dynarust_core::{Claims, Epoch, FeedPosition, Told};

    use super::*;

    fn id_of(told_by: &[usize]) -> String {
        let at =
            |node: &usize| FeedPosition { node: NodeId(*node as u64), epoch: Epoch(1), seq: 9 };
        let told: Told = told_by.iter().map(at).collect();
        let claims = Claims::default();
        let cursor = StreamCursor { claims, told, selection: 1, made: 1, state_through: None };
        cursor.encode().unwrap()
    }

    /// Node 0 is killed from second 10 to 15.
    fn with_a_kill(began: Instant) -> Causes {
        let at = |seconds| began + Duration::from_secs(seconds);
        let kill = Disturbance { what: "killed", node: 0, from: at(10), to: Some(at(15)) };
        let disturbances = Mutex::new(once(kill).collect());
        Causes { nodes: (0..3).map(NodeId).collect(), disturbances }
    }

    /// A reset at a node behind what those have told then.
    fn has_cause(node: usize, told_by: &[usize], told_at: f64, at: f64) -> bool {
        let began = Instant::now();
        let [told_at, at] = [told_at, at].map(|seconds| began + Duration::from_secs_f64(seconds));
        let behind = Some((id_of(told_by), told_at));
        let reset = Reset { node, asked: at, at, behind, is_whole: true };
        with_a_kill(began).of(&reset).is_ok()
    }

    #[test]
    fn what_was_told_a_moment_before_a_kill_may_be_gone_until_its_node_is_back() {
        assert!(has_cause(1, &[0], 9.5, 12.0));
        assert!(has_cause(1, &[0, 1], 9.5, 15.5));
        assert!(!has_cause(1, &[0], 9.5, 17.0), "it is back");
        assert!(!has_cause(1, &[0], 8.0, 12.0), "the others have it");
        assert!(!has_cause(1, &[0], 9.5, 9.9), "nothing has happened yet");
        assert!(!has_cause(2, &[1], 9.5, 12.0), "it has nothing to do with that");
    }

    #[test]
    fn who_was_killed_may_not_have_what_others_told() {
        assert!(has_cause(0, &[1], 14.0, 14.5));
        assert!(!has_cause(0, &[1], 14.0, 17.0), "it is well again");
        assert!(!has_cause(0, &[0], 9.5, 14.5), "what it told itself it has");
    }

    #[test]
    fn an_id_that_leads_to_reset_has_cause_while_the_state_is_told() {
        let began = Instant::now();
        let causes = with_a_kill(began);
        let behind = Some(("0".to_owned(), began));
        let reset =
            |is_whole| Reset { node: 1, asked: began, at: began, behind: behind.clone(), is_whole };
        assert!(causes.of(&reset(false)).is_ok());
        assert!(causes.of(&reset(true)).is_err());
    }
}
