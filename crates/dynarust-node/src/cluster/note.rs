//! What a node remembers of its cluster over a restart: who is a member, where it is in their feeds,
//! and until when it has missed nothing of them.
//! A node lets others in only once it will know its cluster after a crash, and answers for something only once
//! it, and all that answer, will know that it is a member: so nobody comes back, takes itself for the only
//! one, and acknowledges what the others never hear of.
//!
//! It lies in the store beside the records ([`Store::keep`]).
//!
//! [`Store::keep`]: dynarust_store::Store::keep

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{NOTE_COMPLETE_MILLIS, NOTE_MILLIS, NOTE_RETRY_MILLIS};
use dynarust_core::{ClusterId, NodeId, PartitionSet, Registry, UnixMillis};
use dynarust_store::WriteError;
use prost::Message;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::state::Cluster;
use crate::following::{Position, PositionText, Positions, Told};
use crate::mesh::message::MemberText;

#[derive(Clone, PartialEq, prost::Message)]
struct NoteText {
    #[prost(bytes = "vec", tag = "1")]
    cluster: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    members: Vec<MemberText>,
    #[prost(message, repeated, tag = "3")]
    positions: Vec<PositionText>,
    /// Whose note it is.
    #[prost(fixed64, tag = "4")]
    node: u64,
    #[prost(fixed64, tag = "5")]
    complete_until: u64,
    #[prost(bytes = "vec", tag = "6")]
    served: Vec<u8>,
}

impl NoteText {
    /// Whether it is worth a sync: time alone goes on all the time, and may be noted late.
    fn says_more_than(&self, kept: &Self) -> bool {
        let later = self.complete_until.saturating_sub(kept.complete_until);
        later >= NOTE_COMPLETE_MILLIS
            || *self != Self { complete_until: self.complete_until, ..kept.clone() }
    }
}

/// What was remembered.
pub(super) struct Note {
    pub(super) cluster: ClusterId,
    pub(super) registry: Registry,
    pub(super) positions: Positions,
    /// As in [`Completeness`].
    ///
    /// [`Completeness`]: super::rejoin::Completeness
    pub(super) complete_until: UnixMillis,
    /// Who noted it: this node, or whose the folder was before.
    pub(super) by: NodeId,
    /// What it served, before it was gone if it is.
    pub(super) served: PartitionSet,
}

impl Note {
    /// None where the bytes are no note.
    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let text = NoteText::decode(bytes.clone()).ok()?;
        let cluster = ClusterId(u128::from_be_bytes(text.cluster.try_into().ok()?));
        let mut registry = Registry::default();
        for member in text.members {
            registry.merge(member.understood()?);
        }
        let positions = Positions::default();
        for position in text.positions {
            positions.remember(position)?;
        }
        let (complete_until, by) = (text.complete_until, NodeId(text.node));
        let served = PartitionSet::from_bytes(&text.served).unwrap_or_default();
        Some(Self { cluster, registry, positions, complete_until, by, served })
    }
}

/// Wakes who writes the note.
#[derive(Debug, Default)]
pub(super) struct NoteDue(Notify);

impl NoteDue {
    pub(super) fn is_due(&self) {
        self.0.notify_one();
    }
}

impl Cluster {
    /// Writes the note whenever it is due, and every now and then for the positions, without end.
    pub(super) async fn keep_notes(self: Arc<Self>) {
        let (mut kept, mut told) = (NoteText::default(), Told::default());
        loop {
            // Positions may be older than they are: what lies behind them is read again.
            tokio::select! {
                () = self.note_due.0.notified() => {}
                () = sleep(Duration::from_millis(NOTE_MILLIS)) => {}
            }
            let positions = self.positions.all();
            // Before the note is made: it names all of them.
            let others: Vec<NodeId> = self.view().others().map(|other| other.id).collect();
            let Some(text) = self.note(&positions) else {
                continue;
            };
            if text.says_more_than(&kept) {
                if let Err(error) = self.store.keep(text.encode_to_vec().into()).await {
                    tracing::warn!(%error, "what is known of the cluster could not be kept");
                    sleep(Duration::from_millis(NOTE_RETRY_MILLIS)).await;
                    self.note_due.is_due();
                    continue;
                }
                kept = text;
                self.serve_what_is_complete();
            }
            self.tell_remembered(&others, &positions, &mut told);
        }
    }

    /// The note is due: this node has come to know something that others rely on.
    pub(crate) fn note_is_due(&self) {
        self.note_due.is_due();
    }

    /// What will be known of the cluster that this node is a member of after a crash; none before its first note.
    pub(super) fn noted(&self) -> Option<Note> {
        let note = Note::read(&self.store.kept()?)?;
        let ours = Some(note.cluster) == self.view().cluster && note.by == self.me;
        ours.then_some(note)
    }

    /// Writes the note a last time: a member that was let in a moment ago is remembered, too.
    pub(crate) async fn keep_last_note(&self) {
        if let Err(error) = self.keep_note_now().await {
            tracing::warn!(%error, "what is known of the cluster could not be kept");
        }
    }

    /// What is known now is remembered once this is done.
    pub(super) async fn keep_note_now(&self) -> Result<(), WriteError> {
        match self.note(&self.positions.all()) {
            Some(text) => self.store.keep(text.encode_to_vec().into()).await,
            None => Ok(()),
        }
    }

    /// What is to be remembered now. Positions are looked at before what they cover is synced.
    fn note(&self, positions: &BTreeMap<NodeId, Position>) -> Option<NoteText> {
        let complete_until = self.look_how_complete();
        let view = self.view();
        let served = match view.own().filter(|own| !own.is_gone()) {
            Some(own) => own.serves.clone(),
            // Who is gone serves nothing: what it did tells what of the folder can come along.
            None => self.noted().map(|note| note.served).unwrap_or_default(),
        };
        Some(NoteText {
            cluster: view.cluster?.0.to_be_bytes().to_vec(),
            members: view.registry.iter().map(MemberText::of).collect(),
            positions: positions.iter().map(PositionText::of).collect(),
            node: self.me.0,
            complete_until,
            served: served.to_bytes().to_vec(),
        })
    }
}
