//! What one key would do if one client used it.

use dynarust_core::Version;

use crate::operation::{Guard, WriteId};
use crate::search::Model;
use crate::value::Content;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Held {
    /// Nothing where the write's version was never told.
    pub(super) version: Option<Version>,
    pub(super) content: Option<Content>,
}

/// What is asked of it, with what was told.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) what: What,
    pub(super) guard: Guard,
    /// The write's, or the one that was read; nothing where nobody knows it.
    pub(super) version: Option<Version>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Put(WriteId),
    Patch(WriteId),
    Delete,
    /// The record of this PUT is over.
    Expire(WriteId),
    Read(Option<Content>),
    /// The condition does not hold.
    Miss,
}

pub(super) struct Register;

impl Model for Register {
    type State = Held;
    type Action = Asked;

    fn step(&self, held: &Held, asked: &Asked) -> Option<Held> {
        let content = match &asked.what {
            What::Read(content) => return held.shows(content.as_ref(), asked.version),
            What::Miss => return may_miss(asked.guard, held).then(|| held.clone()),
            What::Expire(id) => {
                let own = held.content.as_ref() == Some(&Content::put(*id));
                return own.then_some(Held { version: held.version, content: None });
            }
            What::Put(id) => Some(Content::put(*id)),
            What::Patch(id) => Some(held.content.as_ref()?.patched(*id)),
            // Two at a time, where nodes do not agree on who coordinates, may both have found something.
            What::Delete => None,
        };
        let rises = asked.version.is_none() || asked.version > held.version;
        let goes_on = rises && may_hold(asked.guard, held);
        goes_on.then_some(Held { version: asked.version, content })
    }
}

impl Held {
    /// What it is known to hold after it was seen like this, if it can have been.
    fn shows(&self, content: Option<&Content>, version: Option<Version>) -> Option<Held> {
        let same_version = self.version.is_none() || version.is_none() || self.version == version;
        let same = same_version && self.content.as_ref() == content;
        same.then(|| Held { version: self.version.or(version), content: self.content.clone() })
    }
}

fn may_hold(guard: Guard, held: &Held) -> bool {
    match guard {
        Guard::None => true,
        Guard::Exists => held.content.is_some(),
        Guard::Absent => held.content.is_none(),
        Guard::Version(version) => {
            held.content.is_some() && held.version.is_none_or(|held| held == version)
        }
    }
}

fn may_miss(guard: Guard, held: &Held) -> bool {
    match guard {
        Guard::None => false,
        Guard::Exists => held.content.is_none(),
        Guard::Absent => held.content.is_some(),
        Guard::Version(version) => held.content.is_none() || held.version != Some(version),
    }
}
