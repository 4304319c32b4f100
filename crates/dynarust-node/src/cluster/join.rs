//! How a node comes to be a member: it founds a cluster of one, joins another's, or returns to its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::{JOIN_TELL_MILLIS, PING_MILLIS, REDIAL_MILLIS_MAX, RETURN_MILLIS_MAX};
use dynarust_core::{ClusterId, Incarnation, Member, MemberState, PartitionSet, Registry};
use dynarust_store::Store;
use tokio::time::{Instant, sleep, timeout};

use super::note::Note;
use super::rejoin::{Completeness, Former, Holdings};
use super::state::Cluster;
use super::{ClusterConfig, Leftovers, View};
use crate::environment::Environment;
use crate::following::Positions;
use crate::mesh::{self, Channel, DialError, HandshakeError, Refusal};

/// Why a node takes no part in a cluster. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    /// What the folder remembers cannot be read.
    #[error(
        "what this folder remembers of its cluster cannot be read: it was written by a newer release"
    )]
    Note,
    /// Its folder belongs to a cluster of several.
    #[error("this folder is that of a member of a cluster of {members}: give CLUSTER_SECRET")]
    NoSecret {
        /// How many members it knows, itself included.
        members: usize,
    },
    /// It was removed, or evicted: this folder's id never comes back.
    #[error(
        "the cluster removed this node, or evicted it after it was down for long, or knows a later start of it"
    )]
    Gone {
        /// The address of another member, by which a new node could join.
        member: Option<String>,
        /// What is to become of what it holds.
        holdings: Holdings,
    },
    /// Its place in its cluster is taken.
    #[error("this node takes no part in its cluster any more: {reason}")]
    Excluded {
        /// Why.
        reason: String,
    },
    /// The cluster does not take it.
    #[error("cannot join {address}: {reason}")]
    Refused {
        /// Where it asked.
        address: String,
        /// Why not.
        reason: String,
    },
}

impl Cluster {
    /// A node's cluster, as its folder and what it is told have it. One that makes no sense is never ready,
    /// and [`Cluster::start`] tells why.
    pub(crate) fn begin(
        store: Arc<dyn Store>,
        environment: Environment,
        config: ClusterConfig,
    ) -> Arc<Self> {
        let me = store.position().node;
        let incarnation = Incarnation(store.stats().incarnation);
        let replication = config.replication;
        let (note, mut refused) = match store.kept().map(|bytes| Note::read(&bytes)) {
            None => (None, None),
            Some(Some(note)) => (Some(note), None),
            Some(None) => (None, Some(ClusterError::Note)),
        };
        let former = note.as_ref().filter(|it| it.registry.get(me).is_none()).map(Former::of);
        let completeness = Completeness::until(note.as_ref().map_or(0, |it| it.complete_until));
        let (cluster, mut registry, positions) = match note {
            Some(_) if former.is_some() => (None, Registry::default(), Positions::default()),
            Some(note) => (Some(note.cluster), note.registry, note.positions),
            None if config.join.is_none() && refused.is_none() => {
                (Some(ClusterId(rand::random())), Registry::default(), Positions::default())
            }
            None => (None, Registry::default(), Positions::default()),
        };
        let address = own_address(&config);
        let known = registry.get(me).cloned();
        let wanted = match known {
            Some(_) => View::of(me, cluster, registry.clone(), replication).wants(),
            None => PartitionSet::all(),
        };
        let leftovers = Leftovers::begin(&wanted, store.position().seq == 0);
        let founds = cluster.is_some() && known.is_none();
        let own = Member {
            id: me,
            incarnation,
            revision: 1,
            address,
            zone: config.zone.clone(),
            weight: config.weight,
            state: if founds { MemberState::Up } else { MemberState::Joining },
            serves: if founds { PartitionSet::all() } else { PartitionSet::default() },
            dropped: PartitionSet::default(),
        };
        registry.merge(match known {
            Some(known) => Member {
                // Until it is seen where it can be reached now.
                address: if config.derives_address() { known.address } else { own.address },
                // Started again before it had left, it stays.
                state: match known.state {
                    MemberState::Leaving => MemberState::Up,
                    state => state,
                },
                serves: known.serves,
                dropped: known.dropped,
                ..own
            },
            None => own,
        });
        let view = View::of(me, cluster, registry, replication);
        let others = former.as_ref().map_or(view.others().count(), |it| it.addresses.len());
        let members = others + 1;
        if config.secret.is_none() && (members > 1 || former.is_some()) {
            refused = Some(ClusterError::NoSecret { members });
        }
        let past = (completeness, former, leftovers);
        Self::new(store, environment, config, (view, positions), past, refused)
    }

