//! What clients do: a few keys, many sessions, all kinds of requests.
//!
//! | keys | asked |
//! | --- | --- |
//! | `k…` | as by default, with some at `one`, some conditional, patches, deletes, lists |
//! | `p…` | plain writes and reads as by default |
//! | `q…` | plain writes and reads at `quorum` |
//! | `c…` | conditional writes, and reads, at `quorum` |
//! | `r…` | `relaxed` writes |
//! | `e…` | records that expire |
//! | `i…` | with idempotency keys, repeated at other nodes until something is known |
//! | `o…` | written once, some of them `relaxed` in a burst, some deleted; read, and listed: what is missed of them, or rots, nothing hides |
//!
//! In the long form other keys of each kind take their place as time goes on ([`Keys`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dynarust_core::{Consistency, Version};
use dynarust_history::{Action, Durability, Guard, Operation, Outcome, Seen};
use tokio::time::{Instant, sleep};

use crate::client::{Asked, Client, WriteIds};
use crate::dice::Dice;
use crate::network::Socket;
use crate::recorder::Recorder;

/// The first keys of each kind.
const KINDS: [&str; 13] =
    ["k0", "k1", "k2", "k3", "p0", "p1", "q0", "q1", "c0", "c1", "r0", "e0", "i0"];
/// How long keys are in use. What searches for an order of all that was done to a key must come to an end.
const IN_USE: Duration = Duration::from_secs(30);
/// How many of a hundred requests are for a key that was in use before.
const EARLIER_PERCENT: u32 = 10;
/// Between two requests of a session.
const PAUSE_MILLIS_MAX: u64 = 120;
/// How many of a hundred requests are for a key that is written once.
const ONCE_PERCENT: u32 = 10;
/// How many of a hundred of those read what was written.
const ONCE_READ_PERCENT: u32 = 20;
/// How many list all of it.
const ONCE_LISTED_PERCENT: u32 = 10;
/// How many such keys there are a second, at most, while the short form lasts, and how many in two seconds from then on.
const ONCE_PER_SECOND_MAX: u64 = 6;
const ONCE_OFTEN_SECONDS: u64 = 20;
/// How many of them come at once, at most.
const BURST_MAX: u64 = 12;
/// How often a request with an idempotency key is repeated.
const REPEATS_MAX: usize = 4;
const SECOND_NANOS: u64 = 1_000_000_000;

/// Which keys are in use, from the moment at which clients began.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    began: Instant,
    /// How many there are that are written once.
    once: Arc<AtomicU64>,
}

impl Keys {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), once: Arc::default() }
    }

    fn generation(&self) -> u64 {
        self.began.elapsed().as_secs() / IN_USE.as_secs()
    }

    /// One of those that are in use, or, now and then, that were: but not one of those of which each
    /// request counts for its order.
    fn any(&self, dice: &mut Dice) -> Option<String> {
        let kind = dice.one(&KINDS)?;
        let mut generation = self.generation();
        if generation > 0 && !kind.starts_with('c') && dice.percent(EARLIER_PERCENT) {
            generation = dice.between(0, generation);
        }
        Some(key(kind, generation))
    }

    /// One that may be at rest: one of those that were in use so long ago, or one that was written once.
    pub(crate) fn at_rest(&self, number: usize, ago: Duration) -> String {
        if let Some(number) = number.checked_sub(KINDS.len()) {
            let written = self.once.load(Ordering::Relaxed);
            return once(written * number as u64 / (AT_REST_COUNT - KINDS.len()) as u64);
        }
        self.earlier(number, ago)
    }

    fn earlier(&self, kind: usize, ago: Duration) -> String {
        let generation = self.began.elapsed().saturating_sub(ago).as_secs() / IN_USE.as_secs();
        key(KINDS.get(kind).copied().unwrap_or("k0"), generation)
    }

    /// One of those that were written once.
    fn written_once(&self, dice: &mut Dice) -> Option<String> {
        let written = self.once.load(Ordering::Relaxed);
        (written > 0).then(|| once(dice.between(0, written)))
    }

    /// One that nobody has used, where there is room for more.
    fn once(&self) -> Option<String> {
        let seconds = self.began.elapsed().as_secs();
        let often = seconds.min(ONCE_OFTEN_SECONDS);
        let room = often * ONCE_PER_SECOND_MAX + (seconds - often) / 2;
        let number = self.once.load(Ordering::Relaxed);
        (number < room).then(|| once(self.once.fetch_add(1, Ordering::Relaxed)))
    }

    /// All that were ever in use.
    pub(crate) fn all(&self) -> impl Iterator<Item = String> + use<> {
        let generations = 0..=self.generation();
        let kinds = generations.flat_map(|it| KINDS.iter().map(move |kind| key(kind, it)));
        kinds.chain((0..self.once.load(Ordering::Relaxed)).map(once))
    }
}

