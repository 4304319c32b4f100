//! Available: while a minority is away, and the others have noticed, those serve every request; and of two nodes the
//! other one serves all that does not ask for a majority. And where all are there no answer says that few stand behind
//! it: that would excuse it from other laws.

use dynarust_core::Consistency;
use dynarust_history::{Action, Circumstances, Guard, History, Nanos, Operation, Outcome};

use crate::faults::{Climate, Fault};
use crate::known::Known;

const SECOND: Nanos = 1_000_000_000;
/// Within so long the others have noticed.
const NOTICED_WITHIN: Nanos = 3 * SECOND;

/// A node was away, and all was well with the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    node: usize,
    from: Nanos,
    until: Nanos,
}

impl Away {
    /// What a fault makes of a node, from one moment to another.
    pub(crate) fn of(climate: Climate, fault: &Fault, from: Nanos, until: Nanos) -> Option<Self> {
        let node = match fault {
            Fault::Kill(node)
            | Fault::Restart(node)
            | Fault::Pause(node)
            | Fault::Isolate(node)
            | Fault::Deaf { node, .. } => *node,
            Fault::PowerCut(nodes) => *nodes.first().filter(|_| nodes.len() == 1)?,
            _ => return None,
        };
        (climate == Climate::Minority).then_some(Self { node, from, until })
    }

    fn others_must_serve(&self, operation: &Operation) -> bool {
        let returned = operation.returned.unwrap_or(Nanos::MAX);
        operation.node as usize != self.node
            && operation.invoked >= self.from + NOTICED_WITHIN
            && returned < self.until
    }
}

/// Of two conditional writes that meet at the owners neither may know whether it stands (`docs/adr/0014`).
fn may_meet_another(action: &Action) -> bool {
    match action {
        Action::Put { guard, .. } | Action::Delete { guard } => *guard != Guard::None,
        Action::Patch { .. } => true,
        Action::Get | Action::Scan => false,
    }
}

/// What is wrong.
pub(crate) fn check(history: &History, aways: &[Away], known: &Known) -> Vec<String> {
    let mut wrong = refused(history, aways, known.nodes);
    let few = history.operations.iter().filter(|operation| {
        let from = operation.invoked.saturating_sub(NOTICED_WITHIN);
        // Who asks for one has one.
        operation.consistency != Consistency::One
            && operation.replicas.is_some()
            && operation.returned.is_some_and(|returned| known.well(from, returned))
    });
    wrong.extend(
        few.map(|operation| {
            format!("available: all are there, and few stand behind {operation:?}")
        }),
    );
    wrong
}

fn refused(history: &History, aways: &[Away], nodes: usize) -> Vec<String> {
    let judged = |operation: &&Operation| nodes > 2 || !operation.is_strict();
    let failed = history.operations.iter().filter(|operation| match &operation.outcome {
        Outcome::Indeterminate => !may_meet_another(&operation.action),
        Outcome::Refused { status, .. } => matches!(status, 0 | 500..),
        _ => false,
    });
    let wrong = failed.filter(judged).filter_map(|operation| {
        let away = aways.iter().find(|away| away.others_must_serve(operation))?;
        Some(format!("available: only node {} was away, and {operation:?}", away.node))
    });
    wrong.collect()
}
