//! A read from as many owners as was asked: the newest wins, and those that lag are repaired before the
//! answer (design section 7). Mostly it is enough to hear of the others that they have nothing newer (`confirm`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynarust_core::limits::{ASK_NEXT_MILLIS, COORDINATE_MILLIS_MAX, LOOK_AGAIN_MILLIS};
use dynarust_core::quorum;
use dynarust_core::{Consistency, NodeId, Partition, RecordName, RequestKey, Stamp, Stored};
use dynarust_store::{Arrival, Durability, Over, ReadError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use prost::Message;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::acks::replicas;
use crate::cluster::{Cluster, View};
use crate::following;
use crate::get::Found;
use crate::mesh::message::{Done, Entry, Failure, Read, ReadAnswer, Records, number, record_name};
use crate::mesh::{AskError, Channel, Reply};
use crate::{Node, RefusedRead};

/// What one owner says.
#[derive(Debug, Clone)]
pub(super) struct Said {
    owner: NodeId,
    pub(super) stamp: Option<Stamp>,
    /// The record, where it was asked for.
    pub(super) stored: Option<Arc<Stored>>,
    /// The request that became it, where the owner knows that still.
    pub(super) request: Option<RequestKey>,
    pub(super) behind: bool,
}

impl Node {
    /// What a key holds, raw: from as many owners as the consistency asks for, all of which have it then.
    pub(crate) async fn read_owners(
        &self,
        name: &RecordName,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Found, RefusedRead> {
        let cluster = &self.cluster;
        cluster.may_answer()?;
        if let Some(found) = self.read_confirmed(name, consistency).await {
            return Ok(found);
        }
        loop {
            let said = Gathering { cluster, name, consistency, deadline }.gather().await?;
            if let Some(found) = self.settle(name, said, deadline).await? {
                return Ok(found);
            }
            // Somebody went meanwhile: who is left is asked anew.
        }
    }

    /// What this node holds, where as many other owners as are asked confirm that they hold the same
    /// (`confirm`). None where that is not so, or not known soon: then they are asked what they hold.
    async fn read_confirmed(&self, name: &RecordName, consistency: Consistency) -> Option<Found> {
        let cluster = &self.cluster;
        let (view, partition) = (cluster.view(), Partition::of(name));
        if consistency == Consistency::One || !view.serves(partition) || cluster.is_behind() {
            return None;
        }
        let (owners, live) = owners(cluster, &view, partition);
        let needed = quorum::needed(consistency, owners, live.len()).ok()?;
        let mut asked = Vec::with_capacity(needed);
        for other in live.get(1..needed)? {
            let peer = cluster.peer(*other)?;
            peer.link(Channel::Data)?;
            asked.push((peer.confirming.ask(partition), peer));
        }
        let mut others = Vec::with_capacity(needed);
        for (said, peer) in asked {
            let patience = Duration::from_millis(ASK_NEXT_MILLIS);
            let newest = timeout(patience, said).await.ok()?.ok()?;
            let known = view.registry.get(peer.id)?.revision;
            let is_here = peer.taking.has(partition, newest.seq);
            if newest.behind || newest.revision > known || !is_here {
                return None;
            }
            others.push(peer.id);
        }
        let stored = match cluster.store.peek(name) {
            Some(stored) => Some(stored),
            // Why it cannot be read is told by who asks all.
            None => cluster.store.get(name.clone()).await.ok()?,
        };
        let is_there = |other: &NodeId| match &stored {
            Some(stored) => cluster.acks.has_all(*other, partition, stored.seq),
            None => true,
        };
        // What was dropped meanwhile is empty.
        let stands = others.iter().all(is_there) && cluster.view().serves(partition);
        stands.then(|| Found { stored, replicas: replicas(needed, owners) })
    }

    /// The newest of what was said, once all who said something have it. None where somebody could not be
    /// repaired.
    async fn settle(
        &self,
        name: &RecordName,
        (said, owners): (Vec<Said>, usize),
        deadline: Instant,
    ) -> Result<Option<Found>, RefusedRead> {
        let replicas = replicas(said.len(), owners);
        let newest = said.iter().map(|it| it.stamp).max().flatten();
        let Some(newest) = newest else {
            return Ok(Some(Found { stored: None, replicas }));
        };
        let lagging: Vec<_> = said.iter().filter(|it| it.stamp < Some(newest)).collect();
        let whole = said.iter().find(|it| it.stamp == Some(newest) && it.stored.is_some());
        let whole = whole.and_then(|it| Some((it.stored.clone()?, it.request.clone())));
        let (stored, request) = match whole {
            Some(whole) => whole,
            None => {
                let Some(holder) = said.iter().find(|it| it.stamp == Some(newest)) else {
                    return Ok(None);
                };
                match ask(&self.cluster, holder.owner, name, true, deadline).await {
                    Ok(Said { stored: Some(stored), request, .. }) => (stored, request),
                    _ => return Ok(None),
                }
            }
        };
        for lagging in lagging {
            let whole = (&*stored, request.as_ref());
            if !repair(&self.cluster, lagging.owner, whole, deadline).await {
                return Ok(None);
            }
        }
        Ok(Some(Found { stored: Some(stored), replicas }))
    }
}

impl Cluster {
    /// A node answers clients once it is a member, and only while its clock tells what has expired.
    pub(super) fn may_answer(&self) -> Result<(), RefusedRead> {
        if !self.is_ready() {
            Err(RefusedRead::NotReady)
        } else if self.is_fenced() {
            Err(RefusedRead::ClockSkew)
        } else {
            Ok(())
        }
    }
}

/// Asking owners until enough have answered.
struct Gathering<'a> {
    cluster: &'a Arc<Cluster>,
    name: &'a RecordName,
    consistency: Consistency,
    deadline: Instant,
}

impl Gathering<'_> {
    /// What they said, and how many owners there are.
    async fn gather(&self) -> Result<(Vec<Said>, usize), RefusedRead> {
        let partition = Partition::of(self.name);
        let mut said: BTreeMap<NodeId, Said> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut under_way = FuturesUnordered::new();
        let mut changes = self.cluster.changes();
        let mut next_at = Instant::now() + Duration::from_millis(ASK_NEXT_MILLIS);
        let mut hedged = false;
        loop {
            changes.mark_unchanged();
            let view = self.cluster.view();
            let (owners, live) = owners(self.cluster, &view, partition);
            let enough = quorum::needed(self.consistency, owners, live.len());
            let needed = enough.map_err(|lack| refused(lack.needed, lack.live))?;
            said.retain(|owner, _| live.contains(owner));
            let unsure = self.consistency != Consistency::One && said.values().any(|it| it.behind);
            let all_said = live.iter().all(|owner| said.contains_key(owner));
            if said.len() >= needed && (!unsure || all_said) {
                return Ok((said.into_values().collect(), owners));
            }
            let wanted = if unsure || hedged { live.len() } else { needed };
            for owner in live.iter().copied().take(wanted) {
                if asked.insert(owner) {
                    let whole = asked.len() == 1;
                    under_way.push(async move {
                        (owner, ask(self.cluster, owner, self.name, whole, self.deadline).await)
                    });
                }
            }
            tokio::select! {
                Some((owner, answer)) = under_way.next() => match answer {
                    Ok(answer) => { said.insert(owner, answer); }
                    Err(error) => {
                        self.after_failure(owner, error).await?;
                        asked.remove(&owner);
                        hedged = true;
                    }
                },
                _ = changes.changed() => {}
                () = sleep_until(next_at), if !hedged => {
                    hedged = true;
                    next_at = self.deadline;
                }
                () = sleep_until(self.deadline) => return Err(refused(needed, live.len())),
            }
        }
    }

    async fn after_failure(&self, owner: NodeId, error: AskError) -> Result<(), RefusedRead> {
        if owner == self.cluster.me {
            return Err(match error {
                AskError::Failed(Failure::Damaged) => {
                    ReadError::CorruptRecord(self.name.clone()).into()
                }
                AskError::Failed(Failure::Overloaded) => ReadError::Overloaded.into(),
                _ => ReadError::Base("it does not answer".into()).into(),
            });
        }
        // It is lost, or overloaded: not at once again.
        let pause = Instant::now() + Duration::from_millis(LOOK_AGAIN_MILLIS);
        sleep_until(pause.min(self.deadline)).await;
        Ok(())
    }
}

