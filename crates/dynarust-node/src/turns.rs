//! Turns: those who want the same key one after the other get it in the order in which they came.
//!
//! Other keys never wait. Nothing is kept of a key that nobody wants, so there are never more entries
//! than callers.
//!
//! Only those who ask for a turn wait for one, unless somebody who has it presses for more: then those
//! who look ([`Turns::is_pressed`]) see it, and take a turn too. Looking costs a load where nobody
//! presses.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dynarust_core::RecordName;
use parking_lot::Mutex;
use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

/// See the module.
#[derive(Default)]
pub(crate) struct Turns {
    entries: Mutex<HashMap<RecordName, Entry>>,
    /// Keys that are pressed for.
    pressed: AtomicUsize,
}

#[derive(Default)]
struct Entry {
    /// Gives itself to those who wait in the order in which they came.
    key: Arc<FairMutex<()>>,
    /// Who waits, and who has it.
    callers: usize,
    /// Who has it presses.
    pressed: bool,
}

/// The turn of one caller; it ends when dropped.
pub(crate) struct Turn<'a> {
    _key: OwnedMutexGuard<()>,
    // Behind the guard, so that the key is free before its entry goes.
    caller: Caller<'a>,
}

struct Caller<'a> {
    turns: &'a Turns,
    name: &'a RecordName,
}

impl Turns {
    /// Waits for a turn at this key. Dropping the future gives the place in the queue up.
    pub(crate) async fn take<'a>(&'a self, name: &'a RecordName) -> Turn<'a> {
        let (key, caller) = self.enter(name);
        Turn { _key: key.lock_owned().await, caller }
    }

    /// Whether somebody has this key's turn, and presses.
    pub(crate) fn is_pressed(&self, name: &RecordName) -> bool {
        self.pressed.load(Ordering::Relaxed) > 0
            && self.entries.lock().get(name).is_some_and(|entry| entry.pressed)
    }

    fn enter<'a>(&'a self, name: &'a RecordName) -> (Arc<FairMutex<()>>, Caller<'a>) {
        let mut entries = self.entries.lock();
        let entry = entries.entry(name.clone()).or_default();
        entry.callers += 1;
        (Arc::clone(&entry.key), Caller { turns: self, name })
    }
}

impl Turn<'_> {
    /// Those who look shall wait for turns of their own, until this one ends.
    pub(crate) fn press(&self) {
        self.set_pressed(true);
    }

    fn set_pressed(&self, pressed: bool) {
        let Caller { turns, name } = &self.caller;
        if let Some(entry) = turns.entries.lock().get_mut(*name)
            && entry.pressed != pressed
        {
            entry.pressed = pressed;
            match pressed {
                true => turns.pressed.fetch_add(1, Ordering::Relaxed),
                false => turns.pressed.fetch_sub(1, Ordering::Relaxed),
            };
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.set_pressed(false);
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let mut entries = self.turns.entries.lock();
        if let Some(entry) = entries.get_mut(self.name) {
            entry.callers -= 1;
            if entry.callers == 0 {
                entries.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::poll_immediate;

    use super::*;

    fn name(key: &str) -> RecordName {
        RecordName::parse("t", key).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_given_in_the_order_of_the_callers_and_others_do_not_wait() {
        let turns = Turns::default();
        let (a, b) = (name("a"), name("b"));
        let first = turns.take(&a).await;
        let mut second = Box::pin(turns.take(&a));
        let mut third = Box::pin(turns.take(&a));
        assert!(poll_immediate(&mut second).await.is_none());
        assert!(poll_immediate(&mut third).await.is_none());
        assert!(turns.take(&b).now_or_never().is_some());
        drop(first);
        assert!(poll_immediate(&mut third).await.is_none());
        let second = poll_immediate(&mut second).await.unwrap();
        assert!(poll_immediate(&mut third).await.is_none());
        drop(second);
        assert!(poll_immediate(&mut third).await.is_some());
    }

    #[tokio::test]
    async fn a_key_is_pressed_for_as_long_as_the_turn_lasts() {
        let turns = Turns::default();
        let (a, b) = (name("a"), name("b"));
        let first = turns.take(&a).await;
        assert!(!turns.is_pressed(&a));
        first.press();
        first.press();
        assert!(turns.is_pressed(&a) && !turns.is_pressed(&b));
        let mut second = Box::pin(turns.take(&a));
        assert!(poll_immediate(&mut second).await.is_none());
        drop(first);
        assert!(!turns.is_pressed(&a));
        assert!(poll_immediate(&mut second).await.is_some());
        assert_eq!(turns.pressed.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_key_that_nobody_wants() {
        let turns = Turns::default();
        let a = name("a");
        let first = turns.take(&a).await;
        let mut given_up = Box::pin(turns.take(&a));
        assert!(poll_immediate(&mut given_up).await.is_none());
        drop(given_up);
        drop(first);
        assert!(turns.entries.lock().is_empty());
        assert!(turns.take(&a).now_or_never().is_some());
        assert!(turns.entries.lock().is_empty());
    }
}
