//! A write at one of the record's owners: it is published here, and shipped from here to the others.

use std::sync::Arc;
use std::time::Duration;

use dynarust_core::limits::COORDINATE_MILLIS_MAX;
use dynarust_core::quorum::{self, NotEnough};
use dynarust_core::{
    Condition, Consistency, NodeId, Partition, RecordName, Seq, Stored, Version, name_hash,
};
use dynarust_store::{Change, Write, Written};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::acks::{Stands, replicas};
use crate::cluster::Cluster;
use crate::write::{Acknowledged, decided};
use crate::{Found, Node, RefusedRead, RefusedWrite};

/// Which node may coordinate a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The one that is right.
    Any,
    /// This one, which was chosen by another.
    Here,
}

impl Node {
    /// Carries a write out over its owners. The call submits what this node can write at once.
    pub(crate) fn coordinate(
        &self,
        write: Write,
        consistency: Consistency,
        route: Route,
    ) -> BoxFuture<'_, Result<Acknowledged, RefusedWrite>> {
        let cluster = &self.cluster;
        if !cluster.is_ready() {
            return async { Err(RefusedWrite::NotReady) }.boxed();
        }
        if cluster.is_fenced() {
            return async { Err(RefusedWrite::ClockSkew) }.boxed();
        }
        let partition = Partition::of(&write.name);
        let deadline = Instant::now() + Duration::from_millis(COORDINATE_MILLIS_MAX);
        if needs_first_owner(&write) {
            return self.coordinate_in_order(write, consistency, route, deadline).boxed();
        }
        let view = cluster.view();
        if !view.serves(partition) {
            return self.forward_or_refuse(write, consistency, route, deadline).boxed();
        }
        if let Err(refused) = check_live(cluster, partition, consistency) {
            return async move { Err(refused) }.boxed();
        }
        let first = self.store.write(write.clone());
        async move {
            let written = first.await?;
            self.stand(write, written, consistency, deadline).await
        }
        .boxed()
    }

    /// A write that depends on what is there goes to the first live owner.
    async fn coordinate_in_order(
        &self,
        write: Write,
        consistency: Consistency,
        route: Route,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let partition = Partition::of(&write.name);
        let first = self.first_owner(partition);
        if route == Route::Any && first != Some(self.cluster.me)
            || !self.cluster.view().serves(partition)
        {
            return self.forward_or_refuse(write, consistency, route, deadline).await;
        }
        check_live(&self.cluster, partition, consistency)?;
        if let Some(request) = &write.request
            && let Some(first) = self.repeated(&write.name, request, consistency).await?
        {
            return Ok(first);
        }
        if write.condition != Condition::default() {
            return self.propose(write, consistency, deadline).await;
        }
        // What others have and this node lacks comes in.
        let read = self.read_owners(&write.name, consistency, deadline).await.map_err(of_read)?;
        let written = self.store.write(write.clone()).await?;
        if !matches!(written, Written::Done { .. }) {
            return self.refuse(&write.name, &written, read, consistency, deadline).await;
        }
        self.stand(write, written, consistency, deadline).await
    }

    /// Tells what was decided by what is here, behind that read, once enough owners have what decided it, or what
    /// came over that. A write that is told to be there already took, whatever becomes of the reading.
    pub(super) async fn refuse(
        &self,
        name: &RecordName,
        written: &Written,
        mut read: Found,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let stamp = |stored: &Option<Arc<Stored>>| stored.as_ref().map(|it| it.record.stamp());
        let here = self.cluster.get_own(name).await;
        if !here.is_ok_and(|here| stamp(&here) <= stamp(&read.stored)) {
            // Another write came here in between, and may be nowhere else yet. Who reads it leaves it at enough.
            let again = self.read_owners(name, consistency, deadline).await.map_err(of_read);
            read = again.map_err(|refused| match written {
                Written::Repeated(_) => surfacing(refused),
                _ => refused,
            })?;
        }
        decided(written, read.replicas)
    }

    fn first_owner(&self, partition: Partition) -> Option<NodeId> {
        let view = self.cluster.view();
        self.cluster.live_serving(&view, partition).first().copied()
    }

    async fn forward_or_refuse(
        &self,
        write: Write,
        consistency: Consistency,
        route: Route,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        match route {
            Route::Any => self.forward(write, consistency, deadline).await,
            // Views differ for a moment: who chose this node looks again.
            Route::Here => Err(not_enough(NotEnough { needed: 1, live: 0 }, false)),
        }
    }

    /// Waits until a write that was carried out here stands at enough owners.
    async fn stand(
        &self,
        mut write: Write,
        mut written: Written,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Acknowledged, RefusedWrite> {
        let (partition, name_hash) = (Partition::of(&write.name), name_hash(&write.name));
        let mut took = None;
        loop {
            let head = self.store.position().seq;
            let (version, seq, own) = match (written, took) {
                (Written::Done { version, seq }, _) => (version, seq, true),
                // It was published before, at the latest now.
                (Written::Repeated(version), _) => (version, head, false),
                // It deleted what was there, and so did somebody else, later.
                (Written::Absent, Some(deleted)) => (deleted, head, false),
                // It took once.
                (_, Some(_)) => return Err(late(&self.cluster, partition, consistency, true)),
                // What is decided by what is there has been decided before; else nobody else was asked.
                (refused, None) => {
                    let owners = self.cluster.view().serving(partition).len();
                    return decided(&refused, replicas(1, owners));
                }
            };
            took = Some(version);
            let mut seq = seq;
            let newer = loop {
                let acks = &self.cluster.acks;
                let watched = own.then_some((name_hash, version));
                let mut wait = acks.wait(&self.cluster, watched, (seq, partition), consistency);
                match timeout_at(deadline, wait.stands()).await {
                    Ok(Some(Stands::AtEnough(replicas))) => {
                        return Ok(Acknowledged { version, replicas });
                    }
                    Ok(Some(Stands::AtEnoughThatRead(replicas))) => {
                        match self.later(&write.name, (version, seq)).await {
                            Later::Nothing => return Ok(Acknowledged { version, replicas }),
                            Later::WrittenOver(later) => seq = later,
                            Later::Overtaken(newer) => break newer,
                        }
                    }
                    Ok(Some(Stands::Behind(newer))) => break newer,
                    Ok(Some(Stands::NotEnough(lack))) => return Err(not_enough(lack, true)),
                    Ok(None) | Err(_) => {
                        return Err(late(&self.cluster, partition, consistency, true));
                    }
                }
            };
            if write.change == Change::Delete {
                // What others have and this node lacks comes in, so that it can go.
                let read = self.read_owners(&write.name, consistency, deadline).await;
                read.map_err(|refused| surfacing(of_read(refused)))?;
            }
            write.above = Some(newer);
            let again = self.store.write(write.clone()).await;
            written = again.map_err(|error| surfacing(error.into()))?;
        }
    }
}

