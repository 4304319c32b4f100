//! The network between nodes and clients, as TCP over a wire that takes time: bytes come late, not at all
//! while a link is cut, and in order; a connection ends by both of its sides, by a reset, or never.
//!
//! ```text
//! Socket::connect ─▶ Pipe there ─▶ End ◀─ Listening::accept
//!              End ◀─ Pipe back ◀─┘
//! ```
//!
//! What can happen to a message is what can happen to it on TCP: it is late, with all that follows it, or it
//! is lost with its connection. What one connection carries overtakes what another does.

mod pipe;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) use pipe::End;
use pipe::Pipe;
pub(crate) use socket::{Listening, Socket};

use crate::dice::Dice;
use crate::trace::Trace;

const PORT: u16 = 7000;
/// The first number of a client's host.
pub(crate) const CLIENTS_FROM: usize = 100;
/// On a link that has nothing.
const LATENCY_MILLIS_MAX: u64 = 3;

/// Where the node of that number is reached.
pub(crate) fn address_of(host: usize) -> SocketAddr {
    let last = u8::try_from(host + 1).unwrap_or(u8::MAX);
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), PORT))
}

pub(crate) fn host_at(address: &str) -> Option<usize> {
    let address: SocketAddr = address.parse().ok()?;
    (0..CLIENTS_FROM).find(|host| address_of(*host) == address)
}

/// What is wrong with the way from one host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weather {
    /// Nothing comes through.
    pub(crate) cut: bool,
    /// What comes takes up to so much longer.
    pub(crate) delay_millis_max: u64,
    /// So many of a hundred packets are lost, and come later.
    pub(crate) loss_percent: u32,
}

/// See the module.
pub(crate) struct Net {
    state: Mutex<State>,
    pub(crate) trace: Arc<Trace>,
}

struct State {
    dice: Dice,
    weather: BTreeMap<(usize, usize), Weather>,
    /// Hosts without power: nobody hears from them, not even that a connection has ended.
    dark: BTreeSet<usize>,
    listening: BTreeMap<usize, mpsc::UnboundedSender<End>>,
    /// Who waits for better weather.
    waiting: Vec<Waker>,
    pipes: Vec<Weak<Mutex<Pipe>>>,
    connections: u64,
}

impl Net {
    pub(crate) fn new(dice: Dice, trace: Arc<Trace>) -> Arc<Self> {
        let state = State {
            dice,
            weather: BTreeMap::new(),
            dark: BTreeSet::new(),
            listening: BTreeMap::new(),
            waiting: Vec::new(),
            pipes: Vec::new(),
            connections: 0,
        };
        Arc::new(Self { state: Mutex::new(state), trace })
    }

    /// What the way from one to the other is like from now on.
    pub(crate) fn set_weather(&self, from: usize, to: usize, weather: Weather) {
        let mut state = self.state.lock();
        if weather == Weather::default() {
            state.weather.remove(&(from, to));
        } else {
            state.weather.insert((from, to), weather);
        }
        state.wake();
    }

    /// All is well everywhere.
    pub(crate) fn clear_up(&self) {
        let mut state = self.state.lock();
        state.weather.clear();
        state.wake();
    }

    /// Nobody hears from the host any more.
    pub(crate) fn go_dark(&self, host: usize) {
        self.state.lock().dark.insert(host);
    }

    /// The host is there again, and knows nothing of any connection: who still holds one is told so.
    pub(crate) fn come_back(&self, host: usize) {
        let mut state = self.state.lock();
        if state.dark.remove(&host) {
            state.reset(|pipe| pipe.touches(host));
        }
        state.wake();
    }

    /// Breaks every connection between the two; what is under way is lost.
    pub(crate) fn reset(&self, one: usize, other: usize) {
        let mut state = self.state.lock();
        state.reset(|pipe| pipe.touches(one) && pipe.touches(other));
    }

    /// Whether anything comes through from one to the other.
    pub(crate) fn is_open(&self, from: usize, to: usize) -> bool {
        self.state.lock().is_open(from, to)
    }

    fn wake_when_open(&self, from: usize, to: usize, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if state.is_open(from, to) {
            return true;
        }
        state.waiting.push(waker.clone());
        false
    }

    /// How long the next packet takes.
    fn latency(&self, from: usize, to: usize) -> Duration {
        let mut state = self.state.lock();
        let weather = state.weather.get(&(from, to)).copied().unwrap_or_default();
        let mut millis = state.dice.between(0, LATENCY_MILLIS_MAX);
        millis += state.dice.between(0, weather.delay_millis_max);
        // Sent again, each time later.
        let mut again = 200;
        while weather.loss_percent > 0 && state.dice.percent(weather.loss_percent) && again < 5000 {
            millis += again;
            again *= 2;
        }
        Duration::from_millis(millis)
    }
}

impl State {
    fn is_open(&self, from: usize, to: usize) -> bool {
        let cut = self.weather.get(&(from, to)).is_some_and(|weather| weather.cut);
        !cut && !self.dark.contains(&from) && !self.dark.contains(&to)
    }

    fn wake(&mut self) {
        std::mem::take(&mut self.waiting).into_iter().for_each(Waker::wake);
    }

    fn reset(&mut self, which: impl Fn(&Pipe) -> bool) {
        self.pipes.retain(|pipe| pipe.strong_count() > 0);
        for pipe in self.pipes.iter().filter_map(Weak::upgrade) {
            let mut pipe = pipe.lock();
            if which(&pipe) {
                pipe.break_off();
            }
        }
    }
}
