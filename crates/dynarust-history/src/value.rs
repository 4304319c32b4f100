//! Values that say whose they are, and show any mixture of two.
//!
//! A PUT's value carries its write's name many times, from its first member to its last; each PATCH adds
//! its own name to one array, so what was patched how often and in which order can be read off. A value is
//! kept byte for byte, and a patch lets be what it does not reach into; so there is just one text for
//! each content, and all that differs from it was written by nobody.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::operation::WriteId;

/// Whose a value is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    /// The PUT that it comes from.
    pub put: WriteId,
    /// The patches since, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<WriteId>,
}

impl Content {
    /// What a PUT leaves.
    #[must_use]
    pub fn put(id: WriteId) -> Self {
        Self { put: id, patches: Vec::new() }
    }

    /// What it is after a patch.
    #[must_use]
    pub fn patched(&self, id: WriteId) -> Self {
        let patches = self.patches.iter().copied().chain([id]).collect();
        Self { put: self.put, patches }
    }

    /// Reads a value; nothing where it is not just as some writes have made it.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let form: Form = serde_json::from_str(text).ok()?;
        let content = Self { put: form.first, patches: form.patches };
        let words = form.text.split_terminator(' ').count();
        (content.text(words) == text).then_some(content)
    }

    /// Its only text, with so many words of filler.
    #[must_use]
    pub fn text(&self, words: usize) -> String {
        let id = self.put.0;
        let mut text = format!(r#"{{"first":{id},"text":""#);
        for _ in 0..words {
            _ = write!(text, "{id} ");
        }
        text.push_str(r#"","patches":["#);
        for (nth, patch) in self.patches.iter().enumerate() {
            _ = write!(text, "{}{}", if nth == 0 { "" } else { "," }, patch.0);
        }
        _ = write!(text, r#"],"last":{id}}}"#);
        text
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "put {}", self.put.0)?;
        self.patches.iter().try_for_each(|patch| write!(f, " + patch {}", patch.0))
    }
}

/// The members that name the writes.
#[derive(Deserialize)]
struct Form {
    first: WriteId,
    text: String,
    patches: Vec<WriteId>,
}

/// The value of a PUT, with so many words of filler.
#[must_use]
pub fn put_text(id: WriteId, words: usize) -> String {
    Content::put(id).text(words)
}

/// The body of a PATCH (`application/json-patch+json`).
#[must_use]
pub fn patch_text(id: WriteId) -> String {
    format!(r#"[{{"op":"add","path":"/patches/-","value":{}}}]"#, id.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynarust_core::{Patch, PatchForm};

    #[test]
    fn a_value_says_whose_it_is() {
        let put = Content::put(WriteId(7));
        assert_eq!(put.text(2), r#"{"first":7,"text":"7 7 ","patches":[],"last":7}"#);
        let patched = put.patched(WriteId(9)).patched(WriteId(11));
        assert!(patched.text(0).contains(r#""patches":[9,11]"#));
        for content in [put, patched] {
            for words in [0, 1, 40] {
                assert_eq!(Content::of(&content.text(words)), Some(content.clone()));
            }
        }
    }

    #[test]
    fn a_patch_makes_the_text_of_its_content() {
        let before = Content::put(WriteId(7));
        for before in [before.clone(), before.patched(WriteId(8))] {
            let patch = Patch::new(PatchForm::Json, patch_text(WriteId(9))).unwrap();
            let after = patch.apply(&before.text(3), 1 << 20).unwrap();
            assert_eq!(after, before.patched(WriteId(9)).text(3));
        }
    }

    #[test]
    fn mixtures_are_seen() {
        let (one, other) = (put_text(WriteId(7), 2), put_text(WriteId(8), 2));
        assert_eq!(one.len(), other.len());
        for cut in 0..one.len() {
            let mixed = format!("{}{}", &one[..cut], &other[cut..]);
            let whole = mixed == one || mixed == other;
            assert_eq!(Content::of(&mixed).is_some(), whole, "{mixed}");
        }
        for text in ["", "1", "{}", &one[1..], &one.replace(' ', "  "), &format!("{one} ")] {
            assert_eq!(Content::of(text), None, "{text}");
        }
    }
}
