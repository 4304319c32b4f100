//! Patches that would grow, nest or work without end.

use super::{BYTES_MAX, Patch, PatchError, PatchForm, json, merge};
use crate::limits::VALUE_DEPTH_MAX;

fn operations(operation: &str, times: usize) -> String {
    format!("[{}]", vec![operation; times].join(","))
}

fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[test]
fn doubling_ends_early() {
    let too_large = Err(PatchError::TooLarge { bytes_max: BYTES_MAX });
    let double = r#"{"op":"copy","from":"","path":"/-"}"#;
    assert_eq!(json("[1]", &operations(double, 1000)), too_large);
    let double = r#"{"op":"copy","from":"/a","path":"/a/b"},{"op":"copy","from":"/a","path":"/c"},
                    {"op":"move","from":"/c","path":"/a/c"}"#;
    let grown = json(r#"{"a":{}}"#, &operations(double, 1000));
    assert!(grown == too_large || grown == Err(PatchError::TooDeep), "{grown:?}");
}

#[test]
fn a_result_is_as_large_as_a_value_may_be_and_no_larger() {
    let patch = Patch::new(PatchForm::Merge, r#"{"a":"12345"}"#.to_owned()).unwrap();
    assert!(patch.apply("{}", 13).is_ok());
    assert_eq!(patch.apply("{}", 12), Err(PatchError::TooLarge { bytes_max: 12 }));
}

#[test]
fn a_result_nests_as_deep_as_a_value_may_and_no_deeper() {
    let path = "/0".repeat(VALUE_DEPTH_MAX - 1);
    let deepest = nested(VALUE_DEPTH_MAX);
    let at =
        |path: &str, value: &str| format!(r#"[{{"op":"add","path":"{path}/0","value":{value}}}]"#);
    assert!(json(&deepest, &at(&path, "1")).is_ok());
    assert_eq!(json(&deepest, &at(&path, "[]")), Err(PatchError::TooDeep));
    let whole = format!(r#"[{{"op":"add","path":"","value":{deepest}}}]"#);
    assert!(json("1", &whole).is_ok());
    let whole = format!(r#"[{{"op":"add","path":"","value":{}}}]"#, nested(VALUE_DEPTH_MAX + 1));
    assert_eq!(json("1", &whole), Err(PatchError::TooDeep));
    assert!(merge("1", &deepest).is_ok());
    assert_eq!(merge("1", &nested(VALUE_DEPTH_MAX + 1)), Err(PatchError::TooDeep));
}

#[test]
fn chains_of_moves_do_not_nest_without_end() {
    // Each moves a chain as deep as a value may be under the end of the first.
    let chain = nested(VALUE_DEPTH_MAX - 1);
    let value = format!("[{}]", vec![chain.as_str(); 100].join(","));
    let end = "/0".repeat(VALUE_DEPTH_MAX - 2);
    let moves = format!(r#"{{"op":"move","from":"/1","path":"/0{end}/0"}}"#);
    assert_eq!(json(&value, &operations(&moves, 90)), Err(PatchError::TooDeep));
}

#[test]
fn work_is_bounded() {
    // Each operation goes over all of the value.
    let value = format!("[{}0]", "0,".repeat(BYTES_MAX / 2 - 100));
    let shift = r#"{"op":"add","path":"/0","value":0},{"op":"remove","path":"/0"}"#;
    assert!(json(&value, &operations(shift, 10)).is_ok());
    assert_eq!(json(&value, &operations(shift, 10_000)), Err(PatchError::TooCostly));
    let test = r#"{"op":"copy","from":"/1","path":"/0"},{"op":"test","path":"","value":[]}"#;
    assert!(json(&value, &operations(test, 10_000)).is_err());
}

#[test]
fn many_small_operations_are_no_work() {
    let members: Vec<String> = (0..50_000).map(|nth| format!("\"{nth}\":{nth}")).collect();
    let value = format!("{{{}}}", members.join(","));
    let changes: Vec<String> = (0..10_000)
        .map(|nth| format!(r#"{{"op":"replace","path":"/{}","value":-1}}"#, nth * 5))
        .collect();
    let patched = json(&value, &format!("[{}]", changes.join(","))).unwrap();
    assert_eq!(patched.matches(":-1").count(), 10_000);
}

#[test]
fn a_long_name_is_cut_short_in_a_message() {
    let long = "x".repeat(10_000);
    let patches = [
        json("1", &format!(r#"[{{"op":"add","path":"{long}","value":1}}]"#)),
        json("{}", &format!(r#"[{{"op":"remove","path":"/{long}"}}]"#)),
        merge("1", &format!(r#"{{"{long}":1,"{long}":2}}"#)),
    ];
    for refused in patches {
        assert!(refused.unwrap_err().to_string().len() < 300);
    }
}
