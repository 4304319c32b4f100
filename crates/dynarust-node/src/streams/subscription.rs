//! A reader's stream, wherever the records are: each part of what it follows is told by one node that holds it,
//! by this one where it does.
//!
//! ```text
//! this node's feed ─▶ LiveStream ─▶ some partitions ───┐
//! owner A ─▶ Watching ─▶ some of the others ───────────┼─▶ Subscription ─▶ reader
//! owner B ─▶ Watching ─▶ the rest of them ─────────────┘
//! ```
//!
//! Invariants:
//! - a partition is told by one node at a time. Where that dies, or gives the partition up, another goes on behind
//!   what was sent (`resume`): nothing is missing, and no version of a key falls. Where nobody can, all begins
//!   anew behind `reset`;
//! - the state goes out in the order of names, over all parts; `ready` behind all of it. What nobody tells comes
//!   later: nobody waits for it but `ready`;
//! - an id says what holds for all parts: what each claims in a feed, and what any of them has told. While some
//!   part has nothing to say, or its state comes late, ids lead to `reset`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dynarust_core::limits::{CURSOR_CLAIMS_BESIDE_MAX, RESUME_MILLIS_MAX, WATCH_RETRY_MILLIS};
use dynarust_core::{
    Claims, NodeId, Partition, PartitionSet, RecordName, Selection, Selector, StreamCursor,
};
use dynarust_store::ReadError;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::begin::{self, Begin, RESET_ID, Resumed, Start};
use super::event::{Event, Item, Local};
use super::live_stream::LiveStream;
use super::owner::{Streams, SubscribeError};
use super::part::{From, Part, Source, Standing};
use super::resume::resume;
use super::watching::{Ask, Batch, Tidings};
use crate::cluster::Cluster;
use crate::mesh::Channel;

const RETRY: Duration = Duration::from_millis(WATCH_RETRY_MILLIS);

/// See the module. Dropping it ends it.
pub struct Subscription {
    cluster: Arc<Cluster>,
    streams: Arc<Streams>,
    changes: watch::Receiver<u64>,
    selection: Arc<Selection>,
    fingerprint: u32,
    /// What is followed lies in these.
    followed: Arc<PartitionSet>,
    parts: Vec<Part>,
    /// While no part is told by this node: it hears when streams end.
    spare: Option<LiveStream>,
    /// The state goes out, up to this name so far.
    state: Option<StateSoFar>,
    /// Parts that begin with nothing begin with the state.
    tells_state: bool,
    ready_is_told: bool,
    /// Until then nobody gives up that somebody comes who can go on.
    patient_until: Instant,
    /// Then it is looked again who tells what nobody tells.
    look_again_at: Instant,
    /// While there is something that nobody tells.
    timer: Option<Pin<Box<Sleep>>>,
    was_resumed: bool,
    /// Whose turn it is to be heard first.
    turn: usize,
    out: Vec<Item>,
    ended: bool,
}

/// How far the state has gone out.
#[derive(Debug, Default)]
struct StateSoFar {
    through: Option<RecordName>,
}

/// What happened.
enum Step {
    /// This node tells something of that part; or of none, where there is none that it tells.
    Own(Option<usize>, Result<Option<Vec<Local>>, ReadError>),
    Reached(usize, Option<Resumed>),
    Told(usize, Tidings),
    Changed,
}

impl Subscription {
    pub(crate) fn begin(
        cluster: &Arc<Cluster>,
        streams: &Arc<Streams>,
        selection: Selection,
        begin: Begin,
    ) -> Result<Self, SubscribeError> {
        if !cluster.is_alone() && !cluster.is_ready() {
            return Err(SubscribeError::NotReady);
        }
        let changes = cluster.changes();
        let selection = Arc::new(selection);
        let spare = Some(streams.take_on(Arc::clone(&selection))?);
        let mut subscription = Self {
            cluster: Arc::clone(cluster),
            streams: Arc::clone(streams),
            changes,
            fingerprint: selection.fingerprint(),
            followed: Arc::new(partitions_of(&selection)),
            selection,
            parts: Vec::new(),
            spare,
            state: None,
            tells_state: begin == Begin::State,
            ready_is_told: false,
            patient_until: Instant::now(),
            look_again_at: Instant::now() + RETRY,
            timer: None,
            was_resumed: false,
            turn: 0,
            out: Vec::new(),
            ended: false,
        };
        subscription.be_patient();
        subscription.begin_with(begin);
        Ok(subscription)
    }