/// How many there are, and the live ones, this node first.
fn owners(cluster: &Cluster, view: &View, partition: Partition) -> (usize, Vec<NodeId>) {
    let owners = view.serving(partition);
    let count = owners.len();
    let mut live = owners;
    live.retain(|owner| cluster.liveness(*owner).is_live());
    // A stable sort: the order among the others stays.
    live.sort_by_key(|owner| *owner != cluster.me);
    (count, live)
}

fn refused(needed: usize, live: usize) -> RefusedRead {
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    RefusedRead::NotEnoughReplicas { needed: number(needed), live: number(live) }
}

/// Asks one owner, which may be this node.
async fn ask(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    name: &RecordName,
    whole: bool,
    deadline: Instant,
) -> Result<Said, AskError> {
    if owner == cluster.me {
        let read = cluster.get_own(name).await;
        let stored = read.map_err(|error| AskError::Failed(following::failure(error)))?;
        let stamp = stored.as_ref().map(|stored| stored.record.stamp());
        let request = stored.as_ref().and_then(|stored| cluster.store.request_at(stored.seq));
        return Ok(Said { owner, stamp, stored, request, behind: cluster.is_behind() });
    }
    let read = Read { name: Bytes::copy_from_slice(name.as_bytes()), whole, as_it_is: false };
    ask_other(cluster, owner, read, deadline).await
}

