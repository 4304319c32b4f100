//! Keeping: for every member there is a task that sees to it that the links to it are there.
//!
//! Both ends dial. The one with the lower id does so at once, the other a little later, so that they
//! seldom meet half-way.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::Member;
use dynarust_core::limits::{REDIAL_MILLIS_MAX, REDIAL_MILLIS_MIN};
use tokio::time::{Instant, sleep, timeout};

use super::join::{ClusterError, says_gone};
use super::peer::Peer;
use super::state::Cluster;
use crate::mesh::{self, Channel, DialError, HandshakeError, Refusal};

impl Cluster {
    /// Begins to keep links to members that are new, and ends those to members that are gone.
    pub(super) fn keep_peers(self: &Arc<Self>) {
        let view = self.view();
        if self.config.secret.is_none() {
            return;
        }
        for member in view.others() {
            let peer = self.peer_or_new(member.id);
            if peer.is_kept_from_now_on() {
                let cluster = Arc::clone(self);
                self.spawn(async move { cluster.keep(peer).await });
            }
        }
        for peer in self.peers() {
            let gone = view
                .registry
                .get(peer.id)
                .is_some_and(|it| it.state == dynarust_core::MemberState::Gone);
            if gone {
                peer.close();
            }
        }
    }

    /// Ends when the peer is a member no more.
    async fn keep(self: Arc<Self>, peer: Arc<Peer>) {
        let mut changes = self.changes();
        let mut pause = REDIAL_MILLIS_MIN;
        let mut dialled = Dialled::default();
        let mut was_whole = false;
        loop {
            changes.mark_unchanged();
            let view = self.view();
            // Nobody takes this node back once it has left.
            let gone = view.own().is_some_and(Member::is_gone);
            let member = view.others().find(|member| member.id == peer.id && !gone);
            let Some(member) = member else {
                return;
            };
            let missing = Channel::ALL.into_iter().find(|it| peer.link(*it).is_none());
            let Some(channel) = missing else {
                was_whole = true;
                // Its sender is in `self`.
                let _ = changes.changed().await;
                continue;
            };
            let lasted = !dialled.lately(channel);
            if std::mem::take(&mut was_whole) && lasted {
                pause = REDIAL_MILLIS_MIN;
            }
            if !lasted {
                // It ended as soon as it was there, and so may the next.
                dialled.forget(channel);
                let _ = timeout(jittered(pause), linked(&mut changes, &peer, channel)).await;
                pause = (pause * 2).min(REDIAL_MILLIS_MAX);
                continue;
            }
            if self.me > peer.id && pause == REDIAL_MILLIS_MIN {
                sleep(jittered(2 * REDIAL_MILLIS_MIN)).await;
                if peer.link(channel).is_some() {
                    continue;
                }
            }
            let address = Arc::clone(&member.address);
            match self.dial_member(&peer, &address, channel).await {
                Ok(()) => dialled.note(channel),
                Err(error) => {
                    tracing::debug!(peer = %peer.id, %address, "not reached: {error}");
                    self.note_dial_error(&peer, &error);
                    // A link that the other end dialled is as good.
                    let pausing = jittered(pause);
                    let _ = timeout(pausing, linked(&mut changes, &peer, channel)).await;
                    pause = (pause * 2).min(REDIAL_MILLIS_MAX);
                }
            }
        }
    }

    async fn dial_member(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        address: &str,
        channel: Channel,
    ) -> Result<(), DialError> {
        let Some(secret) = self.config.secret.clone() else {
            return Ok(());
        };
        let mut local = None;
        let greeting = |dialled: &mesh::Dialled| {
            local = Some(dialled.local.to_string());
            self.greeting(false, Some(dialled.remote.to_string()))
        };
        let judge = |met: &mesh::Greeting| self.judge_member(peer.id, met);
        let met = mesh::dial(&*self.network, address, channel, secret.as_bytes(), greeting, judge)
            .await?;
        self.learn_address(local.as_deref());
        let cluster = Arc::clone(self);
        self.spawn(async move { cluster.serve_link(met, Some(cluster.me)).await });
        // Until it is installed, or was superfluous.
        let mut changes = self.changes();
        let installed = linked(&mut changes, peer, channel);
        let _ = timeout(Duration::from_millis(REDIAL_MILLIS_MAX), installed).await;
        Ok(())
    }

    fn note_dial_error(self: &Arc<Self>, peer: &Peer, error: &DialError) {
        peer.was_tried();
        match error {
            DialError::Absent => {
                peer.is_absent();
            }
            error if says_gone(error) => self.fail(self.gone()),
            DialError::Handshake(HandshakeError::RefusedByPeer(refusal @ Refusal::Cloned)) => {
                self.fail(ClusterError::Excluded { reason: refusal.to_string() });
            }
            _ => {}
        }
        self.say_how_it_does(peer);
        self.tell_change();
    }
}

/// Which channels this node dialled last, and when.
#[derive(Debug, Default)]
struct Dialled(Vec<(Channel, Instant)>);

impl Dialled {
    fn note(&mut self, channel: Channel) {
        self.forget(channel);
        self.0.push((channel, Instant::now()));
    }

    fn forget(&mut self, channel: Channel) {
        self.0.retain(|(it, _)| *it != channel);
    }

    /// Whether that was a moment ago.
    fn lately(&self, channel: Channel) -> bool {
        let moment = Duration::from_millis(REDIAL_MILLIS_MAX);
        self.0.iter().any(|(it, at)| *it == channel && at.elapsed() < moment)
    }
}

/// Waits until there is a link.
async fn linked(changes: &mut tokio::sync::watch::Receiver<u64>, peer: &Peer, channel: Channel) {
    while peer.link(channel).is_none() && changes.changed().await.is_ok() {}
}

/// Half of it, to one and a half times it.
pub(super) fn jittered(millis: u64) -> Duration {
    Duration::from_millis(millis / 2 + rand::random_range(0..=millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_link_that_was_dialled_a_moment_ago_is_known_by_its_channel() {
        let mut dialled = Dialled::default();
        dialled.note(Channel::Data);
        assert!(dialled.lately(Channel::Data) && !dialled.lately(Channel::Bulk));
        dialled.forget(Channel::Data);
        assert!(!dialled.lately(Channel::Data));
        dialled.note(Channel::Bulk);
        sleep(Duration::from_millis(REDIAL_MILLIS_MAX)).await;
        assert!(!dialled.lately(Channel::Bulk));
    }
}
