//! Who tells which part of a reader's stream: the nearest node that holds it, and can go on behind what the reader
//! has.

use std::collections::BTreeMap;
use std::sync::Arc;

use dynarust_core::limits::CURSOR_CLAIMS_BESIDE_MAX;
use dynarust_core::{NodeId, Partition, PartitionSet};
use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::begin::{self, Resumed, Start};
use super::part::{Part, Source};
use super::parts::Parts;
use super::resume::resume;
use super::watching::Ask;
use crate::mesh::Channel;

/// Who is to tell a partition.
enum Teller {
    Is(NodeId),
    /// Nobody is there who could.
    Missing,
    /// Those that are there cannot go on behind what the reader has.
    CannotGoOn,
}

impl Parts {
    /// Finds who tells what nobody tells, where there is somebody. Where there are only others than could go on
    /// behind what the reader has, all begins anew.
    pub(super) fn assign(&mut self) {
        let orphans = self.parts.extract_if(.., |part| part.is_orphan());
        let orphans: Vec<Part> = orphans.collect();
        let served = self.followed.served_here();
        for orphan in orphans {
            let is_here = orphan.partitions.difference(&served).is_empty();
            if is_here && orphan.can_go_on_at(self.followed.cluster.me) && !self.gives_up(&orphan) {
                self.have_told(self.followed.cluster.me, orphan);
                continue;
            }
            let mut tellers: BTreeMap<Option<NodeId>, PartitionSet> = BTreeMap::new();
            for partition in orphan.partitions.iter() {
                match self.teller(partition, &orphan) {
                    Teller::Is(node) => tellers.entry(Some(node)).or_default().insert(partition),
                    Teller::Missing => tellers.entry(None).or_default().insert(partition),
                    Teller::CannotGoOn => return self.begin_anew(),
                };
            }
            for (node, partitions) in tellers {
                let part = orphan.split(partitions);
                match node {
                    None => self.parts.push(part),
                    Some(node) => self.have_told(node, part),
                }
            }
        }
    }

    /// Who is to tell a partition.
    fn teller(&self, partition: Partition, part: &Part) -> Teller {
        let me = self.followed.cluster.me;
        let mut serving = match self.followed.cluster.is_alone() {
            true => vec![me],
            false => self.followed.cluster.view().serving(partition),
        };
        // Nearest first, but for those that have ended at once.
        serving.sort_by_key(|node| (part.ended_by.contains(node), *node != me));
        let can = |node: &NodeId| part.can_go_on_at(*node);
        let reached = |node: &NodeId| *node == me || self.followed.cluster.reaches(*node);
        let teller = serving.iter().find(|node| can(node) && reached(node));
        if let Some(node) = teller.filter(|_| !self.gives_up(part)) {
            return Teller::Is(*node);
        }
        let somebody_is_there = serving.iter().any(reached);
        // Who can may come back in a moment.
        let is_over = Instant::now() >= self.patient_until || !serving.iter().any(can);
        if part.standing.is_some() && somebody_is_there && is_over {
            Teller::CannotGoOn
        } else {
            Teller::Missing
        }
    }

    /// Whether it was tried for long enough that somebody goes on behind what the reader has.
    fn gives_up(&self, part: &Part) -> bool {
        !part.refused_by.is_empty() && Instant::now() >= self.patient_until
    }

    /// Has a node tell a part, together with what of it that node tells already.
    fn have_told(&mut self, node: NodeId, mut part: Part) {
        let me = self.followed.cluster.me;
        let theirs = self.parts.iter().position(|it| it.is_told_by(node, me));
        if let Some(at) = theirs
            && let Some(other) = self.parts.get_mut(at)
        {
            other.look_where_it_idles();
            if let Some(joined) = part.joined(other, node) {
                self.let_go(at);
                self.parts.swap_remove(at);
                part = joined;
            }
        }
        part.is_late |= !part.state_is_told && part.standing.is_none() && self.has_sent_state();
        part.is_asked_for();
        if node == me {
            self.tell_here(&mut part)
        } else {
            self.watch(node, &mut part)
        }
        self.parts.push(part);
    }

    /// The state has gone out so far that a part which begins with its own comes late.
    fn has_sent_state(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.through.is_some())
    }

    fn tell_here(&mut self, part: &mut Part) {
        let spare = self.spare.take();
        let live = spare.map_or_else(
            || self.followed.streams.take_on(Arc::clone(&self.followed.selection)),
            Ok,
        );
        let Ok(mut live) = live else {
            // Too many streams: later, perhaps.
            return;
        };
        let start = match part.cursor(self.followed.name()) {
            None if part.state_is_told => Start::Now,
            None => Start::State { reset: false },
            Some(cursor) => match Resumed::here(&*self.followed.cluster.store, &cursor) {
                Some(resumed) => {
                    self.followed.count_resumed();
                    Start::Behind(resumed)
                }
                None => {
                    let cluster = Arc::clone(&self.followed.cluster);
                    let partitions = Arc::clone(&part.partitions);
                    let reaching = async move { resume(&cluster, &partitions, &cursor).await };
                    part.source = Source::Reaching(live, reaching.boxed());
                    return;
                }
            },
        };
        live.start(start, Arc::clone(&part.partitions));
        part.source = Source::Own(live);
    }

    fn watch(&self, node: NodeId, part: &mut Part) {
        let Some(link) = self.followed.cluster.peer(node).and_then(|peer| peer.link(Channel::Data))
        else {
            return;
        };
        let ask = match part.cursor(self.followed.name()) {
            None if part.state_is_told => Ask::Changes,
            None => Ask::State,
            Some(mut cursor) => {
                cursor.claims.keep(CURSOR_CLAIMS_BESIDE_MAX, |claimed| claimed == node);
                Ask::Behind(begin::id(&cursor))
            }
        };
        let watches = &self.followed.cluster.watches;
        let watching =
            watches.begin((node, link), &self.followed.selection, &part.partitions, &ask);
        part.source = Source::Other(watching);
    }
}
