//! Readers of live streams: each follows some keys, is cut, and resumes, here or there, in this form or that.

mod form;

use std::sync::Arc;
use std::time::Duration;

use dynarust_history::{Connection, Follows, Stream, Told};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::TABLE;
use crate::dice::Dice;
use crate::network::Socket;
use crate::recorder::Recorder;
use crate::time;
use form::Form;

/// With nothing new for so long at the end, everything has come.
const QUIET: Duration = Duration::from_secs(5);

/// One reader.
pub(crate) struct Reader {
    pub(crate) number: u32,
    pub(crate) socket: Socket,
    pub(crate) dice: Dice,
    pub(crate) nodes: Vec<usize>,
    pub(crate) recorder: Arc<Recorder>,
    /// True once nothing is written any more, and the cluster has converged.
    pub(crate) over: watch::Receiver<bool>,
}

impl Reader {
    /// Follows, by as many connections as it takes, until all is over, and then to the end of what there is.
    pub(crate) async fn follow(mut self, end: Instant) {
        let follows = self.follows();
        let path = path(&follows);
        let mut stream =
            Stream { reader: self.number, follows, connections: Vec::new(), to_the_end: false };
        let mut node = self.dice.one(&self.nodes).unwrap_or(0);
        let mut last_id: Option<String> = None;
        loop {
            let last = *self.over.borrow();
            let stays = Duration::from_millis(self.dice.between(200, 12_000));
            let deadline = if last { end } else { Instant::now() + stays };
            let form = self.dice.one(&Form::ALL).unwrap_or(Form::Sse);
            let mut connection = Connection {
                node: u32::try_from(node).unwrap_or(u32::MAX),
                opened: time::nanos(),
                resumed: last_id.clone(),
                events: Vec::new(),
                until: None,
            };
            let quiet = self.read(node, &path, form, &mut connection, deadline, last).await;
            connection.until = Some(time::nanos());
            if !(last && quiet) && self.dice.percent(30) {
                self.lose_some(&mut connection);
            }
            let events = connection.events.iter().rev();
            last_id = events.map(|event| event.id.clone()).next().or(last_id);
            let came = !connection.events.is_empty();
            if came {
                self.recorder.count_streams(&format!("{}, {form:?}", kind(&stream.follows)), 1);
            }
            stream.connections.push(connection);
            stream.to_the_end = last && quiet;
            if Instant::now() >= end || (last && quiet) {
                break;
            }
            if self.dice.percent(if came { 30 } else { 80 }) {
                node = self.dice.one(&self.nodes).unwrap_or(node);
            }
            sleep(Duration::from_millis(self.dice.between(1, 500))).await;
        }
        self.recorder.stream(stream);
    }

    /// The last of what came did not come to be used: so every id is one that somebody may come back with.
    fn lose_some(&mut self, connection: &mut Connection) {
        let came = u64::try_from(connection.events.len()).unwrap_or(u64::MAX);
        let kept = self.dice.between(1, came.max(1));
        if kept < came {
            connection.events.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            connection.until = None;
        }
    }

    /// Of every kind there is one, where readers are enough.
    fn follows(&mut self) -> Follows {
        let key = self.dice.one(&["k0", "k1", "p0", "q0", "c0", "e0", "i0"]).unwrap_or_default();
        let prefix = self.dice.one(&["k0", "k", "e", "q", "i", "o"]).unwrap_or_default();
        match self.number % 4 {
            0 => Follows { keys: vec![key.to_owned()], prefixes: Vec::new() },
            1 => Follows::prefix(prefix),
            2 => Follows::prefix(""),
            _ => Follows { keys: vec![key.to_owned(), "p1".to_owned()], ..Follows::prefix(prefix) },
        }
    }

    /// Reads until the deadline, or the connection's end; whether it was, at the end, quiet for long enough
    /// behind `ready`.
    async fn read(
        &self,
        node: usize,
        path: &str,
        form: Form,
        connection: &mut Connection,
        deadline: Instant,
        last: bool,
    ) -> bool {
        let id = connection.resumed.as_deref();
        let opened = async { form.open(self.socket.dial(node).await.ok()?, path, id).await };
        let Ok(Some(mut source)) = timeout_at(deadline, opened).await else {
            return false;
        };
        loop {
            let ready = connection.events.iter().any(|event| event.what == Told::Ready);
            let quiet = Instant::now() + QUIET;
            let patience = if last && ready { deadline.min(quiet) } else { deadline };
            let mut over = self.over.clone();
            let came = tokio::select! {
                biased;
                came = timeout_at(patience, source.next()) => came,
                // The next connection is the last.
                _ = over.wait_for(|over| *over), if !last => return false,
            };
            match came {
                Ok(Some(events)) => connection.events.extend(events),
                Ok(None) => return false,
                Err(_) => return last && ready,
            }
        }
    }
}

/// What kind of stream follows that.
fn kind(follows: &Follows) -> &'static str {
    match (&follows.keys[..], &follows.prefixes[..]) {
        ([_], []) => "key",
        ([], [all]) if all.is_empty() => "table",
        ([], [_]) => "prefix",
        _ => "many",
    }
}

/// Where that is followed.
fn path(follows: &Follows) -> String {
    match (&follows.keys[..], &follows.prefixes[..]) {
        ([key], []) => format!("/{TABLE}/subscribe/{key}"),
        ([], [all]) if all.is_empty() => format!("/{TABLE}/subscribe"),
        ([], [prefix]) => format!("/{TABLE}/subscribe?prefix={prefix}"),
        (keys, prefixes) => {
            let keys = keys.iter().map(|key| format!("key={TABLE}/{key}"));
            let prefixes = prefixes.iter().map(|prefix| format!("prefix={TABLE}/{prefix}"));
            let all: Vec<String> = keys.chain(prefixes).collect();
            format!("/subscribe?{}", all.join("&"))
        }
    }
}
