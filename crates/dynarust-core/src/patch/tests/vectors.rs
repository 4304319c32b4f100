//! The public cases (DYNARUST_VECTORS): RFC 7396's appendix, and json-patch-tests with the examples of
//! RFC 6902.

use std::path::PathBuf;

use serde_json::Value;

use super::super::Work;
use super::super::equal::equal;
use super::{BYTES_MAX, PatchError, json, merge};
use crate::json_text::{characters, elements, members};

#[expect(clippy::disallowed_methods, reason = "where the vectors are is told by the environment")]
fn vectors(file: &str) -> Option<String> {
    if let Ok(folder) = std::env::var("DYNARUST_VECTORS") {
        return Some(std::fs::read_to_string(PathBuf::from(folder).join(file)).unwrap());
    }
    let in_ci = std::env::var("CI").is_ok_and(|it| it == "true");
    assert!(!in_ci, "DYNARUST_VECTORS is not set");
    eprintln!("skipped: DYNARUST_VECTORS is not set");
    None
}

fn same(a: &str, b: &str) -> bool {
    let serde: [Value; 2] = [a, b].map(|text| serde_json::from_str(text).unwrap());
    let ours = equal(a, b, &mut Work::of(BYTES_MAX)).unwrap();
    assert!(!(serde[0] == serde[1]) || ours, "{a} {b}");
    ours
}

#[test]
fn the_merge_patches_of_rfc_7396() {
    let Some(cases) = vectors("rfc7396.json") else { return };
    let cases = elements(&cases).unwrap();
    for case in &cases {
        let [original, patch, result] = *elements(case).unwrap() else { panic!("{case}") };
        let patched = merge(original, patch).unwrap();
        assert!(same(&patched, result), "{case}: {patched}");
    }
    assert_eq!(cases.len(), 15);
}

#[test]
fn the_json_patches_of_json_patch_tests() {
    for (file, enabled) in [("tests.json", 92), ("spec_tests.json", 16)] {
        let Some(cases) = vectors(&format!("json-patch/{file}")) else { return };
        let ran = elements(&cases).unwrap().into_iter().filter(|case| runs(case)).count();
        assert_eq!(ran, enabled, "{file}");
    }
}

/// Runs a case, unless it is disabled.
fn runs(case: &str) -> bool {
    let members = members(case).unwrap();
    let member = |name: &str| {
        let mut found =
            members.iter().filter(|(it, _)| *characters(it).unwrap() == *name.as_bytes());
        found.next().map(|(_, value)| *value)
    };
    if member("disabled").is_some() {
        return false;
    }
    let patched = json(member("doc").unwrap(), member("patch").unwrap());
    match (patched, member("expected"), member("error")) {
        (Ok(patched), Some(expected), None) => {
            assert!(same(&patched, expected), "{case}: {patched}")
        }
        // A case without either asks for no more than that it works.
        (Ok(_), None, None) => {}
        (Err(PatchError::Invalid(_) | PatchError::Failed { .. }), None, Some(_)) => {}
        (patched, ..) => panic!("{case}: {patched:?}"),
    }
    true
}
