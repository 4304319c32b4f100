//! A process: all tasks of a node, stopped, continued and killed together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use dynarust_node::Gate;
use parking_lot::Mutex;

use crate::time;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Process {
    state: Mutex<State>,
    dead: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    waiting: Vec<Waker>,
}

impl Process {
    /// As SIGSTOP.
    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
    }

    /// As SIGCONT.
    pub(crate) fn go_on(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.stopped = false;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// As SIGKILL: no task of it runs from now on, not even to its end.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

impl Gate for Process {
    fn poll_open(&self, context: &mut Context<'_>) -> Poll<()> {
        time::tell_thread();
        if self.is_dead() {
            // Whoever killed it ends its tasks.
            return Poll::Pending;
        }
        let mut state = self.state.lock();
        if state.stopped {
            state.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
