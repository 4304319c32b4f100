//! Patches: a value, changed in part (API.md section 2).
//!
//! ```text
//! text ─▶ Patch (looked at once) ─▶ apply: value ─▶ Document ─▶ merge_patch or json_patch ─▶ text
//! ```
//!
//! | file | what it holds |
//! | --- | --- |
//! | `document` | a value that is taken apart only where a patch reaches into it |
//! | `object` | the members of an object that was |
//! | `merge_patch` | RFC 7396 |
//! | `json_patch` | RFC 6902; `pointer`: RFC 6901 |
//! | `equal` | when two values are the same, for `test` |
//!
//! Invariants:
//! - what a patch does not reach into keeps its text: numbers, escapes, white space, the order of
//!   members and members that repeat;
//! - a patch is applied whole or not at all;
//! - the work and the memory of one patch are bounded by the limits of a value, whatever it says.
//!
//! Of members with the same name the last one counts. Where a patch changes it, or something inside,
//! the others of that name go: they would come to light for readers that take the first.

mod document;
mod equal;
mod json_patch;
mod merge_patch;
mod object;
mod pointer;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::json_text;
use crate::limits::{PATCH_PASSES_MAX, VALUE_DEPTH_MAX};
use document::Document;

/// What a JSON patch has around its values: the array, and an operation.
const OPERATIONS_DEPTH: usize = 2;

/// How much of a patch's text a message shows.
const SHOWN_CHARS_MAX: usize = 100;

/// The two kinds of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchForm {
    /// `application/merge-patch+json` (RFC 7396).
    Merge,
    /// `application/json-patch+json` (RFC 6902).
    Json,
}

/// A patch that may be applied to any value, any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    form: PatchForm,
    text: String,
}

/// Why there is no patched value. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is no patch of its form, whatever the value: send another.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// It does not fit this value: read the value again, then decide anew.
    #[error("operation {operation}: {reason}")]
    Failed {
        /// Which operation, counted from 0.
        operation: usize,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
    /// The patched value would nest too deep.
    #[error("the patched value would nest deeper than {VALUE_DEPTH_MAX} arrays and objects")]
    TooDeep,
    /// The patched value, or what the patch copies, is larger than a value may be.
    #[error("the patched value would have more than {bytes_max} bytes of JSON text")]
    TooLarge {
        /// The largest value.
        bytes_max: usize,
    },
    /// It goes over the value too often.
    #[error("the patch takes too much work: split it, or PUT the whole value")]
    TooCostly,
}

impl Patch {
    /// Takes `text`, which is valid JSON, for a patch.
    ///
    /// # Errors
    /// [`PatchError::Invalid`] or [`PatchError::TooDeep`], where it is none whatever the value.
    pub fn new(form: PatchForm, text: String) -> Result<Self, PatchError> {
        let depth_max = match form {
            PatchForm::Merge => VALUE_DEPTH_MAX,
            PatchForm::Json => VALUE_DEPTH_MAX + OPERATIONS_DEPTH,
        };
        if json_text::depth(&text) > depth_max {
            return Err(PatchError::TooDeep);
        }
        match form {
            PatchForm::Merge => merge_patch::check(&text)?,
            PatchForm::Json => json_patch::check(&text)?,
        }
        Ok(Self { form, text })
    }

    /// The patch's text, as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it makes of `value`, which is a stored value's text.
    ///
    /// # Errors
    /// [`PatchError`]; the first operation that cannot be done ends it.
    pub fn apply(&self, value: &str, bytes_max: usize) -> Result<String, PatchError> {
        let mut document = Document::new(value, Work::of(bytes_max));
        match self.form {
            PatchForm::Merge => merge_patch::apply(&mut document, &self.text)?,
            PatchForm::Json => json_patch::apply(&mut document, &self.text)?,
        }
        let text = document.print();
        if text.len() > bytes_max {
            return Err(PatchError::TooLarge { bytes_max });
        }
        Ok(text)
    }
}

/// What a patch may still cost, in bytes that are looked at, compared, moved or copied.
struct Work {
    bytes_max: usize,
    left: usize,
    copies_left: usize,
}

impl Work {
    fn of(bytes_max: usize) -> Self {
        let left = bytes_max.saturating_mul(PATCH_PASSES_MAX);
        Self { bytes_max, left, copies_left: bytes_max }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), PatchError> {
        self.left = self.left.checked_sub(bytes).ok_or(PatchError::TooCostly)?;
        Ok(())
    }

    /// Copies together are no larger than a value, so that a patch that doubles and doubles ends early.
    fn copy(&mut self, bytes: usize) -> Result<(), PatchError> {
        let too_large = PatchError::TooLarge { bytes_max: self.bytes_max };
        self.copies_left = self.copies_left.checked_sub(bytes).ok_or(too_large)?;
        self.spend(bytes)
    }
}

/// Text of a patch, cut short for a message to people.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

/// Text that was found to be JSON and is none: a bug, or a value that rotted.
fn not_json(error: serde_json::Error) -> PatchError {
    PatchError::Invalid(format!("there is no JSON where some is expected: {error}").into())
}
