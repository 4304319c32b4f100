//! A reader's stream, all of which is told by this node, up to the present: what is left is to tell what comes.

use std::task::{Context, Poll, ready};

use dynarust_store::ReadError;

use super::event::{Item, Local, Place};
use super::followed::Followed;
use super::live_stream::LiveStream;
use super::part::Standing;
use super::parts::Parts;

/// See the module.
pub(super) struct Whole {
    followed: Followed,
    live: LiveStream,
}

impl Whole {
    /// `live` tells what comes behind what the reader has.
    pub(super) fn new(followed: Followed, mut live: LiveStream, standing: &Standing) -> Self {
        live.claim(&standing.claims);
        Self { followed, live }
    }

    /// As [`super::Subscription::poll_next`].
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<Item>>, ReadError>> {
        let told = ready!(self.live.poll_next(context))?;
        Poll::Ready(Ok(told.map(|items| {
            self.followed.streams.count_events(items.len());
            let item = |Local { event, place }| Item { event, id: self.id(place.as_ref()) };
            items.into_iter().map(item).collect()
        })))
    }

    /// The id that stands for all that was handed out.
    pub(super) fn cursor(&mut self) -> String {
        let place = self.live.place();
        self.id(place.as_ref())
    }

    fn id(&mut self, place: Option<&Place>) -> String {
        self.followed.id(place.map(|place| self.live.standing(place)))
    }

    /// Whether this node does not hold all of it any more.
    pub(super) fn is_to_move(&mut self) -> bool {
        if !self.followed.may_have_peers() || !self.followed.has_changed() {
            return false;
        }
        // Others may have come to be followed, at which it could go on; later it may be too late to say so.
        if let Some(place) = self.live.place() {
            self.live.claims(&place);
        }
        !self.live.partitions().difference(&self.followed.served_here()).is_empty()
    }

    /// The same, told by whoever holds it.
    pub(super) fn into_parts(mut self) -> Parts {
        let standing = self.live.place().map(|place| self.live.standing(&place));
        // Where nothing can be said, nobody can go on, and all begins anew.
        Parts::of_whole(self.followed, self.live, standing.unwrap_or_default())
    }
}