    /// Begins to take part. What ends it is told by [`Cluster::failure`].
    pub(crate) fn start(self: &Arc<Self>) {
        if self.failure().borrow().is_some() {
            return;
        }
        if self.view().own().is_some_and(Member::is_gone) {
            // It left, or heard that it is gone, and is started again: nobody need be asked.
            return self.fail(self.gone());
        }
        let returns = !self.is_alone() && self.view().cluster.is_some();
        self.let_forget();
        self.note_due.is_due();
        self.spawn(Arc::clone(self).keep_notes());
        if self.config.secret.is_some() {
            self.spawn(Arc::clone(self).watch_clock());
            self.spawn(Arc::clone(self).evict_again());
            self.spawn(Arc::clone(self).move_again());
            self.spawn(Arc::clone(self).mend_again());
        }
        let cluster = Arc::clone(self);
        let hosts = self.hosts();
        if let Some(host) = hosts.first().cloned() {
            self.spawn(async move {
                // A member, too, asks first: where that node is of another cluster, nobody is met.
                let asked = cluster.dial_host(&host).await.err();
                if let Some(end) = asked.and_then(|error| cluster.ends_by(&host, &error)) {
                    return cluster.fail(end);
                }
                cluster.begin_returning(returns);
                if let Err(error) = cluster.ask_to_join(&hosts).await {
                    cluster.fail(error);
                }
            });
        } else if self.former.is_some() {
            self.fail(self.gone());
        } else {
            self.begin_returning(returns);
        }
        if self.view().cluster.is_some() && !returns {
            self.get_ready();
        }
    }

    /// Where it asks to be let in: none where it founds a cluster, or returns to its own.
    fn hosts(&self) -> Vec<String> {
        match (&self.config.join, &self.former) {
            (Some(join), _) => vec![join.clone()],
            (None, Some(former)) => former.addresses.clone(),
            (None, None) => Vec::new(),
        }
    }

    fn begin_returning(self: &Arc<Self>, returns: bool) {
        self.keep_peers();
        if returns {
            self.spawn(Arc::clone(self).return_to_others());
        }
    }

    /// Looks at each of the others once before it answers anybody: what they have may be newer than what it
    /// has, and its clock may be off from theirs.
    async fn return_to_others(self: Arc<Self>) {
        let mut changes = self.changes();
        let looked = async {
            while !self.others_are_tried() && changes.changed().await.is_ok() {}
            while !self.clocks_are_compared() || self.may_be_fenced() {
                sleep(Duration::from_millis(PING_MILLIS / 10)).await;
            }
        };
        let _ = timeout(Duration::from_millis(RETURN_MILLIS_MAX), looked).await;
        self.judge_clock();
        self.get_ready();
    }

    fn others_are_tried(&self) -> bool {
        let view = self.view();
        view.others().all(|member| self.peer(member.id).is_some_and(|peer| peer.is_tried()))
    }

    /// Asks the nodes at the addresses to be let in, again and again, until this node is a member.
    async fn ask_to_join(self: &Arc<Self>, hosts: &[String]) -> Result<(), ClusterError> {
        let mut tell_at = Instant::now();
        let mut changes = self.changes();
        for address in hosts.iter().cycle() {
            if self.has_met_others() {
                Arc::clone(self).return_to_others().await;
                return Ok(());
            }
            match self.dial_host(address).await {
                Ok(()) => {
                    // The members are told over the link.
                    let joined = changes.wait_for(|_| self.has_met_others());
                    let _ = timeout(Duration::from_millis(REDIAL_MILLIS_MAX), joined).await;
                    continue;
                }
                Err(error) => {
                    if let Some(end) = self.ends_by(address, &error) {
                        return Err(end);
                    }
                    if Instant::now() >= tell_at {
                        tracing::warn!("cannot join {address} yet, and tries again: {error}");
                        tell_at = Instant::now() + Duration::from_millis(JOIN_TELL_MILLIS);
                    }
                }
            }
            sleep(super::keep::jittered(REDIAL_MILLIS_MAX / 4)).await;
        }
        Ok(())
    }

