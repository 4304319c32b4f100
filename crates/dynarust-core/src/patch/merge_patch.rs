//! Merge patches (RFC 7396): an object shows what changes, and `null` what goes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::document::{Document, Tree};
use super::object::Object;
use super::{PatchError, Work, not_json, shown};
use crate::json_text;

/// # Errors
/// [`PatchError::Invalid`] where members of an object repeat: it would not be clear which is meant.
pub(super) fn check(patch: &str) -> Result<(), PatchError> {
    if !is_object(patch) {
        return Ok(());
    }
    let mut names = BTreeSet::new();
    for (name, value) in json_text::members(patch).map_err(not_json)? {
        if !names.insert(json_text::characters(name).map_err(not_json)?) {
            let reason = format!("the member {} stands twice in the patch", shown(name));
            return Err(PatchError::Invalid(reason.into()));
        }
        check(value)?;
    }
    Ok(())
}

pub(super) fn apply<'a>(document: &mut Document<'a>, patch: &'a str) -> Result<(), PatchError> {
    merge(&mut document.root, patch.trim_ascii(), &mut document.work)
}

/// Recurses as deep as the patch does.
fn merge<'a>(target: &mut Tree<'a>, patch: &'a str, work: &mut Work) -> Result<(), PatchError> {
    if !is_object(patch) {
        *target = Tree::Text(patch);
        return Ok(());
    }
    target.open(work)?;
    if !matches!(target, Tree::Object(_)) {
        *target = Tree::Object(Box::new(Object::default()));
    }
    let Tree::Object(object) = target else { return Ok(()) };
    for (name, value) in json_text::members(patch).map_err(not_json)? {
        let characters = json_text::characters(name).map_err(not_json)?;
        if value == "null" {
            object.remove(&characters);
        } else if let Some(present) = object.get_to_change(&characters) {
            merge(present, value, work)?;
        } else {
            let mut new = Tree::Text("null");
            merge(&mut new, value, work)?;
            object.set(characters, |_| Cow::Borrowed(name), new);
        }
    }
    Ok(())
}

fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}
