//! Whether a history keeps all laws; where it does not, it is kept, with the command that judges it again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dynarust_history::{
    Circumstances, Connection, History, Nanos, Operation, Outcome, Stream, Told, Violation,
    checkers,
};

use super::crowd::{JUDGED, MIXED, STRICT};

const VIOLATIONS_SHOWN: usize = 20;

/// By how much a node's clock may be off, as far as records expire.
const CLOCK_SLACK: Nanos = 2_000_000_000;

/// What holds in all of a scenario, beside what always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promises {
    /// All nodes are alive and connected at each moment: whatever one of them has told the others get.
    All,
    /// A majority is alive and connected at each moment.
    Majority,
    /// At times there is none, or the nodes do not agree on who is there.
    Apart,
    /// A copy has lost something without a trace: until digests are compared it may be read (guarantees.md,
    /// Consistency). In the end nothing is lost.
    Forgetful,
}

/// What may be broken while a copy lacks something and nobody knows. Not `conditions`: what was acknowledged a
/// majority has accepted, and the others of it have it still, and refuse whoever judged by what that copy shows.
const LAWS_OF_READS: [&str; 5] = ["linearizable", "fresh", "monotonic", "set", "no_resurrection"];

impl Promises {
    fn name(self) -> &'static str {
        match self {
            Promises::All => "all",
            Promises::Majority => "majority",
            Promises::Apart => "apart",
            Promises::Forgetful => "forgetful",
        }
    }
}

impl Circumstances for Promises {
    fn fresh(&self, _: &Operation, _: &Operation) -> bool {
        matches!(self, Promises::All | Promises::Majority)
    }

    /// No scenario takes the disks of a majority.
    fn kept(&self, _: &Operation) -> bool {
        true
    }

    fn linearizable(&self, key: &str) -> bool {
        let table = key.split('/').next().unwrap_or_default();
        match self {
            Promises::All | Promises::Majority => table != MIXED,
            Promises::Apart => [STRICT, JUDGED].contains(&table),
            Promises::Forgetful => false,
        }
    }

    fn steady(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    /// Who is killed or comes back is not known to all at the same moment.
    fn agreed(&self, _: &Operation, _: &Operation) -> bool {
        false
    }

    /// Readers come back anywhere. A node that was killed, cut off, or given up may have told what nobody else has yet,
    /// one whose disk is full takes nothing in, and a copy that is dropped tells no more: then `reset` has its cause,
    /// and when it has `cluster::fire` judges, which knows when what was done to whom. Where nothing of that happens
    /// it has none, but that not all of the state was told yet: an id from before that leads to nothing else.
    fn may_reset(&self, stream: &Stream, connection: usize) -> bool {
        *self != Promises::All || !has_told_all(&stream.connections[..connection])
    }

    /// That they are told all in the end is looked at by themselves.
    fn well(&self, _: Nanos, _: Nanos) -> bool {
        false
    }

    fn clock_slack(&self) -> Nanos {
        CLOCK_SLACK
    }
}

/// Whether a reader has the state, after these connections.
fn has_told_all(connections: &[Connection]) -> bool {
    let mut all = false;
    for connection in connections {
        all &= connection.resumed.is_some();
        for event in &connection.events {
            match event.what {
                Told::Ready => all = true,
                Told::Reset => all = false,
                Told::Change { .. } | Told::Lagged | Told::Closing => {}
            }
        }
    }
    all
}

/// Panics where a law is broken.
#[track_caller]
pub(super) fn assert_kept(
    name: &str,
    history: &History,
    promises: Promises,
    faults: &BTreeMap<&'static str, u64>,
) {
    eprintln!("hazard {name}: {}; {faults:?}", summary(history));
    let mut violations = checkers::check(history, &promises);
    violations.extend(weak_answers(history));
    if promises == Promises::Forgetful {
        violations.retain(|it| !LAWS_OF_READS.contains(&it.law));
        violations.extend(checkers::no_resurrection::check(&without_reads(history), &promises));
    }
    if violations.is_empty() {
        return;
    }
    let kept = keep(name, history);
    for violation in violations.iter().take(VIOLATIONS_SHOWN) {
        eprintln!("!! {violation}");
    }
    panic!(
        "{} laws broken in {name}. To judge the history again: DYNARUST_HISTORY={} \
         DYNARUST_PROMISES={} cargo test -p dynarust --test it hazards::verdict::again",
        violations.len(),
        kept.display(),
        promises.name()
    );
}

/// What was written, and what is there in the end.
fn without_reads(history: &History) -> History {
    let mut history = history.clone();
    history.operations.retain(Operation::is_write);
    history
}

/// What asked for a majority of all owners, and was answered by fewer, as the answer itself says.
fn weak_answers(history: &History) -> impl Iterator<Item = Violation> {
    let answered = |it: &&Operation| !it.is_refused() && !it.is_open();
    let weak = |it: &&Operation| it.is_strict() && it.replicas.is_some();
    history.operations.iter().filter(answered).filter(weak).map(|it| Violation {
        law: "a quorum is a majority",
        key: it.key.clone(),
        text: format!("{it:?}"),
    })
}

fn summary(history: &History) -> String {
    let count = |is: fn(&Operation) -> bool| history.operations.iter().filter(|it| is(it)).count();
    let connections = history.streams.iter().flat_map(|stream| &stream.connections);
    let (mut cuts, mut events) = (0, 0);
    for connection in connections {
        (cuts, events) = (cuts + 1, events + connection.events.len());
    }
    format!(
        "{} operations ({} acknowledged, {} read, {} listed, {} refused, {} unknown), {events} events \
         over {cuts} connections",
        history.operations.len(),
        count(|it| it.acknowledged().is_some()),
        count(|it| matches!(it.outcome, Outcome::Read(_))),
        count(|it| matches!(it.outcome, Outcome::Listed(_))),
        count(Operation::is_refused),
        count(Operation::is_open),
    )
}

fn keep(name: &str, history: &History) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hazards");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}-{}.jsonl", name.replace(' ', "-"), std::process::id()));
    std::fs::write(&path, history.to_lines()).unwrap();
    path
}

/// Judges a history that was kept, where one is named.
#[test]
fn again() {
    let Ok(path) = std::env::var("DYNARUST_HISTORY") else { return };
    let promises = match std::env::var("DYNARUST_PROMISES").as_deref() {
        Ok("all") => Promises::All,
        Ok("majority") => Promises::Majority,
        Ok("apart") => Promises::Apart,
        Ok("forgetful") => Promises::Forgetful,
        other => panic!("DYNARUST_PROMISES is {other:?}, none of all, majority, apart, forgetful"),
    };
    let history = History::of_lines(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_kept("again", &history, promises, &BTreeMap::new());
}
