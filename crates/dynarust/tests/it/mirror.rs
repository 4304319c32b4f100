//! A reader that keeps a [`Picture`] of what it follows, and checks each event as it comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::Client;
use crate::events::{Event, Events, Opening, Silence};
use crate::node::{PATIENCE, wait_for};
use crate::picture::Picture;

/// A record's value and version, as any reader sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) value: String,
    pub(crate) version: String,
}

/// All records of a table, read one by one.
pub(crate) fn table_of(client: &mut Client, table: &str) -> BTreeMap<String, Seen> {
    let keys = client.get(&format!("/{table}/keys")).unwrap().expect(200);
    let keys: Vec<String> = serde_json::from_slice(&keys.body).unwrap();
    let mut read = |key: String| {
        let answer = client.read(table, &key).unwrap().expect(200);
        (key, Seen { value: answer.value().to_owned(), version: answer.etag() })
    };
    keys.into_iter().map(&mut read).collect()
}

/// Follows one stream through cuts, and keeps a picture of what it tells.
#[derive(Debug)]
pub(crate) struct Mirror {
    address: SocketAddr,
    path: String,
    last_id: Option<String>,
    picture: Picture,
    pub(crate) events: u64,
    /// Resets after the first `ready`.
    pub(crate) resets: u32,
}

impl Mirror {
    /// A follower of one table, or of a part of it.
    pub(crate) fn new(address: SocketAddr, path: &str) -> Mirror {
        Mirror {
            address,
            path: path.to_owned(),
            last_id: None,
            picture: Picture::default(),
            events: 0,
            resets: 0,
        }
    }

    /// Opens the stream, resuming where it was cut; waits for a node that is away.
    pub(crate) fn connect(&self) -> Events {
        let opening = Opening { last_event_id: self.last_id.as_deref(), ..Opening::default() };
        let open = || Events::open_with(self.address, &self.path, opening).ok();
        wait_for("a node to follow", open)
    }

    /// It follows another node from now on.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Connects, takes this many events (fewer when the node goes away), and cuts.
    pub(crate) fn follow_for(&mut self, events: u32) {
        let mut stream = self.connect();
        for _ in 0..events {
            match stream.next_within(PATIENCE) {
                Ok(event) => self.take(&event),
                Err(Silence::Cut) => return,
                Err(Silence::Quiet) => panic!("silence from {}", self.path),
            }
        }
    }

    /// Connects and follows until the picture is the same as these records.
    pub(crate) fn follow_to(&mut self, table: &BTreeMap<String, Seen>) {
        let mut stream = self.connect();
        self.follow_on(&mut stream, table);
    }

    /// Follows an open stream until the picture is the same as these records. It may be cut only with
    /// `lagged`, and is resumed then.
    pub(crate) fn follow_on(&mut self, stream: &mut Events, table: &BTreeMap<String, Seen>) {
        let mut lagged = false;
        while !self.picture.is_whole() || !self.picture.is(table) {
            match stream.next_within(Duration::from_secs(20)) {
                Ok(event) => {
                    lagged = event.name == "lagged";
                    self.take(&event);
                }
                Err(Silence::Cut) if lagged => *stream = self.connect(),
                Err(silence) => {
                    let unlike: Vec<&String> = self.picture.unlike(table).collect();
                    panic!("{silence:?}, and these differ: {unlike:?}");
                }
            }
        }
    }

    pub(crate) fn been_ready(&self) -> bool {
        self.picture.been_ready
    }

    pub(crate) fn take(&mut self, event: &Event) {
        self.events += 1;
        assert!(!event.id.is_empty(), "without an id: {event:?}");
        self.last_id = Some(event.id.clone());
        match event.name.as_str() {
            "" => {
                let change = event.change();
                let taken = self.picture.take(change.key.clone(), change);
                taken.unwrap_or_else(|wrong| panic!("{wrong}: {event:?}"));
            }
            "ready" => self.picture.ready(),
            "reset" => {
                self.resets += u32::from(self.picture.been_ready);
                self.picture.reset();
            }
            "closing" | "lagged" => {}
            _ => panic!("an unknown event: {event:?}"),
        }
    }
}