    fn begin_with(&mut self, begin: Begin) {
        let cursor = match begin {
            Begin::State => {
                self.state = Some(StateSoFar::default());
                None
            }
            Begin::Changes => None,
            Begin::After(id) => match begin::read(&id, &self.selection) {
                Some(cursor) if !self.is_too_old(&cursor) => Some(cursor),
                _ => return self.begin_anew(),
            },
        };
        let mut part = Part::new(Arc::clone(&self.followed), !self.tells_state);
        if let Some(StreamCursor { claims, told, state_through, .. }) = cursor {
            part.state_is_told = state_through.is_none();
            self.state = state_through.clone().map(|it| StateSoFar { through: Some(it) });
            part.standing = Some(Standing { claims, told, state_through });
            // What a later part has nothing of it begins with.
            self.tells_state = true;
        }
        self.parts.push(part);
        self.assign();
    }

    /// Deletes that came behind it may be forgotten, where a node took over what it did not hold then. (A node alone
    /// knows what it has forgotten.)
    fn is_too_old(&self, cursor: &StreamCursor) -> bool {
        let age = u64::from(self.made().saturating_sub(cursor.made));
        !self.cluster.is_alone() && age >= self.streams.cursor_age_max().as_secs()
    }

    /// The time, as ids have it.
    fn made(&self) -> u32 {
        u32::try_from(self.streams.now() / 1000).unwrap_or(u32::MAX)
    }

    /// All begins anew, and the reader is told.
    fn begin_anew(&mut self) {
        for at in (0..self.parts.len()).rev() {
            self.let_go(at);
        }
        self.parts.clear();
        self.streams.count_reset();
        self.out.push(Item { event: Event::Reset, id: RESET_ID.to_owned() });
        self.state = Some(StateSoFar::default());
        (self.tells_state, self.ready_is_told) = (true, false);
        self.be_patient();
        self.parts.push(Part::new(Arc::clone(&self.followed), false));
        self.assign();
    }

    fn be_patient(&mut self) {
        self.patient_until = Instant::now() + Duration::from_millis(RESUME_MILLIS_MAX);
    }

