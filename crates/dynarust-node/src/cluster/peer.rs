//! Another member, as this node reaches it: its links, and what follows from them (design section 5).
//!
//! There is one verdict: a member is up while there is a `data` link to it. One whose link broke a moment
//! ago is lost: it may be back at once, so requests wait for it, and nobody acts as if it were down.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{LOST_MILLIS_MAX, PING_MILLIS};
use dynarust_core::{Incarnation, NodeId, UnixMillis};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::coordinate::Confirming;
use crate::following::{Shipment, Taking, ToTell};
use crate::mesh::{Channel, Link};

/// How a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Liveness {
    /// There is a link on which it is heard.
    Up,
    /// The link broke a moment ago.
    Lost,
    /// It is not there.
    Down,
}

impl Liveness {
    /// Whether it counts among the live ones.
    pub(crate) fn is_live(self) -> bool {
        self != Self::Down
    }
}

/// See the module.
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    /// The lower id of the two ends.
    lower: NodeId,
    links: Mutex<Links>,
    /// This node's feed, as it goes to the peer.
    pub(crate) shipment: Shipment,
    /// The peer's feed, as it comes here.
    pub(crate) taking: Taking,
    /// What it is to hear of its writes.
    pub(crate) to_tell: ToTell,
    /// Reads that wait for the peer's word.
    pub(crate) confirming: Confirming,
}

struct Links {
    data: Option<Dialled>,
    bulk: Option<Dialled>,
    /// When the last data link broke, or the peer came to be known.
    lost: Instant,
    /// Its process is known to be gone.
    absent: bool,
    /// When something was last heard of it.
    heard: Option<UnixMillis>,
    /// There is a task that keeps its links.
    kept: bool,
    /// It was linked, or could not be reached, once in this start.
    tried: bool,
    /// Whether it was there, as far as the log was told.
    told: Option<bool>,
}

/// What the log is told of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It is there, for the first time in this start.
    Met,
    /// It was there, and is not.
    Lost,
    /// It is not there, and was not in this start.
    Missing,
    /// It was not there, and is.
    Back,
}

struct Dialled {
    link: Arc<Link>,
    /// The end that dialled.
    by: NodeId,
}

impl Dialled {
    /// Whether it may well be alive, and leads to that start of the peer.
    fn is_of_use_to(&self, incarnation: Incarnation) -> bool {
        !self.link.is_closed()
            && self.link.incarnation() == incarnation
            && self.link.silent_millis() < 2 * PING_MILLIS
    }
}

/// What became of a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installed {
    /// It is the link from now on.
    Taken,
    /// The one that is there stays.
    Superfluous,
}

impl Peer {
    pub(crate) fn new(me: NodeId, id: NodeId) -> Self {
        let links = Links {
            data: None,
            bulk: None,
            lost: Instant::now(),
            absent: false,
            heard: None,
            kept: false,
            tried: false,
            told: None,
        };
        Self {
            id,
            lower: me.min(id),
            links: Mutex::new(links),
            shipment: Shipment::default(),
            taking: Taking::default(),
            to_tell: ToTell::default(),
            confirming: Confirming::default(),
        }
    }

    pub(crate) fn liveness(&self) -> Liveness {
        let links = self.links.lock();
        if links.data.is_some() {
            return Liveness::Up;
        }
        let lately = links.lost.elapsed() < Duration::from_millis(LOST_MILLIS_MAX);
        if lately && !links.absent { Liveness::Lost } else { Liveness::Down }
    }

    /// What is to be told of it; only once.
    pub(super) fn news(&self) -> Option<News> {
        let is_up = match self.liveness() {
            Liveness::Up => true,
            Liveness::Down => false,
            Liveness::Lost => return None,
        };
        let told = self.links.lock().told.replace(is_up);
        match (told, is_up) {
            (None, true) => Some(News::Met),
            (None, false) => Some(News::Missing),
            (Some(false), true) => Some(News::Back),
            (Some(true), false) => Some(News::Lost),
            (Some(_), _) => None,
        }
    }

    /// When a peer that is lost now is to be looked at again.
    pub(crate) fn lost_until(&self) -> Instant {
        self.links.lock().lost + Duration::from_millis(LOST_MILLIS_MAX)
    }

