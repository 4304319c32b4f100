//! What one key would do if one client used it.

use dynarust_core::Version;
use dynarust_core::limits::CLOCK_SKEW_MILLIS_MAX;

use crate::operation::{Guard, Nanos, WriteId};
use crate::search::Model;
use crate::value::Content;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Held {
    /// The highest version that is known.
    floor: Option<Version>,
    /// It is the version of what is there. If not, that one was never told, and is above it.
    told: bool,
    content: Option<Content>,
    /// What the last write stood over.
    over: Over,
    /// When that write was answered, where it was.
    answered: Option<Nanos>,
}

/// What stood here before the last write: its version, where that is known, and whether a value was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Over {
    version: Option<Version>,
    held: bool,
}

/// What is asked of it, with what was told.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) what: What,
    pub(super) guard: Guard,
    /// The write's, or the one that was read; nothing where nobody knows it.
    pub(super) version: Option<Version>,
    /// When it was asked.
    pub(super) began: Nanos,
    /// When it was answered; a write of unknown outcome may be with one owner alone, which accepted it, until all have
    /// it.
    pub(super) answered: Option<Nanos>,
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
                return own.then_some(Held { content: None, ..held.clone() });
            }
            What::Put(id) => Some(Content::put(*id)),
            What::Patch(id) => Some(held.content.as_ref()?.patched(*id)),
            // Two at a time, where nodes do not agree on who coordinates, may both have found something.
            What::Delete => None,
        };
        let rises = asked.version.is_none() || asked.version > held.floor;
        let goes_on = rises && (may_hold(asked.guard, held) || held.gives_way_to(asked));
        let (floor, told) = (asked.version.or(held.floor), asked.version.is_some());
        let over = Over { version: held.floor.filter(|_| held.told), held: held.content.is_some() };
        goes_on.then_some(Held { floor, told, content, over, answered: asked.answered })
    }

    /// Versions rise.
    fn rank(&self, asked: &Asked) -> Option<u128> {
        let version = asked.version?;
        Some(u128::from(version.hlc) << 64 | u128::from(version.node.0))
    }
}

impl Held {
    /// Whether this may be the version of what is there.
    fn may_be(&self, version: Version) -> bool {
        if self.told { self.floor == Some(version) } else { self.floor < Some(version) }
    }

    /// What was accepted by one owner, over what stood there, and told by nobody, surfaces over the one write that came
    /// to stand there meanwhile, and was stamped lower: by clocks, within their skew of it (guarantees.md,
    /// Consistency; ADR 14). A patch would bring what it was made of.
    fn gives_way_to(&self, asked: &Asked) -> bool {
        let (None, What::Put(_) | What::Delete) = (asked.answered, &asked.what) else {
            return false;
        };
        let judged = match asked.guard {
            Guard::Version(version) => self.over.held && self.over.version == Some(version),
            Guard::Absent => !self.over.held,
            Guard::Exists => self.over.held,
            Guard::None => return false,
        };
        let meanwhile = self.answered.is_none_or(|answered| asked.began < answered);
        let soon = |version: Version| {
            let here = self.floor.map_or(0, Version::unix_millis);
            version.unix_millis().saturating_sub(here) <= CLOCK_SKEW_MILLIS_MAX
        };
        judged && meanwhile && asked.version.is_none_or(soon)
    }

    /// What it is known to hold after it was seen like this, if it can have been.
    fn shows(&self, content: Option<&Content>, version: Option<Version>) -> Option<Held> {
        let same = self.content.as_ref() == content && version.is_none_or(|it| self.may_be(it));
        let (floor, told) = (version.or(self.floor), self.told || version.is_some());
        same.then(|| Held { floor, told, ..self.clone() })
    }
}

fn may_hold(guard: Guard, held: &Held) -> bool {
    match guard {
        Guard::None => true,
        Guard::Exists => held.content.is_some(),
        Guard::Absent => held.content.is_none(),
        Guard::Version(version) => held.content.is_some() && held.may_be(version),
    }
}

fn may_miss(guard: Guard, held: &Held) -> bool {
    match guard {
        Guard::None => false,
        Guard::Exists => held.content.is_none(),
        Guard::Absent => held.content.is_some(),
        Guard::Version(version) => {
            held.content.is_none() || !held.told || held.floor != Some(version)
        }
    }
}