fn once(number: u64) -> String {
    format!("o{number}")
}

/// How many keys [`Keys::at_rest`] tells apart.
pub(crate) const AT_REST_COUNT: usize = 4 * KINDS.len();

fn key(kind: &str, generation: u64) -> String {
    if generation == 0 { kind.to_owned() } else { format!("{kind}.{generation}") }
}

/// One session, at work until that moment.
pub(crate) struct Session {
    client: Client,
    dice: Dice,
    ids: Arc<WriteIds>,
    recorder: Arc<Recorder>,
    nodes: Vec<usize>,
    node: usize,
    number: u32,
    keys: Keys,
    /// One that it has written once.
    written: Option<String>,
    /// The newest version that it saw of a key.
    seen: BTreeMap<String, Version>,
}

impl Session {
    pub(crate) fn new(
        number: u32,
        socket: Socket,
        dice: Dice,
        ids: &Arc<WriteIds>,
        recorder: &Arc<Recorder>,
        nodes: Vec<usize>,
        keys: &Keys,
    ) -> Self {
        let client = Client::new(number, socket);
        let (ids, recorder) = (Arc::clone(ids), Arc::clone(recorder));
        let mut dice = dice;
        let node = dice.one(&nodes).unwrap_or(0);
        let (keys, seen) = (keys.clone(), BTreeMap::new());
        Self { client, dice, ids, recorder, nodes, node, number, keys, written: None, seen }
    }

    pub(crate) async fn work(mut self, until: Instant) {
        while Instant::now() < until {
            sleep(Duration::from_millis(self.dice.between(1, PAUSE_MILLIS_MAX))).await;
            if self.dice.percent(ONCE_PERCENT) {
                self.once().await;
                continue;
            }
            let Some(key) = self.keys.any(&mut self.dice) else {
                return;
            };
            let key = key.as_str();
            match key.as_bytes().first() {
                Some(b'p') => self.plain(key, None).await,
                Some(b'q') => self.plain(key, Some(Consistency::Quorum)).await,
                Some(b'c') => self.guarded(key).await,
                Some(b'r') => self.relaxed(key).await,
                Some(b'e') => self.expiring(key).await,
                Some(b'i') => self.repeated(key).await,
                _ => self.usual(key).await,
            }
        }
    }

    async fn usual(&mut self, key: &str) {
        let (action, consistency) = match self.dice.between(0, 100) {
            0..35 => (self.put(Guard::None), None),
            35..60 => (Action::Get, None),
            60..70 => (Action::Delete { guard: Guard::None }, None),
            70..80 => (self.conditional(key), None),
            80..86 => (Action::Patch { id: self.ids.next(), guard: Guard::None }, None),
            86..92 => (Action::Get, Some(Consistency::One)),
            92..95 => (Action::Get, Some(Consistency::Quorum)),
            _ => {
                self.ask("k", Action::Scan, None, Durability::Sync).await;
                return;
            }
        };
        self.ask(key, action, consistency, Durability::Sync).await;
    }

    async fn plain(&mut self, key: &str, consistency: Option<Consistency>) {
        let action = if self.dice.percent(50) { self.put(Guard::None) } else { Action::Get };
        self.ask(key, action, consistency, Durability::Sync).await;
    }

    async fn guarded(&mut self, key: &str) {
        let action = if self.dice.percent(60) { self.conditional(key) } else { Action::Get };
        self.ask(key, action, Some(Consistency::Quorum), Durability::Sync).await;
    }

    async fn relaxed(&mut self, key: &str) {
        let action = if self.dice.percent(60) { self.put(Guard::None) } else { Action::Get };
        self.ask(key, action, None, Durability::Relaxed).await;
    }

