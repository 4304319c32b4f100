//! A stream of one node's feed with ids, as a reader of a node alone has it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dynarust_core::{PartitionSet, Selection, StreamCursor};
use dynarust_store::ReadError;

use crate::streams::begin::{self, RESET_ID, Resumed, Start};
use crate::streams::event::{Local, Place};
use crate::streams::live_stream::LiveStream;
use crate::streams::{Begin, Item, Streams, SubscribeError};

/// See the module.
#[derive(Debug)]
pub(super) struct Follower {
    live: LiveStream,
    selection: u32,
}

/// Begins one.
pub(super) trait Subscribe {
    fn subscribe(&self, selection: Selection, begin: Begin) -> Result<Follower, SubscribeError>;
}

impl Subscribe for Arc<Streams> {
    fn subscribe(&self, selection: Selection, begin: Begin) -> Result<Follower, SubscribeError> {
        let mut live = self.take_on(Arc::new(selection.clone()))?;
        let start = match begin {
            Begin::State => Start::State { reset: false },
            Begin::Changes => Start::Now,
            Begin::After(id) => {
                let resumed = begin::read(&id, &selection)
                    .and_then(|cursor| Resumed::here(self.store(), &cursor));
                resumed.map_or(Start::State { reset: true }, Start::Behind)
            }
        };
        live.start(start, Arc::new(PartitionSet::all()));
        Ok(Follower { live, selection: selection.fingerprint() })
    }
}

impl Follower {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Item>>, ReadError> {
        poll_fn(|context| self.poll_next(context)).await
    }

    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Item>>, ReadError>> {
        let items = ready!(self.live.poll_next(context))?;
        let mut item = |Local { event, place }| Item { event, id: self.id(place.as_ref()) };
        Poll::Ready(Ok(items.map(|items| items.into_iter().map(&mut item).collect())))
    }

    pub(super) fn cursor(&mut self) -> String {
        let place = self.live.place();
        self.id(place.as_ref())
    }

    fn id(&mut self, place: Option<&Place>) -> String {
        let Some(place) = place else {
            return RESET_ID.to_owned();
        };
        begin::id(&StreamCursor {
            claims: self.live.claims(place).clone(),
            told: [self.live.told(place)].into_iter().collect(),
            selection: self.selection,
            made: 0,
            state_through: place.state_through.clone(),
        })
    }
}