    /// What a refusal by a host, or of it, means for this node, where it is of no use to ask again.
    fn ends_by(&self, host: &str, error: &DialError) -> Option<ClusterError> {
        match error {
            error if says_gone(error) => Some(self.gone()),
            DialError::Handshake(HandshakeError::Refused(Refusal::Old)) => {
                Some(self.is_too_old(host))
            }
            // The host is one that this node's cluster gave up. It hears so, and comes back as another.
            DialError::Handshake(HandshakeError::Refused(Refusal::Gone | Refusal::Outdated)) => {
                None
            }
            error => refusal_for_good(error)
                .map(|reason| ClusterError::Refused { address: host.to_owned(), reason }),
        }
    }

    /// It is a member among others, one of whom it has met in this start.
    fn has_met_others(&self) -> bool {
        let view = self.view();
        view.cluster.is_some()
            && view.others().any(|it| self.liveness(it.id) == super::Liveness::Up)
    }

    async fn dial_host(self: &Arc<Self>, address: &str) -> Result<(), DialError> {
        let Some(secret) = self.config.secret.clone() else {
            return Ok(());
        };
        let mut local = None;
        let greeting = |dialled: &mesh::Dialled| {
            local = Some(dialled.local.to_string());
            self.greeting(true, Some(dialled.remote.to_string()))
        };
        let judge = |met: &mesh::Greeting| self.judge_host(met);
        let channel = Channel::Data;
        let met = mesh::dial(&*self.network, address, channel, secret.as_bytes(), greeting, judge)
            .await?;
        self.learn_address(local.as_deref());
        let cluster = Arc::clone(self);
        self.spawn(async move { cluster.serve_link(met, Some(cluster.me)).await });
        Ok(())
    }

    /// A node whose cluster this one joins has told who its members are.
    pub(super) fn join(self: &Arc<Self>, cluster: ClusterId, members: Vec<Member>) {
        if self.hosts().is_empty() || members.iter().all(|member| member.id == self.me) {
            return;
        }
        tracing::info!(members = members.len(), "joined a cluster");
        // What it held alone it holds still; but it does not hold all of what the others have.
        self.change_own(|own| {
            own.state = MemberState::Joining;
            own.serves = PartitionSet::default();
        });
        // What others are to own is theirs, once they have read it here (`leftovers`).
        self.admit(cluster, members);
        // They are told of this node.
        self.change_own(|_| ());
    }

    /// Where others reach this node, where it listens everywhere and was not told: at the address at
    /// which one of them reached it, or from which it reached one of them.
    pub(super) fn learn_address(self: &Arc<Self>, seen: Option<&str>) {
        if !self.config.derives_address() {
            return;
        }
        let seen = seen.and_then(|seen| seen.parse::<SocketAddr>().ok());
        let Some(seen) = seen.filter(|seen| !seen.ip().is_unspecified()) else {
            return;
        };
        // The first that is seen counts, so that it does not change while the node runs.
        let port = self.config.listen.port();
        let address = SocketAddr::new(seen.ip(), port).to_string();
        if self.address_seen.set(()).is_ok() {
            tracing::info!("others reach this node at {address}");
            self.change_own(|own| own.address = address.into());
        }
    }
}

impl ClusterConfig {
    /// It listens everywhere, and was not told where it is reached.
    fn derives_address(&self) -> bool {
        self.advertise.is_none() && self.listen.ip().is_unspecified()
    }
}

fn own_address(config: &ClusterConfig) -> Arc<str> {
    match &config.advertise {
        Some(address) => address.as_str().into(),
        None => config.listen.to_string().into(),
    }
}

/// The cluster knows this node's id as gone, or a later start of it: the folder was restored.
pub(super) fn says_gone(error: &DialError) -> bool {
    matches!(
        error,
        DialError::Handshake(HandshakeError::RefusedByPeer(Refusal::Gone | Refusal::Outdated))
    )
}

/// Why it is of no use to ask again.
fn refusal_for_good(error: &DialError) -> Option<String> {
    match error {
        DialError::Handshake(
            HandshakeError::Refused(refusal) | HandshakeError::RefusedByPeer(refusal),
        ) if !refusal.passes() => Some(refusal.to_string()),
        DialError::NoSecret => Some(error.to_string()),
        _ => None,
    }
}