    /// The next items, at least one; `None` once it has ended. Who waits is woken every few seconds, too.
    ///
    /// # Errors
    /// [`ReadError::Base`] where this node's store cannot be read.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Item>>, ReadError>> {
        loop {
            if !self.out.is_empty() {
                self.streams.count_events(self.out.len());
                return Poll::Ready(Ok(Some(std::mem::take(&mut self.out))));
            }
            if self.ended {
                return Poll::Ready(Ok(None));
            }
            match ready!(self.poll_step(context)) {
                Step::Own(part, items) => match items? {
                    None => self.ended = true,
                    Some(items) => self.take_own(part, items),
                },
                Step::Reached(at, resumed) => self.take_reached(at, resumed),
                Step::Told(at, tidings) => self.take_told(at, tidings),
                Step::Changed => self.look_again(),
            }
        }
    }

    /// As [`Subscription::poll_next`]. Cancel-safe.
    ///
    /// # Errors
    /// The same.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, ReadError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The id that stands for all that was handed out.
    #[must_use]
    pub fn cursor(&mut self) -> String {
        self.parts.iter_mut().for_each(Part::look_where_it_idles);
        self.id()
    }

    /// All is told by this node, and goes out as that tells it.
    fn is_whole(&self) -> bool {
        matches!(self.parts.as_slice(), [Part { source: Source::Own(_), .. }])
    }

    /// What happens next. Each is asked first at some time, so that none is never heard.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        let parts = self.parts.len();
        let (spare, cluster) = (parts, parts + 1);
        self.turn = self.turn.wrapping_add(1);
        for nth in 0..=cluster {
            let at = self.turn.wrapping_add(nth) % (cluster + 1);
            let polled = match at {
                _ if at < parts => self.poll_part(at, context),
                _ if at == spare => self.poll_spare(context),
                _ => self.poll_cluster(context),
            };
            if polled.is_ready() {
                return polled;
            }
        }
        // Whoever was woken for its sake may have looked there first.
        self.poll_cluster(context)
    }

    fn poll_part(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Step> {
        let merges = self.state.is_some() && self.parts.len() > 1;
        let Some(part) = self.parts.get_mut(at) else {
            return Poll::Pending;
        };
        // What others are to go before waits; and nothing more comes while it does.
        let is_next = !merges || part.has_sent_all();
        match &mut part.source {
            Source::Own(live) if is_next => {
                live.poll_next(context).map(|told| Step::Own(Some(at), told))
            }
            Source::Own(live) => live.poll_end(context).map(|told| Step::Own(Some(at), Ok(told))),
            Source::Reaching(live, reaching) => match live.poll_end(context) {
                Poll::Ready(told) => Poll::Ready(Step::Own(Some(at), Ok(told))),
                Poll::Pending => {
                    reaching.as_mut().poll(context).map(|resumed| Step::Reached(at, resumed))
                }
            },
            Source::Other(other) if is_next => {
                other.poll_next(context).map(|tidings| Step::Told(at, tidings))
            }
            Source::Other(_) | Source::Nobody => Poll::Pending,
        }
    }

    fn poll_spare(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        match &mut self.spare {
            Some(spare) => spare.poll_next(context).map(|told| Step::Own(None, told)),
            None => Poll::Pending,
        }
    }

    /// Whether it is to be looked again who tells what.
    fn poll_cluster(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        if self.cluster.config.secret.is_none() {
            // Nobody else will ever come.
            return Poll::Pending;
        }
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            return Poll::Ready(Step::Changed);
        }
        if !self.parts.iter().any(Part::is_orphan) {
            self.timer = None;
            return Poll::Pending;
        }
        let at = self.look_again_at;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(context).map(|()| Step::Changed)
    }

    fn take_own(&mut self, part: Option<usize>, items: Vec<Local>) {
        if part.is_some() && self.is_whole() {
            return self.pass_on(items);
        }
        let mut changes = Vec::new();
        for item in items {
            match item.event {
                Event::Lagged | Event::Closing { .. } => return self.end(item.event),
                // It has lost deletes that the reader has not heard of.
                Event::Reset => return self.begin_anew(),
                Event::Change(_) | Event::Ready => changes.push(item),
            }
        }
        let Some(part) = part.and_then(|at| self.parts.get_mut(at)) else {
            return;
        };
        let Source::Own(live) = &mut part.source else {
            return;
        };
        let partitions = &part.partitions;
        let is_of_it = |item: &Local| match &item.event {
            Event::Change(stored) => partitions.contains(Partition::of(&stored.name)),
            _ => true,
        };
        let changes = changes.into_iter().filter(is_of_it);
        let batches: Vec<Batch> = changes.filter_map(|it| batch_of(live, it)).collect();
        batches.into_iter().for_each(|batch| part.take(batch));
        self.send();
    }

    /// What this node tells of all that is followed goes out as it is.
    fn pass_on(&mut self, items: Vec<Local>) {
        for Local { event, place } in items {
            // Of a part that goes on elsewhere the reader has heard that before.
            let is_heard = event == Event::Ready && self.ready_is_told;
            let Some(part) = self.parts.first_mut() else {
                return;
            };
            part.stand_at(place.as_ref());
            match &event {
                Event::Ready => (part.is_ready, self.ready_is_told) = (true, true),
                Event::Reset => {
                    self.streams.count_reset();
                    self.ready_is_told = false;
                }
                Event::Lagged | Event::Closing { .. } => self.ended = true,
                Event::Change(_) => {}
            }
            let through = place.as_ref().and_then(|place| place.state_through.clone());
            self.state = match place {
                None => Some(StateSoFar::default()),
                Some(_) => through.map(|it| StateSoFar { through: Some(it) }),
            };
            if !is_heard {
                let id = self.id();
                self.out.push(Item { event, id });
            }
        }
    }

    fn take_reached(&mut self, at: usize, resumed: Option<Resumed>) {
        let me = self.cluster.me;
        let Some(part) = self.parts.get_mut(at) else {
            return;
        };
        let Source::Reaching(mut live, _) = std::mem::replace(&mut part.source, Source::Nobody)
        else {
            return;
        };
        if let Some(resumed) = resumed {
            live.start(Start::Behind(resumed), Arc::clone(&part.partitions));
            part.source = Source::Own(live);
            self.count_resumed();
        } else {
            part.refused_by.push(me);
            self.spare.get_or_insert(live);
            self.assign();
            self.send();
        }
    }

    fn count_resumed(&mut self) {
        if !std::mem::replace(&mut self.was_resumed, true) {
            self.streams.count_resumed();
        }
    }

    fn take_told(&mut self, at: usize, tidings: Tidings) {
        match tidings {
            Tidings::Some(batch) => {
                if let Some(part) = self.parts.get_mut(at) {
                    let partitions = Arc::clone(&part.partitions);
                    let selection = &self.selection;
                    part.take(batch.only(|name| {
                        partitions.contains(Partition::of(name)) && selection.matches(name)
                    }));
                }
                self.send();
            }
            Tidings::Lagged => self.end(Event::Lagged),
            Tidings::Ended => self.take_end(at),
            Tidings::Unknown => {
                if let Some(part) = self.parts.get_mut(at)
                    && let Source::Other(watching) = &part.source
                {
                    let source = watching.source;
                    part.refused_by.push(source);
                }
                self.let_go(at);
                self.assign();
                self.send();
            }
        }
    }

    /// Another node tells that part no more.
    fn take_end(&mut self, at: usize) {
        let Some(part) = self.parts.get_mut(at) else {
            return;
        };
        let Source::Other(watching) = &part.source else {
            return;
        };
        let (source, has_told) = (watching.source, part.has_told);
        if !has_told && !part.ended_by.contains(&source) {
            // Others are asked first.
            part.ended_by.push(source);
        }
        let lately = part.was_asked_lately() && !has_told;
        if has_told {
            self.be_patient();
        }
        self.let_go(at);
        if !lately {
            self.assign();
        }
        self.send();
    }

    fn end(&mut self, event: Event) {
        let id = self.id();
        self.out.push(Item { event, id });
        self.ended = true;
    }

    /// Sends what can go out.
    fn send(&mut self) {
        self.send_state();
        if self.state.is_none() {
            for at in 0..self.parts.len() {
                while let Some(sent) = self.parts.get_mut(at).and_then(Part::pop) {
                    self.push(sent);
                }
            }
        }
        let is_ready = self.parts.iter().all(|part| part.is_ready);
        if is_ready && !self.ready_is_told {
            self.ready_is_told = true;
            let id = self.id();
            self.out.push(Item { event: Event::Ready, id });
        }
    }

    /// Sends the state, as far as all whom somebody tells have said what comes next.
    fn send_state(&mut self) {
        while let Some(state) = &mut self.state {
            let waits = |part: &Part| !part.state_is_told && part.next_of_state().is_none();
            if self.parts.iter().any(|part| waits(part) && !part.is_orphan()) {
                return;
            }
            // The others go past what nobody tells.
            let past = self.parts.iter_mut().filter(|part| waits(part));
            past.for_each(|part| part.is_late = true);
            let next = self.parts.iter_mut().filter(|part| part.next_of_state().is_some());
            let Some(part) =
                next.min_by(|one, other| one.next_of_state().cmp(&other.next_of_state()))
            else {
                self.state = None;
                return;
            };
            let name = part.next_of_state().cloned();
            if name > state.through {
                state.through = name;
            }
            if let Some(sent) = part.pop() {
                self.push(sent);
            }
        }
    }

    fn push(&mut self, sent: Option<Arc<dynarust_core::Stored>>) {
        if let Some(stored) = sent {
            let id = self.id();
            self.out.push(Item { event: Event::Change(stored), id });
        }
    }

    /// What holds for all parts.
    fn id(&self) -> String {
        let (selection, made) = self.name();
        let mut all: Option<Standing> = None;
        for part in &self.parts {
            let Some(standing) = part.standing.as_ref().filter(|_| !part.is_late) else {
                return RESET_ID.to_owned();
            };
            all = Some(match all {
                None => standing.clone(),
                Some(all) => Standing {
                    claims: all.claims.both(&standing.claims),
                    told: all.told.with(&standing.told),
                    state_through: None,
                },
            });
        }
        let Some(Standing { mut claims, told, .. }) = all else {
            return RESET_ID.to_owned();
        };
        self.keep_those_that_serve(&mut claims);
        let state_through = match &self.state {
            None => None,
            // Nothing of it was sent.
            Some(StateSoFar { through: None }) => return RESET_ID.to_owned(),
            Some(StateSoFar { through }) => through.clone(),
        };
        begin::id(&StreamCursor { claims, told, selection, made, state_through })
    }

    /// What an id says of what it is, and of when.
    fn name(&self) -> (u32, u32) {
        (self.fingerprint, self.made())
    }

    /// More claims than an id has room for: those go that are of the least use.
    fn keep_those_that_serve(&self, claims: &mut Claims) {
        if claims.iter().count() > CURSOR_CLAIMS_BESIDE_MAX {
            let view = self.cluster.view();
            let serves = |node: NodeId| {
                let member = view.registry.get(node);
                member.is_some_and(|it| !it.serves.intersection(&self.followed).is_empty())
            };
            claims.keep(CURSOR_CLAIMS_BESIDE_MAX, serves);
        }
    }

    /// Something changed in the cluster, or it is time.
    fn look_again(&mut self) {
        self.look_again_at = Instant::now() + RETRY;
        // Others may have come to be followed, at which it could go on.
        self.parts.iter_mut().for_each(Part::look_where_it_idles);
        let served = served_here(&self.cluster);
        for at in 0..self.parts.len() {
            let lost = self.parts.get(at).is_some_and(|part| {
                matches!(part.source, Source::Own(_) | Source::Reaching(..))
                    && !part.partitions.difference(&served).is_empty()
            });
            if lost {
                self.be_patient();
                self.let_go(at);
            }
        }
        if self.parts.iter().any(Part::is_orphan) {
            self.assign();
            self.send();
        }
    }

    /// Nobody tells that part any more.
    fn let_go(&mut self, at: usize) {
        if let Some(mut live) = self.parts.get_mut(at).and_then(Part::let_go) {
            live.rest();
            self.spare.get_or_insert(live);
        }
    }

    /// Finds who tells what nobody tells, where there is somebody. Where there are only others than could go on
    /// behind what the reader has, all begins anew.
    fn assign(&mut self) {
        let orphans = self.parts.extract_if(.., |part| part.is_orphan());
        let orphans: Vec<Part> = orphans.collect();
        let served = served_here(&self.cluster);
        for orphan in orphans {
            let is_here = orphan.partitions.difference(&served).is_empty();
            if is_here && orphan.can_go_on_at(self.cluster.me) && !self.gives_up(&orphan) {
                self.have_told(self.cluster.me, orphan);
                continue;
            }
            let mut tellers: BTreeMap<Option<NodeId>, PartitionSet> = BTreeMap::new();
            for partition in orphan.partitions.iter() {
                match self.teller(partition, &orphan) {
                    Teller::Is(node) => tellers.entry(Some(node)).or_default().insert(partition),
                    Teller::Missing => tellers.entry(None).or_default().insert(partition),
                    Teller::CannotGoOn => return self.begin_anew(),
                };
            }
            for (node, partitions) in tellers {
                let part = orphan.split(partitions);
                match node {
                    None => self.parts.push(part),
                    Some(node) => self.have_told(node, part),
                }
            }
        }
    }

    /// Who is to tell a partition.
    fn teller(&self, partition: Partition, part: &Part) -> Teller {
        let me = self.cluster.me;
        let mut serving = match self.cluster.is_alone() {
            true => vec![me],
            false => self.cluster.view().serving(partition),
        };
        // Nearest first, but for those that have ended at once.
        serving.sort_by_key(|node| (part.ended_by.contains(node), *node != me));
        let can = |node: &NodeId| part.can_go_on_at(*node);
        let reached = |node: &NodeId| *node == me || self.cluster.reaches(*node);
        let teller = serving.iter().find(|node| can(node) && reached(node));
        if let Some(node) = teller.filter(|_| !self.gives_up(part)) {
            return Teller::Is(*node);
        }
        let somebody_is_there = serving.iter().any(reached);
        // Who can may come back in a moment.
        let is_over = Instant::now() >= self.patient_until || !serving.iter().any(can);
        if part.standing.is_some() && somebody_is_there && is_over {
            Teller::CannotGoOn
        } else {
            Teller::Missing
        }
    }

    /// Whether it was tried for long enough that somebody goes on behind what the reader has.
    fn gives_up(&self, part: &Part) -> bool {
        !part.refused_by.is_empty() && Instant::now() >= self.patient_until
    }

    /// Has a node tell a part, together with what of it that node tells already.
    fn have_told(&mut self, node: NodeId, mut part: Part) {
        let me = self.cluster.me;
        let theirs = self.parts.iter().position(|it| it.is_told_by(node, me));
        if let Some(at) = theirs
            && let Some(other) = self.parts.get_mut(at)
        {
            other.look_where_it_idles();
            if let Some(joined) = part.joined(other, node) {
                self.let_go(at);
                self.parts.swap_remove(at);
                part = joined;
            }
        }
        part.is_late |= !part.state_is_told && part.standing.is_none() && self.has_sent_state();
        part.is_asked_for();
        if node == me {
            self.tell_here(&mut part)
        } else {
            self.watch(node, &mut part)
        }
        self.parts.push(part);
    }

    /// The state has gone out so far that a part which begins with its own comes late.
    fn has_sent_state(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.through.is_some())
    }

    fn tell_here(&mut self, part: &mut Part) {
        let spare = self.spare.take();
        let live = spare.map_or_else(|| self.streams.take_on(Arc::clone(&self.selection)), Ok);
        let Ok(mut live) = live else {
            // Too many streams: later, perhaps.
            return;
        };
        let start = match part.cursor(self.name()) {
            None if part.state_is_told => Start::Now,
            None => Start::State { reset: false },
            Some(cursor) => match Resumed::here(&*self.cluster.store, &cursor) {
                Some(resumed) => {
                    self.count_resumed();
                    Start::Behind(resumed)
                }
                None => {
                    let cluster = Arc::clone(&self.cluster);
                    let partitions = Arc::clone(&part.partitions);
                    let reaching = async move { resume(&cluster, &partitions, &cursor).await };
                    part.source = Source::Reaching(live, reaching.boxed());
                    return;
                }
            },
        };
        live.start(start, Arc::clone(&part.partitions));
        part.source = Source::Own(live);
    }

    fn watch(&self, node: NodeId, part: &mut Part) {
        let Some(link) = self.cluster.peer(node).and_then(|peer| peer.link(Channel::Data)) else {
            return;
        };
        let ask = match part.cursor(self.name()) {
            None if part.state_is_told => Ask::Changes,
            None => Ask::State,
            Some(mut cursor) => {
                cursor.claims.keep(CURSOR_CLAIMS_BESIDE_MAX, |claimed| claimed == node);
                Ask::Behind(begin::id(&cursor))
            }
        };
        let watches = &self.cluster.watches;
        let watching = watches.begin((node, link), &self.selection, &part.partitions, &ask);
        part.source = Source::Other(watching);
    }
}