    async fn expiring(&mut self, key: &str) {
        let action = if self.dice.percent(40) {
            let ttl = Some(self.dice.between(1, 4) * SECOND_NANOS);
            Action::Put { id: self.ids.next(), guard: Guard::None, ttl }
        } else {
            Action::Get
        };
        self.ask(key, action, None, Durability::Sync).await;
    }

    async fn once(&mut self) {
        if let Some(key) = self.written.take_if(|_| self.dice.percent(20)) {
            self.ask(&key, Action::Delete { guard: Guard::None }, None, Durability::Sync).await;
            return;
        }
        if self.dice.percent(ONCE_READ_PERCENT)
            && let Some(key) = self.keys.written_once(&mut self.dice)
        {
            self.ask(&key, Action::Get, None, Durability::Sync).await;
            return;
        }
        if self.dice.percent(ONCE_LISTED_PERCENT) {
            self.ask("o", Action::Scan, None, Durability::Sync).await;
            return;
        }
        let (count, durability) = match self.dice.percent(40) {
            true => (self.dice.between(1, BURST_MAX), Durability::Relaxed),
            false => (1, Durability::Sync),
        };
        for _ in 0..count {
            let Some(key) = self.keys.once() else { return };
            let put = self.put(Guard::None);
            self.ask(&key, put, None, durability).await;
            self.written = Some(key);
        }
    }

    async fn repeated(&mut self, key: &str) {
        let action = match self.dice.between(0, 3) {
            0 => Action::Get,
            1 => self.put(Guard::None),
            _ => Action::Patch { id: self.ids.next(), guard: Guard::None },
        };
        let keyed = action != Action::Get;
        let request_key = keyed.then(|| format!("{}-{}", self.number, self.dice.seed()));
        for _ in 0..REPEATS_MAX {
            let asked = Asked {
                node: self.node,
                key: key.to_owned(),
                action: action.clone(),
                consistency: None,
                durability: Durability::Sync,
                request_key: request_key.clone(),
            };
            let outcome = self.carry_out(key, asked).await;
            // A repeat that comes while the first one runs is no answer either.
            let open = matches!(
                outcome,
                Outcome::Indeterminate | Outcome::Refused { status: 409 | 503 | 0, .. }
            );
            if !keyed || !open {
                return;
            }
            sleep(Duration::from_millis(self.dice.between(1, 300))).await;
        }
    }

    fn put(&self, guard: Guard) -> Action {
        Action::Put { id: self.ids.next(), guard, ttl: None }
    }

    fn conditional(&mut self, key: &str) -> Action {
        let guard = match self.seen.get(key) {
            Some(version) if self.dice.percent(80) => Guard::Version(*version),
            _ if self.dice.percent(50) => Guard::Absent,
            _ => Guard::Exists,
        };
        if self.dice.percent(20) { Action::Delete { guard } } else { self.put(guard) }
    }

    async fn ask(
        &mut self,
        key: &str,
        action: Action,
        consistency: Option<Consistency>,
        durability: Durability,
    ) {
        let asked = Asked {
            node: self.node,
            key: key.to_owned(),
            action,
            consistency,
            durability,
            request_key: None,
        };
        self.carry_out(key, asked).await;
    }

    async fn carry_out(&mut self, key: &str, asked: Asked) -> Outcome {
        let operation: Operation = self.client.ask(asked).await;
        let outcome = operation.outcome.clone();
        match &outcome {
            Outcome::Acknowledged { version } | Outcome::Read(Seen::Value { version, .. }) => {
                self.seen.insert(key.to_owned(), *version);
            }
            Outcome::Refused { current: Some(version), .. } => {
                self.seen.insert(key.to_owned(), *version);
            }
            _ => {}
        }
        let fails = match &outcome {
            Outcome::Refused { status, .. } => matches!(status, 0 | 500..),
            Outcome::Indeterminate => true,
            _ => false,
        };
        self.recorder.operation(operation);
        // Mostly it stays where it is; another door may be better where this one failed.
        if (fails && self.dice.percent(70)) || self.dice.percent(10) {
            self.node = self.dice.one(&self.nodes).unwrap_or(self.node);
        }
        outcome
    }
}
