//! A value on its way through a patch: text, but for the arrays and objects that were opened.

use super::object::Object;
use super::{PatchError, Work, not_json};
use crate::json_text;

/// The whole value.
pub(super) struct Document<'a> {
    pub(super) root: Tree<'a>,
    pub(super) work: Work,
}

/// A value, or a part of one.
#[derive(Clone)]
pub(super) enum Tree<'a> {
    /// Nothing has reached into it: its text.
    Text(&'a str),
    /// An array that was opened.
    Array(Vec<Tree<'a>>),
    /// An object that was opened.
    Object(Box<Object<'a>>),
}

impl<'a> Document<'a> {
    pub(super) fn new(value: &'a str, work: Work) -> Self {
        Self { root: Tree::Text(value.trim_ascii()), work }
    }

    pub(super) fn print(&self) -> String {
        let mut text = String::new();
        self.root.print(&mut text);
        text
    }
}

impl<'a> Tree<'a> {
    /// Afterwards an array or an object is no text.
    pub(super) fn open(&mut self, work: &mut Work) -> Result<(), PatchError> {
        let Self::Text(text) = *self else { return Ok(()) };
        match text.as_bytes().first() {
            Some(b'[') => {
                work.spend(text.len())?;
                let elements = json_text::elements(text).map_err(not_json)?;
                *self = Self::Array(elements.into_iter().map(Self::Text).collect());
            }
            Some(b'{') => {
                work.spend(text.len())?;
                *self = Self::Object(Box::new(Object::read(text)?));
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends its text. Recurses as deep as it was opened, which the limit of depth bounds.
    pub(super) fn print(&self, text: &mut String) {
        match self {
            Self::Text(part) => text.push_str(part),
            Self::Array(elements) => {
                text.push('[');
                for (nth, element) in elements.iter().enumerate() {
                    if nth > 0 {
                        text.push(',');
                    }
                    element.print(text);
                }
                text.push(']');
            }
            Self::Object(object) => object.print(text),
        }
    }

    /// The bytes of its text.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Array(elements) => {
                let inside: usize = elements.iter().map(Self::bytes).sum();
                2 + inside + elements.len().saturating_sub(1)
            }
            Self::Object(object) => object.bytes(),
        }
    }

    /// The arrays and objects inside each other.
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Text(text) => json_text::depth(text),
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(object) => 1 + object.depth(),
        }
    }
}
