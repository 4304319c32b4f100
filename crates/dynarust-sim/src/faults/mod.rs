//! What goes wrong: the kinds of faults, the plan that a seed makes of them, and how much of it a cluster
//! must bear at a time.
//!
//! # The fault budget
//!
//! A plan is made for one of these climates, and what is promised depends on it:
//!
//! | climate | what happens | what must hold |
//! | --- | --- | --- |
//! | calm | nothing | all promises, all the time |
//! | minority | to one node at a time, and to the next only once all is well again: killed, without power, paused, cut off (one way or both), its clock off, its disk full or failing | all promises, all the time, but of `relaxed` writes what a power cut leaves: a majority of every record's owners is alive and connected. Of two nodes one is no majority: there the other one serves what asks for none, and the rest is as in a storm |
//! | storm | anything to any number of nodes at a time, all of them without power at once, splits and one-way cuts, but every disk keeps what it has synced | durability, deletes, one winner, whole values, conditions and reads at `quorum`; all promises again once it is over |
//! | members | nodes join, leave, are removed, evicted, wiped, cloned, come back, and meanwhile, unless who is away is evicted, one that comes, or another, is killed, paused, cut off or slow; one disk is lost at a time, and the next only once all is well again; in turn with that, what happens in the climate of the minority. Some clusters keep two copies; some one, and lose no disk | as in a storm, but once a disk was lost keys at `quorum` are no registers any more; no copy is dropped before each owner has it, and each record has its copies in the end |
//! | rot | bits flip in records at rest on one node while the others are well; in another copy of a record only once the one before is mended | as in a storm; what is corrupt is never shown, and what streams left out of it they tell once it is mended |

mod carry_out;
mod plan;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use plan::{Plan, plan};

/// What may go wrong together. See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Climate {
    /// Nothing goes wrong.
    Calm,
    /// One node at a time.
    Minority,
    /// Any of them, but no disk is lost.
    Storm,
    /// Who is a member changes.
    Members,
    /// A disk forgets, or garbles, what it had.
    Rot,
}

/// What happens, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number in the plan.
    pub number: usize,
    /// When, behind the moment at which the cluster was whole.
    pub at: Duration,
    /// For how long.
    pub lasts: Duration,
    /// What.
    pub fault: Fault,
    /// What else happens meanwhile, from when a quarter of the time is over.
    pub beside: Option<Fault>,
}

impl Event {
    /// What happens meanwhile, as an event of its own.
    #[must_use]
    pub(crate) fn beside(&self) -> Option<Self> {
        let fault = self.beside.clone()?;
        let (at, lasts) = (self.at + self.lasts / 4, self.lasts * 3 / 4);
        Some(Self { number: self.number + BESIDE_FROM, at, lasts, fault, beside: None })
    }
}

/// Numbers of what happens beside an event; no plan has as many of these.
const BESIDE_FROM: usize = 100_000;

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing comes through from one node to the other.
    CutOneWay {
        /// Who is not heard.
        from: usize,
        /// Who does not hear.
        to: usize,
    },
    /// One of a node's directions, with all others: they hear it and it does not hear them, or the other way round.
    Deaf {
        /// The node.
        node: usize,
        /// It does not hear; else it is not heard.
        hears: bool,
    },
    /// A node is apart from all others.
    Isolate(usize),
    /// Those are apart from the rest.
    Split(Vec<usize>),
    /// The ways between two nodes are slow, and lose packets.
    Weather {
        /// One of them.
        one: usize,
        /// The other.
        other: usize,
        /// How much longer packets take at most, in milliseconds.
        delay_millis_max: u64,
        /// How many of a hundred packets are lost and sent again.
        loss_percent: u32,
    },
    /// All connections between two nodes break, with what is under way.
    Reset {
        /// One of them.
        one: usize,
        /// The other.
        other: usize,
    },
    /// The process is killed; it starts again at the end.
    Kill(usize),
    /// The process is asked to end; it starts again at the end.
    Restart(usize),
    /// Those machines lose power; they start again at the end.
    PowerCut(Vec<usize>),
    /// The machine loses power in the middle of a sync.
    PowerCutInSync(usize),
    /// The process is stopped, and goes on at the end.
    Pause(usize),
    /// The wall clock steps by so many milliseconds, and back at the end.
    ClockStep {
        /// Whose.
        node: usize,
        /// Milliseconds.
        millis: i64,
    },
    /// The wall clock gains so many millionths, and is set right at the end.
    ClockDrift {
        /// Whose.
        node: usize,
        /// Millionths.
        millionths: i64,
    },
    /// Each of the disk's steps takes up to so long.
    SlowDisk {
        /// Whose.
        node: usize,
        /// Milliseconds.
        millis_max: u64,
    },
    /// The disk has no space left.
    FullDisk(usize),
    /// The next sync fails; the process is started again at the end.
    FailingSync(usize),
    /// Bits of a record's value flip on the disk.
    Flip {
        /// On whose disk.
        node: usize,
        /// Of which key: by its number, of those that were in use a moment ago and those that are written once.
        key: usize,
    },
    /// A node that was never there joins.
    Join(usize),
    /// A node leaves, and comes back empty at the end.
    Leave(usize),
    /// A node is killed, and removed by another; it comes back with its folder at the end.
    Remove(usize),
    /// A node is killed, and its disk is replaced by an empty one.
    Wipe(usize),
    /// A node is killed, its folder copied to another machine, and both are started: one, and soon the other.
    Clone {
        /// Whose folder.
        node: usize,
        /// A machine without a node.
        at: usize,
        /// The copy starts first.
        copy_first: bool,
        /// How long until the other starts.
        apart_millis: u64,
    },
}

impl Fault {
    /// Its kind, for counts.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CutOneWay { .. } => "cut one way",
            Self::Deaf { .. } => "deaf or mute",
            Self::Isolate(_) => "isolated",
            Self::Split(_) => "split",
            Self::Weather { .. } => "slow and lossy link",
            Self::Reset { .. } => "connections reset",
            Self::Kill(_) => "killed",
            Self::Restart(_) => "restarted",
            Self::PowerCut(nodes) if nodes.len() > 1 => "power cut of several",
            Self::PowerCut(_) => "power cut",
            Self::PowerCutInSync(_) => "power cut in a sync",
            Self::Pause(_) => "paused",
            Self::ClockStep { .. } => "clock step",
            Self::ClockDrift { .. } => "clock drift",
            Self::SlowDisk { .. } => "slow disk",
            Self::FullDisk(_) => "full disk",
            Self::FailingSync(_) => "failing sync",
            Self::Flip { .. } => "flipped bits",
            Self::Join(_) => "joined",
            Self::Leave(_) => "left",
            Self::Remove(_) => "removed",
            Self::Wipe(_) => "wiped",
            Self::Clone { .. } => "cloned",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, at, lasts) = (self.number, self.at.as_millis(), self.lasts.as_millis());
        write!(f, "{number}: at {at} ms, for {lasts} ms: {:?}", self.fault)?;
        match &self.beside {
            Some(beside) => write!(f, ", and meanwhile {beside:?}"),
            None => Ok(()),
        }
    }
}
