//! Claims: what a live stream has sent, in terms of the feeds of several nodes (design section 7, "The cursor").
//!
//! A stream is told by one feed, or by a few that each tell a part of what it follows. Since every node takes in
//! the feeds of those that it shares partitions with, whoever tells a stream can also say how far it has come in
//! *their* feeds:
//!
//! - a **claim** (node, epoch, seq) says: of all that is followed, whatever that node's feed holds up to that seq
//!   was sent, or something newer of the same name. A stream goes on in that feed behind that seq. A claim that is
//!   true stays true, and so does a lower one: so what a stream claims only rises ([`Claims::raise`]).
//! - a stream that had to leave out a damaged record stands **alone**: it claims nothing but in the feed that will
//!   tell that record once it is mended. In the feeds of others it lies behind what they would say.
//! - what was **told** (node, epoch, seq) says: nothing that was sent lies behind that seq of that node's feed. So
//!   whoever holds at least what that feed held up to there holds nothing older than what the reader has seen.

use crate::{FeedPosition, NodeId, Seq};

/// Up to where a stream has sent all that is followed, by feed.
///
/// Invariant: sorted by node, one a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    feeds: Vec<FeedPosition>,
    /// No feed comes to be claimed but by [`Claims::set`].
    alone: bool,
}

/// Behind what nothing lies that a stream has sent, by feed.
///
/// Invariant: sorted by node and epoch, one a feed and epoch; none for a stream that has sent nothing yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told(Vec<FeedPosition>);

impl Claims {
    /// Claims this, and nothing else any more in that node's feed.
    pub fn set(&mut self, claim: FeedPosition) {
        match self.feeds.binary_search_by_key(&claim.node, |it| it.node) {
            Ok(at) => {
                if let Some(known) = self.feeds.get_mut(at) {
                    *known = claim;
                }
            }
            Err(at) => insert(&mut self.feeds, at, claim),
        }
    }

    /// Claims this as well: the further of two in one start of a node, the later said of two starts. Where one of the
    /// two stands alone, so does what comes of it.
    pub fn raise(&mut self, more: &Self) {
        let was_alone = self.alone;
        if more.alone && !was_alone {
            self.stand_alone(|node| more.on(node).is_some());
        }
        for claim in &more.feeds {
            let on_node = self.on(claim.node);
            if was_alone && on_node.is_none() {
                continue;
            }
            let known = on_node.filter(|it| it.epoch == claim.epoch);
            if known.is_none_or(|known| known.seq < claim.seq) {
                self.set(*claim);
            }
        }
    }

    /// Claims nothing any more but in these nodes' feeds: something was left out that only they tell once they can.
    pub fn stand_alone(&mut self, on: impl Fn(NodeId) -> bool) {
        self.feeds.retain(|claim| on(claim.node));
        self.alone = true;
    }

    /// Whether something was left out.
    #[must_use]
    pub fn are_alone(&self) -> bool {
        self.alone
    }

    /// Leaves out all but so many, those that matter most last.
    pub fn keep(&mut self, count: usize, matters: impl Fn(NodeId) -> bool) {
        let mut beyond = self.feeds.len().saturating_sub(count);
        for spare in [false, true] {
            self.feeds.retain(|claim| {
                let goes = beyond > 0 && matters(claim.node) == spare;
                beyond -= usize::from(goes);
                !goes
            });
        }
    }

    /// What is claimed in that node's feed.
    #[must_use]
    pub fn on(&self, node: NodeId) -> Option<FeedPosition> {
        let at = self.feeds.binary_search_by_key(&node, |it| it.node).ok()?;
        self.feeds.get(at).copied()
    }

    /// What holds for two parts of a stream, where one holds for each: in a feed that both know, up to where
    /// neither has left anything out.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        let lower = |claim: &FeedPosition| {
            let known = other.on(claim.node).filter(|it| it.epoch == claim.epoch)?;
            Some(FeedPosition { seq: claim.seq.min(known.seq), ..known })
        };
        let feeds = self.feeds.iter().filter_map(lower).collect();
        Self { feeds, alone: self.alone || other.alone }
    }

    /// All of them, by node.
    pub fn iter(&self) -> impl Iterator<Item = &FeedPosition> {
        self.feeds.iter()
    }
}

/// Takes no more room than it needs: each of thousands of streams has some, and few.
fn insert(positions: &mut Vec<FeedPosition>, at: usize, position: FeedPosition) {
    positions.reserve_exact(1);
    positions.insert(at, position);
}

impl FromIterator<FeedPosition> for Claims {
    /// Of several in one feed the last.
    fn from_iter<I: IntoIterator<Item = FeedPosition>>(claims: I) -> Self {
        let mut all = Self::default();
        claims.into_iter().for_each(|claim| all.set(claim));
        all
    }
}

impl Told {
    /// Something was sent that lies there.
    pub fn add(&mut self, position: FeedPosition) {
        let feed = |it: &FeedPosition| (it.node, it.epoch);
        match self.0.binary_search_by_key(&feed(&position), feed) {
            Ok(at) => {
                if let Some(known) = self.0.get_mut(at) {
                    known.seq = known.seq.max(position.seq);
                }
            }
            Err(at) => insert(&mut self.0, at, position),
        }
    }

