//! Patches, of both forms, against values that the front door lets in:
//! - the outcome is valid JSON within limits, or a refusal that is documented;
//! - it is what the crate `json-patch` makes of both, where that one can tell;
//! - what the patch does not reach into keeps its text and its place.

use serde_json::Value;

use crate::json_text;
use crate::limits::VALUE_DEPTH_MAX;
use crate::{Patch, PatchError, PatchForm};

/// The most that a value may have here.
const BYTES_MAX: usize = 4096;

/// `m` or `j` for the form; the value; a zero byte; the patch.
pub fn patch(bytes: &[u8]) {
    let Some((form, rest)) = std::str::from_utf8(bytes).ok().and_then(|it| it.split_at_checked(1))
    else {
        return;
    };
    let (Some((value, patch)), Some(form)) = (rest.split_once('\0'), form_of(form)) else {
        return;
    };
    if value.len() > BYTES_MAX || !is_sound(value) {
        return;
    }
    let Ok(read) = Patch::new(form, patch.to_owned()) else {
        return;
    };
    if !is_json(patch) {
        // Nobody hands over such: it must not panic, no more.
        drop(read.apply(value, BYTES_MAX));
        return;
    }
    let outcome = read.apply(value, BYTES_MAX);
    assert_eq!(outcome, read.apply(value, BYTES_MAX), "twice the same is not the same");
    agrees(form, value, patch, &outcome);
    match outcome {
        Ok(patched) => {
            assert!(patched.len() <= BYTES_MAX && is_sound(&patched), "{patched}");
            keeps(value, &patched, &reached(form, patch));
        }
        Err(PatchError::Invalid(reason)) => panic!("{reason}, but it was taken as a patch"),
        Err(error) => assert!(error.to_string().len() < 1000),
    }
}

fn form_of(text: &str) -> Option<PatchForm> {
    match text {
        "m" => Some(PatchForm::Merge),
        "j" => Some(PatchForm::Json),
        _ => None,
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_sound(text: &str) -> bool {
    is_json(text) && json_text::depth(text) <= VALUE_DEPTH_MAX
}

/// With the other implementation, over what means the same to both.
fn agrees(form: PatchForm, value: &str, patch: &str, outcome: &Result<String, PatchError>) {
    let (Some(mut expected), Some(patch)) = (plain(value), plain(patch)) else {
        return;
    };
    let worked = match form {
        PatchForm::Merge => {
            json_patch::merge(&mut expected, &patch);
            true
        }
        PatchForm::Json if is_left_open(&patch) => return,
        PatchForm::Json => {
            let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
            // The other one panics where it cannot undo.
            json_patch::patch_unsafe(&mut expected, &patch).is_ok()
        }
    };
    match outcome {
        Ok(patched) => {
            assert!(worked, "the other one fails: {patched}");
            assert_eq!(serde_json::from_str::<Value>(patched).unwrap(), expected);
        }
        Err(PatchError::TooLarge { .. } | PatchError::TooDeep | PatchError::TooCostly) => {}
        Err(error) => assert!(!worked, "{error}, and the other one makes {expected}"),
    }
}

/// The value, where its text can mean one thing only: no member stands twice, and numbers are short.
fn plain(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (members_in(text) == members_of(&value) && numbers_are_short(text)).then_some(value)
}

/// Bytes outside strings.
fn outside_strings(text: &str) -> impl Iterator<Item = u8> {
    let (mut inside, mut escaped) = (false, false);
    text.bytes().filter(move |byte| {
        let was_inside = inside;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        !was_inside
    })
}

fn members_in(text: &str) -> usize {
    outside_strings(text).filter(|byte| *byte == b':').count()
}

fn members_of(value: &Value) -> usize {
    match value {
        Value::Array(elements) => elements.iter().map(members_of).sum(),
        Value::Object(members) => members.len() + members.values().map(members_of).sum::<usize>(),
        _ => 0,
    }
}

/// Numbers that are integers, and the same in any type; -0 is not.
fn numbers_are_short(text: &str) -> bool {
    let bytes: Vec<u8> = outside_strings(text).collect();
    let numbers = bytes.split(|byte| !(byte.is_ascii_alphanumeric() || b".+-".contains(byte)));
    numbers
        .filter(|token| token.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit()))
        .all(|token| {
            token.len() <= 15 && token != b"-0" && !token.iter().any(|it| b".eE".contains(it))
        })
}

/// Of what the RFC leaves open: the whole value cannot be removed here, and what is moved to where it is
/// stays.
fn is_left_open(patch: &Value) -> bool {
    let text =
        |operation: &Value, name: &str| operation[name].as_str().unwrap_or("none").to_owned();
    let open = |operation: &Value| match &*text(operation, "op") {
        "remove" => text(operation, "path").is_empty(),
        "move" => text(operation, "path") == text(operation, "from"),
        _ => false,
    };
    patch.as_array().is_none_or(|operations| operations.iter().any(open))
}

/// The members of the outermost object that the patch may change; none where it may change all.
fn reached(form: PatchForm, patch: &str) -> Option<Vec<Vec<u8>>> {
    let characters = |text: &str| json_text::characters(text).unwrap().into_owned();
    if form == PatchForm::Merge {
        let members = json_text::members(patch).ok()?;
        return Some(members.into_iter().map(|(name, _)| characters(name)).collect());
    }
    let mut names = Vec::new();
    for operation in json_text::elements(patch).ok()? {
        for (name, text) in json_text::members(operation).ok()? {
            if ["path", "from"].iter().any(|it| characters(name) == it.as_bytes()) {
                names.push(first_name(&characters(text))?);
            }
        }
    }
    Some(names)
}

/// The first name of a JSON pointer; none where it points at the whole.
fn first_name(pointer: &[u8]) -> Option<Vec<u8>> {
    let (_, names) = pointer.split_first()?;
    let first = names.split(|byte| *byte == b'/').next()?;
    let mut name = Vec::new();
    let mut bytes = first.iter();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'~' if bytes.next() == Some(&b'0') => b'~',
            b'~' => b'/',
            other => *other,
        });
    }
    Some(name)
}

/// All other members have their text, in their order.
fn keeps(value: &str, patched: &str, reached: &Option<Vec<Vec<u8>>>) {
    let (Some(reached), Ok(before)) = (reached, json_text::members(value)) else {
        return;
    };
    let is_kept = |(name, _): &(&str, &str)| {
        let name = json_text::characters(name).unwrap();
        !reached.iter().any(|it| *it == *name)
    };
    let kept = |members: Vec<_>| members.into_iter().filter(is_kept).collect::<Vec<_>>();
    let after = json_text::members(patched).unwrap();
    assert_eq!(kept(after), kept(before));
}