/// Who is to tell a partition.
enum Teller {
    Is(NodeId),
    /// Nobody is there who could.
    Missing,
    /// Those that are there cannot go on behind what the reader has.
    CannotGoOn,
}

/// One item of this node's feed.
fn batch_of(live: &mut LiveStream, item: Local) -> Option<Batch> {
    let place = item.place?;
    let told = live.told(&place);
    let from = From { claims: live.claims(&place).clone(), told };
    let is_state = place.state_through.is_some();
    let (records, is_ready) = match item.event {
        Event::Change(stored) => (vec![stored], false),
        _ => (Vec::new(), true),
    };
    Some(Batch { records, is_state, is_ready, from })
}

/// Where the records lie that are followed.
fn partitions_of(selection: &Selection) -> PartitionSet {
    let mut partitions = PartitionSet::default();
    for selector in selection.selectors() {
        match selector {
            Selector::Prefix(..) => return PartitionSet::all(),
            Selector::Key(table, key) => {
                partitions.insert(Partition::of(&RecordName::new(table, key)));
            }
        }
    }
    partitions
}

/// A node alone holds everything.
fn served_here(cluster: &Cluster) -> PartitionSet {
    if cluster.is_alone() {
        return PartitionSet::all();
    }
    cluster.view().own().map(|own| own.serves.clone()).unwrap_or_default()
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("selection", &self.selection).finish_non_exhaustive()
    }
}
