//! What a patch does not touch keeps its text; what it means for members that repeat.

use super::{PatchError, json, merge};

#[track_caller]
fn is(patched: Result<String, PatchError>, expected: &str) {
    assert_eq!(patched.as_deref(), Ok(expected));
}

#[test]
fn what_is_not_reached_keeps_its_text() {
    let value = r#"{"z": 1.50e+1, "\u0061": [1, 2 ,{ "x":"\ud800\/" }],"n":123456789012345678901234567890}"#;
    let expected = r#"{"z":1.50e+1,"\u0061":[1, 2 ,{ "x":"\ud800\/" }],"n":7}"#;
    is(merge(value, r#"{"n": 7}"#), expected);
    is(json(value, r#"[{"op":"replace","path":"/n","value":7}]"#), expected);
    let opened = r#"{"z":1.50e+1,"\u0061":[1,true,2,{ "x":"\ud800\/" }],"n":123456789012345678901234567890}"#;
    is(json(value, r#"[{"op":"add","path":"/a/1","value":true}]"#), opened);
}

#[test]
fn members_keep_their_order_and_new_ones_come_last() {
    is(
        merge(r#"{"b":1,"a":2,"c":3}"#, r#"{"d":4,"a":{"x":1},"b":null}"#),
        r#"{"a":{"x":1},"c":3,"d":4}"#,
    );
    is(
        json(
            r#"{"b":1,"a":2}"#,
            r#"[{"op":"add","path":"/b","value":9},{"op":"move","from":"/a","path":"/c"}]"#,
        ),
        r#"{"b":9,"c":2}"#,
    );
}

#[test]
fn names_are_those_of_the_patch() {
    is(merge("{}", r#"{"\u0061\ud800":1}"#), r#"{"\u0061\ud800":1}"#);
    is(
        json("{}", r#"[{"op":"add","path":"/\u0061\ud800\n~1~0","value":1}]"#),
        r#"{"a\ud800\n/~":1}"#,
    );
    is(json(r#"{"\ud800":1}"#, r#"[{"op":"remove","path":"/\uD800"}]"#), "{}");
}

#[test]
fn of_members_that_repeat_the_last_counts() {
    let value = r#"{"a":1,"b":0,"a":{"x":1},"b":2}"#;
    // Where none of that name changes, all stay.
    is(merge(value, r#"{"c":3}"#), r#"{"a":1,"b":0,"a":{"x":1},"b":2,"c":3}"#);
    is(json(value, r#"[{"op":"test","path":"/a/x","value":1}]"#), value);
    is(merge(value, r#"{"a":null}"#), r#"{"b":0,"b":2}"#);
    is(merge(value, r#"{"a":{"y":2}}"#), r#"{"b":0,"a":{"x":1,"y":2},"b":2}"#);
    is(
        json(value, r#"[{"op":"replace","path":"/a/x","value":2}]"#),
        r#"{"b":0,"a":{"x":2},"b":2}"#,
    );
    is(json(value, r#"[{"op":"add","path":"/b","value":3}]"#), r#"{"a":1,"a":{"x":1},"b":3}"#);
    is(json(value, r#"[{"op":"move","from":"/b","path":"/c"}]"#), r#"{"a":1,"a":{"x":1},"c":2}"#);
}

#[test]
fn a_merge_patch_of_a_repeated_member_is_refused() {
    for patch in [r#"{"a":1,"\u0061":2}"#, r#"{"x":{"a":1,"a":null}}"#] {
        assert!(matches!(merge("{}", patch), Err(PatchError::Invalid(_))), "{patch}");
    }
    is(merge("{}", r#"{"x":[{"a":1,"a":2}]}"#), r#"{"x":[{"a":1,"a":2}]}"#);
}

#[test]
fn whole_values_are_replaced() {
    is(merge("[1]", "null"), "null");
    is(merge("[1]", " [ 1.0 ] "), "[ 1.0 ]");
    is(merge("1", r#"{"a":{"b":null}}"#), r#"{"a":{}}"#);
    is(json("[1]", r#"[{"op":"replace","path":"","value":2}]"#), "2");
    is(json("[1,2]", r#"[{"op":"move","from":"/1","path":""}]"#), "2");
    is(json("[1]", r#"[{"op":"copy","from":"","path":"/-"}]"#), "[1,[1]]");
    is(json("[1]", "[]"), "[1]");
}

#[test]
fn a_patch_that_fails_says_at_which_operation() {
    let cases = [
        (0, r#"[{"op":"test","path":"/a","value":"1"}]"#),
        (1, r#"[{"op":"add","path":"/x","value":1},{"op":"remove","path":"/y"}]"#),
        (0, r#"[{"op":"add","path":"/l/3","value":1}]"#),
        (0, r#"[{"op":"replace","path":"/l/-","value":1}]"#),
        (0, r#"[{"op":"remove","path":"/l/01"}]"#),
        (0, r#"[{"op":"add","path":"/a/b","value":1}]"#),
        (0, r#"[{"op":"copy","from":"/y","path":"/z"}]"#),
        (0, r#"[{"op":"move","from":"/y","path":"/y"}]"#),
    ];
    for (nth, patch) in cases {
        let failed = json(r#"{"a":1,"l":[0,1]}"#, patch);
        assert!(
            matches!(failed, Err(PatchError::Failed { operation, .. }) if operation == nth),
            "{patch}"
        );
    }
}

#[test]
fn what_is_no_patch_is_refused_whatever_the_value() {
    let cases = [
        "{}",
        "1",
        "[1]",
        "[[]]",
        r#"[{}]"#,
        r#"[{"op":"remove","path":""}]"#,
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"add","path":"a","value":1}]"#,
        r#"[{"op":"add","path":"/~2","value":1}]"#,
        r#"[{"op":"add","path":1,"value":1}]"#,
        r#"[{"op":"add","op":"add","path":"/a","value":1}]"#,
        r#"[{"op":"ADD","path":"/a","value":1}]"#,
        r#"[{"op":"move","path":"/a"}]"#,
        r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
        r#"[{"op":"move","from":"","path":"/a"}]"#,
    ];
    for patch in cases {
        assert!(matches!(json("null", patch), Err(PatchError::Invalid(_))), "{patch}");
    }
}