    /// What holds for two parts of a stream together.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        other.0.iter().for_each(|position| self.add(*position));
        self
    }

    /// Up to where of that feed, in that start of its node, something was sent.
    #[must_use]
    pub fn in_feed(&self, feed: &FeedPosition) -> Option<Seq> {
        let known = self.0.iter().find(|it| (it.node, it.epoch) == (feed.node, feed.epoch));
        known.map(|it| it.seq)
    }

    /// All of them, by node and epoch.
    pub fn iter(&self) -> impl Iterator<Item = &FeedPosition> {
        self.0.iter()
    }

    /// How many feeds something was sent of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<FeedPosition> for Told {
    fn from_iter<I: IntoIterator<Item = FeedPosition>>(positions: I) -> Self {
        let mut all = Self::default();
        positions.into_iter().for_each(|position| all.add(position));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;
    use proptest::prelude::*;

    fn position() -> impl Strategy<Value = FeedPosition> {
        (0..4_u64, 0..2_u64, 0..9_u64).prop_map(|(node, epoch, seq)| FeedPosition {
            node: NodeId(node),
            epoch: Epoch(epoch),
            seq,
        })
    }

    fn positions() -> impl Strategy<Value = Vec<FeedPosition>> {
        prop::collection::vec(position(), 0..8)
    }

    proptest! {
        #[test]
        fn what_both_claim_is_no_more_than_either(one in positions(), other in positions()) {
            let (one, other): (Claims, Claims) =
                (one.into_iter().collect(), other.into_iter().collect());
            let both = one.both(&other);
            prop_assert_eq!(&both, &other.both(&one));
            prop_assert_eq!(&one.both(&one), &one);
            for claim in both.iter() {
                for part in [&one, &other] {
                    let known = part.on(claim.node).unwrap();
                    prop_assert!(known.epoch == claim.epoch && known.seq >= claim.seq);
                }
            }
        }

        #[test]
        fn claims_only_rise(one in positions(), other in positions()) {
            let (mut claims, more): (Claims, Claims) =
                (one.into_iter().collect(), other.into_iter().collect());
            let before = claims.clone();
            claims.raise(&more);
            for claim in before.iter().chain(more.iter()) {
                let known = claims.on(claim.node).unwrap();
                prop_assert!(known.epoch != claim.epoch || known.seq >= claim.seq);
            }
            for claim in claims.iter() {
                prop_assert!([&before, &more].iter().any(|it| it.on(claim.node) == Some(*claim)));
            }
        }

        #[test]
        fn who_stands_alone_claims_no_other_feed(one in positions(), more in positions()) {
            let (one, more): (Claims, Claims) = (one.into_iter().collect(), more.into_iter().collect());
            let is_own = |claim: &FeedPosition| claim.node == NodeId(0);
            let mut alone = one.clone();
            alone.stand_alone(|node| node == NodeId(0));
            prop_assert!(alone.are_alone() && alone.iter().all(is_own));
            let before = alone.on(NodeId(0));
            // It is told on: by a sample, by what its source says of it, or together with another part.
            let mut raised = alone.clone();
            raised.raise(&more);
            prop_assert!(raised.are_alone() && raised.iter().all(is_own));
            prop_assert_eq!(raised.on(NodeId(0)).is_some(), before.is_some());
            for mut heard in [more.clone(), Claims::default()] {
                heard.raise(&alone);
                prop_assert!(heard.are_alone() && heard.iter().all(is_own));
                prop_assert_eq!(heard.on(NodeId(0)).is_some(), before.is_some());
            }
            for both in [more.both(&alone), alone.both(&more)] {
                prop_assert!(both.are_alone() && both.iter().all(is_own));
            }
            let mut own = alone;
            own.set(FeedPosition { node: NodeId(0), epoch: Epoch(7), seq: 7 });
            prop_assert_eq!(own.on(NodeId(0)).map(|it| it.seq), Some(7));
        }

        #[test]
        fn those_that_matter_are_kept(all in positions(), count in 0..6_usize) {
            let all: Claims = all.into_iter().collect();
            let mut kept = all.clone();
            let matters = |node: NodeId| node.0.is_multiple_of(2);
            kept.keep(count, matters);
            prop_assert_eq!(kept.iter().count(), count.min(all.iter().count()));
            let spare = kept.iter().any(|it| !matters(it.node));
            let lost = all.iter().any(|it| matters(it.node) && kept.on(it.node).is_none());
            prop_assert!(!(spare && lost));
            prop_assert!(kept.iter().all(|it| all.on(it.node) == Some(*it)));
        }

        #[test]
        fn a_feed_is_claimed_once_and_as_it_was_said_last(all in positions()) {
            let claims: Claims = all.iter().copied().collect();
            prop_assert!(claims.iter().is_sorted_by(|one, other| one.node < other.node));
            for claim in claims.iter() {
                let last = all.iter().rfind(|it| it.node == claim.node);
                prop_assert_eq!(Some(claim), last);
            }
        }

        #[test]
        fn what_was_told_is_never_behind(one in positions(), other in positions()) {
            let told = one.iter().copied().collect::<Told>();
            let told = told.with(&other.iter().copied().collect());
            for position in one.iter().chain(&other) {
                prop_assert!(told.in_feed(position).is_some_and(|seq| seq >= position.seq));
            }
            let exact = |it: &FeedPosition| one.contains(it) || other.contains(it);
            prop_assert!(told.iter().all(exact));
        }
    }
}
