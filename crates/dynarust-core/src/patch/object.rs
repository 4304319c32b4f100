//! The members of an object: in their order, found by the characters of their names.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::document::Tree;
use super::{PatchError, not_json};
use crate::json_text;

/// Invariant: `last` holds the place of the last member of each name, and nothing else; from there
/// `earlier` leads to the others of that name.
#[derive(Clone, Default)]
pub(super) struct Object<'a> {
    /// `None` where one was taken out.
    members: Vec<Option<Member<'a>>>,
    last: BTreeMap<Cow<'a, [u8]>, usize>,
}

#[derive(Clone)]
struct Member<'a> {
    /// The name's JSON text, with its quotes.
    name: Cow<'a, str>,
    value: Tree<'a>,
    /// The place of the member of the same name before this one.
    earlier: Option<usize>,
}

impl<'a> Object<'a> {
    /// Opens the object that `text` is.
    pub(super) fn read(text: &'a str) -> Result<Self, PatchError> {
        let mut object = Self::default();
        for (name, value) in json_text::members(text).map_err(not_json)? {
            let place = object.members.len();
            let characters = json_text::characters(name).map_err(not_json)?;
            let earlier = object.last.insert(characters, place);
            let value = Tree::Text(value);
            object.members.push(Some(Member { name: Cow::Borrowed(name), value, earlier }));
        }
        Ok(object)
    }

    /// The value of a name, to be looked at.
    pub(super) fn get(&mut self, name: &[u8]) -> Option<&mut Tree<'a>> {
        let place = *self.last.get(name)?;
        let member = self.members.get_mut(place)?.as_mut()?;
        Some(&mut member.value)
    }

    /// The value of a name, to be changed.
    pub(super) fn get_to_change(&mut self, name: &[u8]) -> Option<&mut Tree<'a>> {
        let place = *self.last.get(name)?;
        let member = self.members.get_mut(place)?.as_mut()?;
        let earlier = member.earlier.take();
        self.take_out(earlier);
        self.get(name)
    }

    /// Gives the name this value: where it stands, or behind all others. `text` makes the name's text
    /// where it is new.
    pub(super) fn set(
        &mut self,
        name: Cow<'a, [u8]>,
        text: impl FnOnce(&[u8]) -> Cow<'a, str>,
        value: Tree<'a>,
    ) {
        if let Some(present) = self.get_to_change(&name) {
            *present = value;
            return;
        }
        let member = Member { name: text(&name), value, earlier: None };
        self.last.insert(name, self.members.len());
        self.members.push(Some(member));
    }

    /// Takes the name out, however often it stands; its value.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Tree<'a>> {
        let place = self.last.remove(name)?;
        let member = self.members.get_mut(place)?.take()?;
        self.take_out(member.earlier);
        Some(member.value)
    }

    /// Takes out the member at this place, and those of its name before it.
    fn take_out(&mut self, mut place: Option<usize>) {
        while let Some(member) = place.and_then(|place| self.members.get_mut(place)?.take()) {
            place = member.earlier;
        }
    }

    pub(super) fn print(&self, text: &mut String) {
        text.push('{');
        for (nth, member) in self.members.iter().flatten().enumerate() {
            if nth > 0 {
                text.push(',');
            }
            text.push_str(&member.name);
            text.push(':');
            member.value.print(text);
        }
        text.push('}');
    }

    pub(super) fn bytes(&self) -> usize {
        let members = self.members.iter().flatten();
        let inside: usize =
            members.clone().map(|member| member.name.len() + 1 + member.value.bytes()).sum();
        2 + inside + members.count().saturating_sub(1)
    }

    /// The arrays and objects inside each other, below this one.
    pub(super) fn depth(&self) -> usize {
        let members = self.members.iter().flatten();
        members.map(|member| member.value.depth()).max().unwrap_or(0)
    }
}
