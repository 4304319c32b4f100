//! A reader's stream in parts: each is told by one node that holds it, by this one where it does.
//!
//! ```text
//! this node's feed ─▶ LiveStream ─▶ some partitions ───┐
//! owner A ─▶ Watching ─▶ some of the others ───────────┼─▶ Parts ─▶ reader
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

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dynarust_core::limits::{RESUME_MILLIS_MAX, WATCH_RETRY_MILLIS};
use dynarust_core::{Partition, RecordName, StreamCursor};
use dynarust_store::ReadError;
use tokio::time::{Instant, Sleep, sleep_until};

use super::begin::{self, Begin, RESET_ID, Resumed, Start};
use super::event::{Event, Item, Local};
use super::followed::Followed;
use super::live_stream::LiveStream;
use super::part::{From, Part, Source, Standing};
use super::watching::{Batch, Tidings};
use super::whole::Whole;

const RETRY: Duration = Duration::from_millis(WATCH_RETRY_MILLIS);

/// See the module.
pub(super) struct Parts {
    pub(super) followed: Followed,
    pub(super) parts: Vec<Part>,
    /// While no part is told by this node: it hears when streams end.
    pub(super) spare: Option<LiveStream>,
    /// The state goes out, up to this name so far.
    pub(super) state: Option<StateSoFar>,
    /// Parts that begin with nothing begin with the state.
    tells_state: bool,
    ready_is_told: bool,
    /// Until then nobody gives up that somebody comes who can go on.
    pub(super) patient_until: Instant,
    /// Then it is looked again who tells what nobody tells.
    look_again_at: Instant,
    /// While there is something that nobody tells.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whose turn it is to be heard first.
    turn: usize,
    out: Vec<Item>,
    ended: bool,
}

/// How far the state has gone out.
#[derive(Debug, Default)]
pub(super) struct StateSoFar {
    pub(super) through: Option<RecordName>,
}

/// What happened.
enum Step {
    /// This node tells something of that part; or of none, where there is none that it tells.
    Own(Option<usize>, Result<Option<Vec<Local>>, ReadError>),
    Reached(usize, Option<Resumed>),
    Told(usize, Tidings),
    Changed,
}

impl Parts {
    /// `spare` is a stream of this node that rests.
    pub(super) fn begin(followed: Followed, spare: LiveStream, begin: Begin) -> Self {
        let mut parts = Self::of(followed, begin == Begin::State);
        parts.spare = Some(spare);
        parts.be_patient();
        parts.begin_with(begin);
        parts
    }

    /// All of it told by this node, up to the present.
    pub(super) fn of_whole(followed: Followed, live: LiveStream, standing: Standing) -> Self {
        let partitions = followed.partitions();
        let mut parts = Self::of(followed, true);
        parts.ready_is_told = true;
        parts.parts.push(Part::whole(partitions, live, standing));
        parts.look_again();
        parts
    }

    fn of(followed: Followed, tells_state: bool) -> Self {
        Self {
            followed,
            // One, mostly.
            parts: Vec::with_capacity(1),
            spare: None,
            state: None,
            tells_state,
            ready_is_told: false,
            patient_until: Instant::now(),
            look_again_at: Instant::now() + RETRY,
            timer: None,
            turn: 0,
            out: Vec::new(),
            ended: false,
        }
    }

    /// Whether all is told by this node, and nothing is left but to tell what comes.
    pub(super) fn is_settled(&self) -> bool {
        let is_told = self.ready_is_told && self.state.is_none() && self.out.is_empty();
        let is_one = matches!(self.parts.as_slice(), [part] if part.is_settled());
        is_told && is_one && self.spare.is_none() && !self.ended
    }

    /// None where it is not settled.
    pub(super) fn into_whole(mut self) -> Option<Whole> {
        let (live, standing) = self.parts.pop()?.into_whole()?;
        Some(Whole::new(self.followed, live, &standing))
    }

    fn begin_with(&mut self, begin: Begin) {
        let cursor = match begin {
            Begin::State => {
                self.state = Some(StateSoFar::default());
                None
            }
            Begin::Changes => None,
            Begin::After(id) => match begin::read(&id, &self.followed.selection) {
                Some(cursor) if !self.followed.is_too_old(&cursor) => Some(cursor),
                _ => return self.begin_anew(),
            },
        };
        let mut part = Part::new(self.followed.partitions(), !self.tells_state);
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

    /// All begins anew, and the reader is told.
    pub(super) fn begin_anew(&mut self) {
        for at in (0..self.parts.len()).rev() {
            self.let_go(at);
        }
        self.parts.clear();
        self.followed.streams.count_reset();
        self.out.push(Item { event: Event::Reset, id: RESET_ID.to_owned() });
        self.state = Some(StateSoFar::default());
        (self.tells_state, self.ready_is_told) = (true, false);
        self.be_patient();
        self.parts.push(Part::new(self.followed.partitions(), false));
        self.assign();
    }

    fn be_patient(&mut self) {
        self.patient_until = Instant::now() + Duration::from_millis(RESUME_MILLIS_MAX);
    }

    /// The next items, at least one; `None` once it has ended.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Item>>, ReadError>> {
        loop {
            if !self.out.is_empty() {
                self.followed.streams.count_events(self.out.len());
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

    /// The id that stands for all that was handed out.
    pub(super) fn cursor(&mut self) -> String {
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
        if !self.followed.may_have_peers() {
            return Poll::Pending;
        }
        if self.followed.has_changed() {
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
                    self.followed.streams.count_reset();
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
        let me = self.followed.cluster.me;
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
            self.followed.count_resumed();
        } else {
            part.refused_by.push(me);
            self.spare.get_or_insert(live);
            self.assign();
            self.send();
        }
    }

    fn take_told(&mut self, at: usize, tidings: Tidings) {
        match tidings {
            Tidings::Some(batch) => {
                if let Some(part) = self.parts.get_mut(at) {
                    let partitions = Arc::clone(&part.partitions);
                    let selection = &self.followed.selection;
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
        // What others tell gets ids that claim what all parts claim.
        self.parts.iter_mut().for_each(Part::look_where_it_idles);
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
        self.followed.id(self.standing())
    }

    /// What the reader has of all of it; none where that cannot be said.
    fn standing(&self) -> Option<Standing> {
        let of_part = |part: &Part| part.standing.clone().filter(|_| !part.is_late);
        let (first, others) = self.parts.split_first()?;
        let mut all = of_part(first)?;
        for part in others {
            let standing = of_part(part)?;
            all.claims = all.claims.both(&standing.claims);
            all.told = all.told.with(&standing.told);
        }
        all.state_through = match &self.state {
            None => None,
            // None where nothing of it was sent.
            Some(state) => Some(state.through.clone()?),
        };
        Some(all)
    }

    /// Something changed in the cluster, or it is time.
    fn look_again(&mut self) {
        self.look_again_at = Instant::now() + RETRY;
        // Others may have come to be followed, at which it could go on.
        self.parts.iter_mut().for_each(Part::look_where_it_idles);
        let served = self.followed.served_here();
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
    pub(super) fn let_go(&mut self, at: usize) {
        if let Some(mut live) = self.parts.get_mut(at).and_then(Part::let_go) {
            live.rest();
            self.spare.get_or_insert(live);
        }
    }
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