/// Asks another owner for the record, and that it does not mend what it has.
pub(super) async fn ask_as_it_is(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    name: &RecordName,
    deadline: Instant,
) -> Result<Said, AskError> {
    let read = Read { name: Bytes::copy_from_slice(name.as_bytes()), whole: true, as_it_is: true };
    ask_other(cluster, owner, read, deadline).await
}

async fn ask_other(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    read: Read,
    deadline: Instant,
) -> Result<Said, AskError> {
    let link = cluster.peer(owner).and_then(|peer| peer.link(Channel::Data));
    let link = link.ok_or(AskError::NotSent("there is no connection"))?;
    let asking = link.ask::<ReadAnswer>(number::READ, &read);
    let answer = timeout_at(deadline, asking).await.map_err(|_| AskError::Broken)??;
    let entry = match answer.entry {
        Some(entry) => Some(entry.understood().ok_or(AskError::Nonsense)?),
        None => None,
    };
    let stamp = entry.as_ref().map(|entry| entry.stamp);
    let request = entry.as_ref().and_then(|entry| entry.request.clone());
    let stored = entry.and_then(|entry| {
        let (name, seq) = (entry.name.clone(), entry.seq);
        entry.record.map(|record| Arc::new(Stored { name, seq, record }))
    });
    Ok(Said { owner, stamp, stored, request, behind: answer.behind })
}

/// Gives one owner, which may be this node, what it lacks.
pub(super) async fn repair(
    cluster: &Arc<Cluster>,
    owner: NodeId,
    (stored, request): (&Stored, Option<&RequestKey>),
    deadline: Instant,
) -> bool {
    cluster.figures.repaired_on_read();
    if owner == cluster.me {
        let arrival = Arrival {
            name: stored.name.clone(),
            record: stored.record.clone(),
            request: request.cloned(),
            fresh: false,
            over: Over::Older,
        };
        let taking = cluster.take_in(vec![arrival], Durability::Sync);
        return matches!(timeout_at(deadline, taking).await, Ok(Ok(_)));
    }
    let Some(link) = cluster.peer(owner).and_then(|peer| peer.link(Channel::Data)) else {
        return false;
    };
    let records = Records { entries: vec![Entry::of(stored, request)] };
    let asking = link.ask::<Done>(number::REPAIR, &records);
    matches!(timeout_at(deadline, asking).await, Ok(Ok(Done {})))
}

/// Answers a reader elsewhere.
pub(crate) async fn answer_read(cluster: Arc<Cluster>, body: Bytes) -> Reply {
    cluster.budget.clients_are_there();
    let read = Read::decode(body).map_err(|_| Failure::NotUnderstood)?;
    let name = record_name(&read.name).ok_or(Failure::NotUnderstood)?;
    if !cluster.view().serves(Partition::of(&name)) {
        return Err(Failure::NotServed);
    }
    let behind = cluster.is_behind();
    let stored = match cluster.store.peek(&name) {
        Some(stored) => Some(stored),
        None if read.as_it_is => cluster.store.get(name).await.map_err(following::failure)?,
        None => cluster.get_own(&name).await.map_err(following::failure)?,
    };
    let entry = stored.map(|stored| match read.whole {
        true => Entry::of(&stored, cluster.store.request_at(stored.seq).as_ref()),
        false => Entry::notice(&stored),
    });
    Ok(ReadAnswer { entry, behind }.encode_to_vec().into())
}

/// How long a read may take in all.
pub(crate) fn read_deadline() -> Instant {
    Instant::now() + Duration::from_millis(COORDINATE_MILLIS_MAX)
}