    /// For how long there has been no link to it, in this start; none at all while there is one.
    pub(super) fn lost_for(&self) -> Duration {
        let links = self.links.lock();
        if links.data.is_some() { Duration::ZERO } else { links.lost.elapsed() }
    }

    pub(crate) fn link(&self, channel: Channel) -> Option<Arc<Link>> {
        self.links.lock().slot(channel).as_ref().map(|it| Arc::clone(&it.link))
    }

    /// When something was last heard of it.
    pub(crate) fn heard(&self, now: UnixMillis) -> UnixMillis {
        let links = self.links.lock();
        match &links.data {
            Some(data) => now.saturating_sub(data.link.silent_millis()),
            None => links.heard.unwrap_or(0),
        }
    }

    /// A link is there. Of two that were dialled from both ends at the same time both ends keep the one
    /// that the lower id dialled; a second one from the same end comes because the first is of no use.
    pub(crate) fn install(&self, link: &Arc<Link>, by: NodeId) -> Installed {
        let mut links = self.links.lock();
        let slot = links.slot(link.channel());
        if let Some(present) = slot
            && present.is_of_use_to(link.incarnation())
            && present.by != by
            && present.by == self.lower
        {
            return Installed::Superfluous;
        }
        if let Some(former) = slot.replace(Dialled { link: Arc::clone(link), by }) {
            former.link.close();
        }
        links.absent = false;
        links.tried = true;
        Installed::Taken
    }

    /// A link has ended. Whether it was the one in use.
    pub(crate) fn remove(&self, link: &Arc<Link>, now: UnixMillis) -> bool {
        let mut links = self.links.lock();
        let slot = links.slot(link.channel());
        let in_use = slot.as_ref().is_some_and(|it| Arc::ptr_eq(&it.link, link));
        if in_use {
            *slot = None;
            if link.channel() == Channel::Data {
                links.lost = Instant::now();
                links.heard = Some(now.saturating_sub(link.silent_millis()));
            }
        }
        in_use
    }

    /// Nobody listens at its address.
    pub(crate) fn is_absent(&self) {
        self.links.lock().absent = true;
    }

    /// Whether nobody kept its links yet.
    pub(crate) fn is_kept_from_now_on(&self) -> bool {
        !std::mem::replace(&mut self.links.lock().kept, true)
    }

    /// It could not be reached.
    pub(crate) fn was_tried(&self) {
        self.links.lock().tried = true;
    }

    /// Whether this start knows how it does.
    pub(crate) fn is_tried(&self) -> bool {
        self.links.lock().tried
    }

    /// It is a member no more.
    pub(crate) fn close(&self) {
        let mut links = self.links.lock();
        for channel in Channel::ALL {
            if let Some(former) = links.slot(channel).take() {
                former.link.close();
            }
        }
    }
}

impl Links {
    fn slot(&mut self, channel: Channel) -> &mut Option<Dialled> {
        match channel {
            Channel::Data => &mut self.data,
            Channel::Bulk => &mut self.bulk,
        }
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::Epoch;

    use super::*;

    #[test]
    fn the_log_is_told_once_and_not_of_a_link_that_is_made_anew() {
        let link = || Link::new((Incarnation(1), Epoch(1)), Channel::Data, Arc::default());
        let peer = Peer::new(NodeId(1), NodeId(2));
        assert_eq!(peer.news(), None, "it may come at once");
        peer.is_absent();
        assert_eq!((peer.news(), peer.news()), (Some(News::Missing), None));
        let first = link();
        assert_eq!(peer.install(&first, NodeId(1)), Installed::Taken);
        assert_eq!((peer.news(), peer.news()), (Some(News::Back), None));
        assert!(peer.remove(&first, 1_000));
        assert_eq!(peer.news(), None);
        let second = link();
        assert_eq!(peer.install(&second, NodeId(1)), Installed::Taken);
        assert_eq!(peer.news(), None);
        assert!(peer.remove(&second, 1_000));
        peer.is_absent();
        assert_eq!((peer.news(), peer.news()), (Some(News::Lost), None));
    }
}
