//! Available: while a minority is away, and the others have noticed, those serve every request.

use dynarust_history::{Action, Guard, History, Nanos, Operation, Outcome};

use crate::faults::{Climate, Fault};

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
pub(crate) fn check(history: &History, aways: &[Away]) -> Vec<String> {
    let failed = history.operations.iter().filter(|operation| match &operation.outcome {
        Outcome::Indeterminate => !may_meet_another(&operation.action),
        Outcome::Refused { status, .. } => matches!(status, 0 | 500..),
        _ => false,
    });
    let wrong = failed.filter_map(|operation| {
        let away = aways.iter().find(|away| away.others_must_serve(operation))?;
        Some(format!("available: only node {} was away, and {operation:?}", away.node))
    });
    wrong.collect()
}
