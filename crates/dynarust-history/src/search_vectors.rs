//! Histories of a register whose verdicts are known (DYNARUST_VECTORS/histories): the search tells those
//! that are linearizable from those that are not.
//!
//! They are jepsen's: `ok` took effect, `fail` did not, `info` may have, at any time to come; a call without
//! an end is as `info`. The register begins with nothing (`null`). A read whose answer is `null` in a
//! history's data tells nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::operation::Nanos;
use crate::search::{Model, Step, Verdict, search};

const CONFIGURATIONS_MAX: usize = 1_000_000;

fn vectors() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("DYNARUST_VECTORS") {
        return Some(PathBuf::from(folder).join("histories"));
    }
    let in_ci = std::env::var_os("CI").is_some_and(|it| it == "true");
    assert!(!in_ci, "DYNARUST_VECTORS is not set");
    eprintln!("skipped: DYNARUST_VECTORS is not set");
    None
}

#[derive(Deserialize)]
struct Line {
    process: u64,
    r#type: String,
    f: String,
    value: Value,
}

enum Asked {
    Read(Option<i64>),
    Write(i64),
    Swap(i64, i64),
}

struct Register;

impl Model for Register {
    type State = Option<i64>;
    type Action = Asked;

    fn step(&self, held: &Option<i64>, asked: &Asked) -> Option<Option<i64>> {
        match *asked {
            Asked::Read(None) => Some(*held),
            Asked::Read(Some(seen)) => (*held == Some(seen)).then_some(*held),
            Asked::Write(value) => Some(Some(value)),
            Asked::Swap(from, to) => (*held == Some(from)).then_some(Some(to)),
        }
    }
}

fn asked(line: &Line) -> Asked {
    match line.f.as_str() {
        "read" => Asked::Read(line.value.as_i64()),
        "write" => Asked::Write(line.value.as_i64().unwrap()),
        "cas" => {
            let (from, to) = serde_json::from_value(line.value.clone()).unwrap();
            Asked::Swap(from, to)
        }
        other => panic!("{other}"),
    }
}

fn steps(path: &Path) -> Vec<Step<Asked>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut open: BTreeMap<u64, (Nanos, Line)> = BTreeMap::new();
    let mut steps = Vec::new();
    for (line, at) in text.lines().zip(1..) {
        let line: Line = serde_json::from_str(line).unwrap();
        if line.r#type == "invoke" {
            assert!(open.insert(line.process, (at, line)).is_none());
            continue;
        }
        let (began, call) = open.remove(&line.process).unwrap();
        assert_eq!(call.f, line.f);
        match line.r#type.as_str() {
            "ok" => {
                steps.push(Step { action: asked(&line), began, ended: Some(at), certain: true })
            }
            "info" => _ = open.insert(line.process + 1_000_000 * at, (began, call)),
            "fail" => {}
            other => panic!("{other}"),
        }
    }
    let left = open.into_values().filter(|(_, call)| call.f != "read");
    steps.extend(left.map(|(began, call)| Step {
        action: asked(&call),
        began,
        ended: None,
        certain: false,
    }));
    steps
}

fn verdicts(folder: &Path) -> BTreeMap<String, Verdict> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let judge = |path: PathBuf| {
        let verdict = search(&Register, None, &steps(&path), CONFIGURATIONS_MAX);
        (path.file_name().unwrap().to_str().unwrap().to_owned(), verdict)
    };
    files.map(judge).collect()
}

#[test]
fn good_histories_are_told_from_bad_ones() {
    let Some(folder) = vectors() else { return };
    let (good, bad) = (verdicts(&folder.join("good")), verdicts(&folder.join("bad")));
    assert_eq!((good.len(), bad.len()), (113, 7));
    for (name, verdict) in good {
        assert_eq!(verdict, Verdict::Linearizable, "{name}");
    }
    for (name, verdict) in bad {
        assert!(matches!(verdict, Verdict::Not { .. }), "{name}: {verdict:?}");
    }
}
