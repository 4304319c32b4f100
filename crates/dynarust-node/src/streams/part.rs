//! A part of a stream: some partitions, told by one node at a time.
//!
//! ```text
//!            ┌── Reaching ──┐
//! Nobody ────┤              ├─▶ Own ──────┐   each ends behind what was sent of it,
//!   ▲        └──────────────┘             │   and another goes on there
//!   │        └───────────────▶ Other ─────┤
//!   └─────────────────────────────────────┘
//! ```
//!
//! Invariants:
//! - what the reader has of a part ([`Standing`]) is what was taken out of its queue, and no more; what is claimed
//!   of it only rises;
//! - while its state goes out, a part knows by itself how far that is: others may be further.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::WATCH_RETRY_MILLIS;
use dynarust_core::{
    Claims, FeedPosition, NodeId, PartitionSet, RecordName, Stored, StreamCursor, Told,
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::begin::Resumed;
use super::event::Place;
use super::live_stream::LiveStream;
use super::watching::{Batch, Watching};

/// Who tells a part.
pub(super) enum Source {
    /// Nobody, for now.
    Nobody,
    /// This node, once it holds what was told of the part elsewhere.
    Reaching(LiveStream, BoxFuture<'static, Option<Resumed>>),
    /// This node.
    Own(LiveStream),
    /// Another node.
    Other(Watching),
}

/// What the reader has of a part.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    pub(super) claims: Claims,
    pub(super) told: Told,
    /// While the state goes out, the last of it.
    pub(super) state_through: Option<RecordName>,
}

/// Something that is told, in the order in which the part's source told it.
#[derive(Debug)]
pub(super) enum Queued {
    /// A record of the state.
    State(Arc<Stored>, Arc<From>),
    /// A change, behind all of the state.
    Change(Arc<Stored>, Arc<From>),
    /// There was nothing more, up to there.
    Through(Arc<From>),
    /// The same, and all that there was when the source began.
    Ready(Arc<From>),
}

/// What holds from something that a source told on.
#[derive(Debug, Clone)]
pub(super) struct From {
    /// In all feeds; in the source's own up to this.
    pub(super) claims: Claims,
    /// In the source's feed.
    pub(super) told: FeedPosition,
}

/// See the module.
pub(super) struct Part {
    pub(super) partitions: Arc<PartitionSet>,
    pub(super) source: Source,
    /// None where the reader has nothing of it yet.
    pub(super) standing: Option<Standing>,
    /// All of its state was sent, or none is asked for.
    pub(super) state_is_told: bool,
    /// All that there was when it began was sent.
    pub(super) is_ready: bool,
    /// Others went past it while its state was not told: that does not go out in its place.
    pub(super) is_late: bool,
    /// What its source told, and was not sent yet.
    queue: VecDeque<Queued>,
    /// Those that could not go on behind what the reader has.
    pub(super) refused_by: Vec<NodeId>,
    /// Those that ended before they told anything.
    pub(super) ended_by: Vec<NodeId>,
    /// When somebody was asked to tell it.
    asked_at: Option<Instant>,
    /// Who was asked has told something.
    pub(super) has_told: bool,
}

impl Part {
    /// One that nobody tells yet, of which the reader has nothing.
    pub(super) fn new(partitions: Arc<PartitionSet>, state_is_told: bool) -> Self {
        Self {
            partitions,
            source: Source::Nobody,
            standing: None,
            state_is_told,
            is_ready: false,
            is_late: false,
            queue: VecDeque::new(),
            refused_by: Vec::new(),
            ended_by: Vec::new(),
            asked_at: None,
            has_told: false,
        }
    }

    /// All of which this node tells, up to the present.
    pub(super) fn whole(
        partitions: Arc<PartitionSet>,
        live: LiveStream,
        standing: Standing,
    ) -> Self {
        Self {
            source: Source::Own(live),
            standing: Some(standing),
            is_ready: true,
            ..Self::new(partitions, true)
        }
    }

    /// Whether this node tells it, and nothing is left but to tell what comes.
    pub(super) fn is_settled(&self) -> bool {
        let is_live = matches!(&self.source, Source::Own(live) if live.is_live());
        let is_told = self.state_is_told && self.is_ready && !self.is_late;
        is_live && is_told && self.queue.is_empty() && self.standing.is_some()
    }

    /// The stream of this node that tells it, and what the reader has; none where no such stream does.
    pub(super) fn into_whole(self) -> Option<(LiveStream, Standing)> {
        match self.source {
            Source::Own(live) => Some((live, self.standing?)),
            _ => None,
        }
    }

    /// The same, of some of its partitions. It has no source and nothing queued.
    pub(super) fn split(&self, partitions: PartitionSet) -> Self {
        Self {
            standing: self.standing.clone(),
            is_ready: self.is_ready,
            is_late: self.is_late,
            refused_by: self.refused_by.clone(),
            ended_by: self.ended_by.clone(),
            asked_at: self.asked_at,
            ..Self::new(Arc::new(partitions), self.state_is_told)
        }
    }

    /// Both in one, which nobody tells: what the reader has of both it has of that. None where they do not go on at
    /// one place, or not in that node's feed.
    pub(super) fn joined(&self, other: &Self, node: NodeId) -> Option<Self> {
        let (Some(one), Some(two)) = (&self.standing, &other.standing) else {
            return None;
        };
        let standing = Standing {
            claims: one.claims.both(&two.claims),
            told: one.told.clone().with(&two.told),
            state_through: None,
        };
        let joined = Self {
            standing: Some(standing),
            is_ready: self.is_ready && other.is_ready,
            ..Self::new(Arc::new(self.partitions.union(&other.partitions)), true)
        };
        (self.state_is_told && other.state_is_told && joined.can_go_on_at(node)).then_some(joined)
    }

    /// Whether a node may have what it takes to go on behind what the reader has.
    pub(super) fn can_go_on_at(&self, node: NodeId) -> bool {
        let claims = self.standing.as_ref().map(|it| &it.claims);
        claims.is_none_or(|it| !self.refused_by.contains(&node) && it.on(node).is_some())
    }

    /// Somebody is asked to tell it.
    pub(super) fn is_asked_for(&mut self) {
        self.asked_at = Some(Instant::now());
        self.has_told = false;
    }

    /// Whether somebody was asked to tell it a moment ago.
    pub(super) fn was_asked_lately(&self) -> bool {
        let retry = Duration::from_millis(WATCH_RETRY_MILLIS);
        self.asked_at.is_some_and(|at| at.elapsed() < retry)
    }

    /// Whether nobody tells it.
    pub(super) fn is_orphan(&self) -> bool {
        matches!(self.source, Source::Nobody)
    }

    /// Whether that node tells it.
    pub(super) fn is_told_by(&self, node: NodeId, me: NodeId) -> bool {
        match &self.source {
            Source::Nobody => false,
            Source::Own(_) | Source::Reaching(..) => node == me,
            Source::Other(watching) => watching.source == node,
        }
    }

    /// Nobody tells it any more; the stream of this node that did. What was queued is told anew by who comes next.
    pub(super) fn let_go(&mut self) -> Option<LiveStream> {
        self.look_where_it_idles();
        self.queue.clear();
        if !self.state_is_told && self.standing.as_ref().is_none_or(|it| it.state_through.is_none())
        {
            // Of its state nothing was sent: it begins anew.
            self.standing = None;
            self.refused_by.clear();
        }
        match std::mem::replace(&mut self.source, Source::Nobody) {
            Source::Own(live) | Source::Reaching(live, _) => Some(live),
            Source::Nobody | Source::Other(_) => None,
        }
    }

    /// Where this node tells it, and has nothing to tell, it goes on with the node's feed, so that what is claimed
    /// of it does not age.
    pub(super) fn look_where_it_idles(&mut self) {
        let is_at_rest = self.queue.is_empty() && self.state_is_told;
        if let Source::Own(live) = &mut self.source
            && let Some(place) = live.place().filter(|_| is_at_rest)
        {
            let (claims, told) = (live.claims(&place).clone(), live.told(&place));
            self.stand(&claims, told, None);
        }
    }

    /// The reader has it up to there.
    fn stand(&mut self, claims: &Claims, told: FeedPosition, state_through: Option<RecordName>) {
        let before = self.standing.get_or_insert_default();
        before.claims.raise(claims);
        // What others told before lies at or before where this source began.
        let seq = before.told.in_feed(&told).map_or(told.seq, |seq| seq.max(told.seq));
        before.told = [FeedPosition { seq, ..told }].into_iter().collect();
        before.state_through = state_through;
    }

    /// This node's stream has handed that out, and it is sent.
    pub(super) fn stand_at(&mut self, place: Option<&Place>) {
        let Source::Own(live) = &mut self.source else {
            return;
        };
        let Some(place) = place else {
            // All begins anew.
            (self.standing, self.state_is_told, self.is_ready) = (None, false, false);
            return;
        };
        let (claims, told) = (live.claims(place).clone(), live.told(place));
        self.state_is_told = place.state_through.is_none();
        self.is_late &= !self.state_is_told;
        self.stand(&claims, told, place.state_through.clone());
    }

    /// Its source has told this.
    pub(super) fn take(&mut self, batch: Batch) {
        let Batch { records, is_state, is_ready, from } = batch;
        let from = Arc::new(from);
        if is_state && self.standing.is_none() {
            // What is claimed while the state goes out holds from its beginning on.
            let claims = from.claims.clone();
            self.standing = Some(Standing { claims, ..Standing::default() });
        }
        let says_more = is_ready || records.is_empty() && !is_state;
        self.queue.extend(records.into_iter().map(|record| match is_state {
            true => Queued::State(record, Arc::clone(&from)),
            false => Queued::Change(record, Arc::clone(&from)),
        }));
        if says_more {
            self.queue.push_back(match is_ready {
                true => Queued::Ready(from),
                false => Queued::Through(from),
            });
        }
        self.has_told = true;
        self.ended_by.clear();
        self.look_at_state();
    }

    /// Notes when all of its state was sent.
    fn look_at_state(&mut self) {
        if !matches!(self.queue.front(), None | Some(Queued::State(..))) {
            self.state_is_told = true;
            self.is_late = false;
        }
    }

    /// Whether nothing of it waits to be sent.
    pub(super) fn has_sent_all(&self) -> bool {
        self.queue.is_empty()
    }

    /// The name of what is next of its state.
    pub(super) fn next_of_state(&self) -> Option<&RecordName> {
        match self.queue.front() {
            Some(Queued::State(stored, _)) => Some(&stored.name),
            _ => None,
        }
    }

    /// Takes what is next: the reader has it from here on. A record, or nothing but how far the source has come;
    /// none where nothing is queued.
    pub(super) fn pop(&mut self) -> Option<Option<Arc<Stored>>> {
        let queued = self.queue.pop_front()?;
        let (from, record, is_state) = match queued {
            Queued::State(stored, from) => (from, Some(stored), true),
            Queued::Change(stored, from) => (from, Some(stored), false),
            Queued::Through(from) => (from, None, false),
            Queued::Ready(from) => {
                self.is_ready = true;
                (from, None, false)
            }
        };
        let seq = record.as_ref().map_or(0, |it| it.seq);
        let told = FeedPosition { seq: from.told.seq.max(seq), ..from.told };
        let state_through = record.as_ref().filter(|_| is_state).map(|it| it.name.clone());
        self.stand(&from.claims, told, state_through);
        if let Some(standing) = self.standing.as_mut().filter(|_| record.is_some() && !is_state) {
            let at = FeedPosition { seq, ..from.told };
            standing.claims.raise(&[at].into_iter().collect());
        }
        self.refused_by.clear();
        self.look_at_state();
        Some(record)
    }

    /// What the reader has of it, as a stream goes on behind it.
    pub(super) fn cursor(&self, (selection, made): (u32, u32)) -> Option<StreamCursor> {
        let Standing { claims, told, state_through } = self.standing.clone()?;
        Some(StreamCursor { claims, told, selection, made, state_through })
    }
}