/// What has taken the place of a write here.
enum Later {
    /// Nothing.
    Nothing,
    /// What this node wrote over it, and published as this: who has read past the first tells what newer it had
    /// when the second came.
    WrittenOver(Seq),
    /// What another node wrote; it may have been there before the write.
    Overtaken(Version),
}

impl Node {
    async fn later(&self, name: &RecordName, (version, seq): (Version, Seq)) -> Later {
        let Ok(Some(there)) = self.store.get(name.clone()).await else { return Later::Nothing };
        let record = &there.record;
        let overtakes = record.version > version
            && record.version.node != self.cluster.me
            && record.previous != Some(version);
        match overtakes {
            true => Later::Overtaken(record.version),
            false if there.seq > seq => Later::WrittenOver(there.seq),
            false => Later::Nothing,
        }
    }
}

/// As the client hears it of a write that took once, and then had to be made anew.
fn surfacing(refused: RefusedWrite) -> RefusedWrite {
    match refused {
        RefusedWrite::NotEnoughReplicas { needed, live, .. } => {
            RefusedWrite::NotEnoughReplicas { needed, live, indeterminate: true }
        }
        _ => not_enough(NotEnough { needed: 1, live: 0 }, true),
    }
}

/// Whether what becomes of it depends on what is there.
fn needs_first_owner(write: &Write) -> bool {
    write.condition != Condition::default()
        || write.request.is_some()
        || matches!(write.change, Change::Delete)
}

fn check_live(
    cluster: &Cluster,
    partition: Partition,
    consistency: Consistency,
) -> Result<(), RefusedWrite> {
    let view = cluster.view();
    let owners = view.serving(partition).len();
    let live = cluster.live_serving(&view, partition).len();
    quorum::needed(consistency, owners, live).map_err(|lack| not_enough(lack, false))?;
    Ok(())
}

/// The time is over.
pub(super) fn late(
    cluster: &Cluster,
    partition: Partition,
    consistency: Consistency,
    indeterminate: bool,
) -> RefusedWrite {
    let view = cluster.view();
    let owners = view.serving(partition).len();
    let live = cluster.live_serving(&view, partition).len();
    let needed = match quorum::needed(consistency, owners, live) {
        Ok(needed) => needed,
        Err(lack) => lack.needed,
    };
    not_enough(NotEnough { needed, live }, indeterminate)
}

pub(super) fn not_enough(lack: NotEnough, indeterminate: bool) -> RefusedWrite {
    let number = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let (needed, live) = (number(lack.needed), number(lack.live));
    RefusedWrite::NotEnoughReplicas { needed, live, indeterminate }
}

/// A write could not read what it depends on.
pub(super) fn of_read(refused: RefusedRead) -> RefusedWrite {
    match refused {
        RefusedRead::Store(error) => dynarust_store::WriteError::Unreadable(error).into(),
        RefusedRead::NotEnoughReplicas { needed, live } => {
            RefusedWrite::NotEnoughReplicas { needed, live, indeterminate: false }
        }
        RefusedRead::NotReady => RefusedWrite::NotReady,
        RefusedRead::ClockSkew => RefusedWrite::ClockSkew,
    }
}
