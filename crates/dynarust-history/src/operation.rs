//! One request of a client, and what it was told.
//!
//! All times are of one clock, the recorder's. An operation takes effect, if it does, at some moment
//! between its call and its answer; one whose outcome is unknown, at any moment behind its call.

use dynarust_core::quorum::Replicas;
use dynarust_core::{Consistency, Version};
use serde::{Deserialize, Serialize};

use crate::value::Content;

/// Nanoseconds of the recorder's clock.
pub type Nanos = u64;

/// The name of a PUT or PATCH, which its value carries. No two writes have the same, but repeats of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(pub u64);

/// One request on one key (of a scan: on a prefix).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked. A session asks one thing after the other.
    pub session: u32,
    /// Which node was asked.
    pub node: u32,
    /// The record's name, as the recorder writes it; of a scan, the prefix.
    pub key: String,
    /// What was asked.
    pub action: Action,
    /// As it was asked for, or the default of such a request.
    pub consistency: Consistency,
    /// As it was asked for.
    #[serde(default, skip_serializing_if = "Durability::is_sync")]
    pub durability: Durability,
    /// The `Idempotency-Key`, where one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_key: Option<String>,
    /// Before it was sent.
    pub invoked: Nanos,
    /// After its answer was there, or its client gave up; nothing where the record ends before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Nanos>,
    /// What its client knows of it.
    pub outcome: Outcome,
    /// What stood behind the answer, where it was told (`DynaRust-Replicas`): a weak answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,
}

/// When a write is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once it is on stable storage.
    #[default]
    Sync,
    /// Once it is in the journal's file.
    Relaxed,
}

impl Durability {
    fn is_sync(&self) -> bool {
        *self == Self::Sync
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Action {
    /// A value that carries this name ([`crate::value::put_text`]).
    Put {
        /// The write's name.
        id: WriteId,
        /// Its condition.
        #[serde(default, skip_serializing_if = "Guard::is_none")]
        guard: Guard,
        /// After which the record expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl: Option<Nanos>,
    },
    /// One that adds this name to the value ([`crate::value::patch_text`]).
    Patch {
        /// The write's name.
        id: WriteId,
        /// Its condition.
        #[serde(default, skip_serializing_if = "Guard::is_none")]
        guard: Guard,
    },
    /// The end of the record.
    Delete {
        /// Its condition.
        #[serde(default, skip_serializing_if = "Guard::is_none")]
        guard: Guard,
    },
    /// A read of one record.
    Get,
    /// A list of all whose names begin with the operation's key.
    Scan,
}

/// What must hold of the record for a write to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Nothing.
    #[default]
    None,
    /// `If-Match: "v"`: it is this one.
    Version(Version),
    /// `If-Match: *`: it is there.
    Exists,
    /// `If-None-Match: *`: it is not.
    Absent,
}

impl Guard {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What a client knows of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A write's 200.
    Acknowledged {
        /// What it got.
        version: Version,
    },
    /// An answer that says that nothing was changed, or that nothing was read: 4xx, or 503 and 507 that are
    /// not called indeterminate; or it was never sent.
    Refused {
        /// The answer's status; 0 where it was never sent.
        status: u16,
        /// Of a 412: the version that stood there, where it was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current: Option<Version>,
    },
    /// 503 with `"indeterminate": true`, 500, a connection that broke, no answer in time. A write may have
    /// taken effect, or may take effect at any time to come.
    Indeterminate,
    /// A read's 200 or 404.
    Read(Seen),
    /// A scan that came to its end, in the order in which it came.
    Listed(Vec<Listed>),
}

/// A record as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// It is there.
    Value {
        /// Its `ETag`.
        version: Version,
        /// Whose it is.
        content: Content,
    },
    /// It is not there.
    Absent {
        /// The version of the tombstone or of the expired record, for who can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// What is there is not what anybody wrote.
    Garbled {
        /// Its `ETag`.
        version: Version,
        /// All of it.
        text: String,
    },
}

/// One record of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The record's name, as in [`Operation::key`].
    pub key: String,
    /// What was shown of it; nothing where the scan was one of keys alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

impl Operation {
    /// The name that its value carries.
    #[must_use]
    pub fn write_id(&self) -> Option<WriteId> {
        match self.action {
            Action::Put { id, .. } | Action::Patch { id, .. } => Some(id),
            Action::Delete { .. } | Action::Get | Action::Scan => None,
        }
    }

    /// Whether it was to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.action, Action::Get | Action::Scan)
    }

    /// A write's condition.
    #[must_use]
    pub fn guard(&self) -> Guard {
        match self.action {
            Action::Put { guard, .. } | Action::Patch { guard, .. } | Action::Delete { guard } => {
                guard
            }
            Action::Get | Action::Scan => Guard::None,
        }
    }

    /// The version of a write that was acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> Option<Version> {
        match self.outcome {
            Outcome::Acknowledged { version } => Some(version),
            _ => None,
        }
    }

    /// Whether nobody can say what became of it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.outcome == Outcome::Indeterminate
    }

    /// Whether it surely changed nothing.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused { .. })
    }

    /// Whether it was over for its client before the other was sent.
    #[must_use]
    pub fn is_before(&self, later: &Operation) -> bool {
        self.returned.is_some_and(|returned| returned < later.invoked)
    }

    /// Whether a majority of all owners had to stand behind its answer.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        matches!(self.consistency, Consistency::Quorum | Consistency::All)
    }
}

impl Seen {
    /// The version, where it was told.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Value { version, .. } | Self::Garbled { version, .. } => Some(*version),
            Self::Absent { version } => *version,
        }
    }

    /// What a read has shown, by its `ETag` and the text of its value.
    #[must_use]
    pub fn of(version: Version, text: &str) -> Self {
        match Content::of(text) {
            Some(content) => Self::Value { version, content },
            None => Self::Garbled { version, text: text.to_owned() },
        }
    }

    /// What a 404 has shown.
    #[must_use]
    pub fn absent() -> Self {
        Self::Absent { version: None }
    }
}
