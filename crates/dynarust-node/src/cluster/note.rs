//! What a node remembers of its cluster over a restart: who is a member, and where it is in their feeds.
//! It lies in the store beside the records ([`Store::keep`]).
//!
//! [`Store::keep`]: dynarust_store::Store::keep

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{NOTE_MILLIS, NOTE_RETRY_MILLIS};
use dynarust_core::{ClusterId, NodeId, Registry};
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
}

/// What was remembered.
pub(super) struct Note {
    pub(super) cluster: ClusterId,
    pub(super) registry: Registry,
    pub(super) positions: Positions,
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
        Some(Self { cluster, registry, positions })
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
        let (mut kept, mut told) = (Vec::new(), Told::default());
        loop {
            // Positions may be older than they are: what lies behind them is read again.
            tokio::select! {
                () = self.note_due.0.notified() => {}
                () = sleep(Duration::from_millis(NOTE_MILLIS)) => {}
            }
            let positions = self.positions.all();
            let Some(text) = self.note(&positions) else {
                continue;
            };
            if text != kept {
                if let Err(error) = self.store.keep(text.clone().into()).await {
                    tracing::warn!(%error, "what is known of the cluster could not be kept");
                    sleep(Duration::from_millis(NOTE_RETRY_MILLIS)).await;
                    self.note_due.is_due();
                    continue;
                }
                kept = text;
            }
            self.tell_remembered(&positions, &mut told);
        }
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
            Some(text) => self.store.keep(text.into()).await,
            None => Ok(()),
        }
    }

    /// What is to be remembered now. Positions are looked at before what they cover is synced.
    fn note(&self, positions: &BTreeMap<NodeId, Position>) -> Option<Vec<u8>> {
        let view = self.view();
        let text = NoteText {
            cluster: view.cluster?.0.to_be_bytes().to_vec(),
            members: view.registry.iter().map(MemberText::of).collect(),
            positions: positions.iter().map(PositionText::of).collect(),
        };
        Some(text.encode_to_vec())
    }
}
