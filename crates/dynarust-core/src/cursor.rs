//! Cursors: the ids of stream events, and the tokens of pages (API.md sections 3 and 4).
//!
//! A stream's cursor is the set of its [`Claims`], what it has [`Told`], and, while the state is on its way, the
//! last record of it that was sent. The text is URL-safe base64, opaque to clients:
//!
//! ```text
//! kind   selection   made   count   feed, feed, …                              name   check
//! 1 B    4 B         4 B    1 B     what 1 B, node 8, epoch 8, seq, [how far   …      4 B
//!                                   behind it was told]
//! ```
//!
//! Numbers of no fixed length are LEB128. One that is foreign, damaged or of another selection is no error: the
//! stream answers it with `reset`. (The check is against damage: who forges an id gets a stream that misses what
//! he says that he has, or `reset`.)

use data_encoding::BASE64URL_NOPAD;
use twox_hash::XxHash3_64;

use crate::limits::{CURSOR_BYTES_MAX, CURSOR_CLAIMS_BESIDE_MAX, CURSOR_FEEDS_MAX};
use crate::{Claims, NodeId, RecordName, Seq, Told};

/// One start of a node, drawn at random: seqs are unique within it (design section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A place in one node's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPosition {
    /// Whose feed.
    pub node: NodeId,
    /// The start of that node in which it was told.
    pub epoch: Epoch,
    /// Everything up to this.
    pub seq: Seq,
}

/// Where a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamCursor {
    /// Up to where all that is followed was sent, by feed.
    pub claims: Claims,
    /// Behind what nothing lies that was sent.
    pub told: Told,
    /// [`crate::selection::Selection::fingerprint`] of what is followed.
    pub selection: u32,
    /// When it was, in seconds since 1970.
    pub made: u32,
    /// While the state is being sent: the last record of it that was; `None` once it was complete.
    pub state_through: Option<RecordName>,
}

/// Kinds: all of the state was sent, or some of it.
const LIVE: u8 = 1;
const STATE: u8 = 2;
/// The same, of a stream that stands alone.
const LIVE_ALONE: u8 = 3;
const STATE_ALONE: u8 = 4;

/// What is said of a feed.
const CLAIMED: u8 = 1;
const TOLD: u8 = 2;
/// Claimed, and told further.
const TOLD_FURTHER: u8 = 3;
/// Claimed, and told as far.
const TOLD_AS_FAR: u8 = 4;

/// All that is said of one feed.
struct Feed {
    at: FeedPosition,
    what: u8,
    further: Seq,
}

impl StreamCursor {
    /// The text that stands in an event's `id`; none where too many feeds have told of the stream, or what it
    /// claims is beyond what it has told, which is no cursor of ours.
    ///
    /// Of feeds that told nothing, no more than [`CURSOR_CLAIMS_BESIDE_MAX`] are claimed, in the order of nodes:
    /// who has a better one leaves out the others before.
    #[must_use]
    pub fn encode(&self) -> Option<String> {
        let feeds = self.feeds()?;
        let mut bytes = Vec::with_capacity(16 + feeds.len() * 22);
        bytes.push(match (self.state_through.is_some(), self.claims.are_alone()) {
            (false, false) => LIVE,
            (true, false) => STATE,
            (false, true) => LIVE_ALONE,
            (true, true) => STATE_ALONE,
        });
        bytes.extend(self.selection.to_be_bytes());
        bytes.extend(self.made.to_be_bytes());
        bytes.push(u8::try_from(feeds.len()).ok()?);
        for feed in feeds {
            bytes.push(feed.what);
            bytes.extend(feed.at.node.0.to_be_bytes());
            bytes.extend(feed.at.epoch.0.to_be_bytes());
            push_number(&mut bytes, feed.at.seq);
            if feed.what == TOLD_FURTHER {
                push_number(&mut bytes, feed.further);
            }
        }
        if let Some(name) = &self.state_through {
            bytes.extend(name.as_bytes());
        }
        seal(&mut bytes);
        Some(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The inverse of [`StreamCursor::encode`]; `None` for any other text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let cursor = Self::unsealed(opened(&bytes)?)?;
        // One text a cursor: numbers may be written longer than they are, and feeds in another order.
        (cursor.encode()? == text).then_some(cursor)
    }

    fn unsealed(bytes: &[u8]) -> Option<Self> {
        let (&kind, bytes) = bytes.split_first()?;
        let (selection, bytes) = bytes.split_first_chunk()?;
        let (made, bytes) = bytes.split_first_chunk()?;
        let (&count, mut bytes) = bytes.split_first()?;
        let (mut claims, mut told) = (Claims::default(), Told::default());
        for _ in 0..count {
            let feed = pop_feed(&mut bytes)?;
            if feed.what != TOLD {
                claims.set(feed.at);
            }
            if feed.what != CLAIMED {
                let seq = feed.at.seq.checked_add(feed.further)?;
                told.add(FeedPosition { seq, ..feed.at });
            }
        }
        let state_through = match kind {
            LIVE | LIVE_ALONE if bytes.is_empty() => None,
            STATE | STATE_ALONE => {
                let (table, key) = std::str::from_utf8(bytes).ok()?.split_once('\0')?;
                Some(RecordName::parse(table, key).ok()?)
            }
            _ => return None,
        };
        if matches!(kind, LIVE_ALONE | STATE_ALONE) {
            claims.stand_alone(|_| true);
        }
        let (selection, made) = (u32::from_be_bytes(*selection), u32::from_be_bytes(*made));
        Some(Self { claims, told, selection, made, state_through })
    }

    /// By node and epoch, those that have told first.
    fn feeds(&self) -> Option<Vec<Feed>> {
        let claim_on =
            |at: &FeedPosition| self.claims.on(at.node).filter(|claim| claim.epoch == at.epoch);
        let mut feeds = Vec::with_capacity(self.told.len() + CURSOR_CLAIMS_BESIDE_MAX);
        for told in self.told.iter() {
            feeds.push(match claim_on(told) {
                None => Feed { at: *told, what: TOLD, further: 0 },
                Some(at) => {
                    let further = told.seq.checked_sub(at.seq)?;
                    let what = if further == 0 { TOLD_AS_FAR } else { TOLD_FURTHER };
                    Feed { at, what, further }
                }
            });
        }
        let beside = self.claims.iter().filter(|claim| self.told.in_feed(claim).is_none());
        let beside = beside.take(CURSOR_CLAIMS_BESIDE_MAX);
        feeds.extend(beside.map(|at| Feed { at: *at, what: CLAIMED, further: 0 }));
        (self.told.len() <= CURSOR_FEEDS_MAX).then_some(feeds)
    }
}

fn pop_feed(bytes: &mut &[u8]) -> Option<Feed> {
    let (&what, rest) = bytes.split_first()?;
    let (node, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    *bytes = rest;
    let seq = pop_number(bytes)?;
    let further = match what {
        CLAIMED | TOLD | TOLD_AS_FAR => 0,
        TOLD_FURTHER => pop_number(bytes)?,
        _ => return None,
    };
    let (node, epoch) = (NodeId(u64::from_be_bytes(*node)), Epoch(u64::from_be_bytes(*epoch)));
    Some(Feed { at: FeedPosition { node, epoch, seq }, what, further })
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn pop_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        number |= part << shift;
        if byte < 0x80 {
            return (number >> shift == part).then_some(number);
        }
    }
    None
}

/// Adds the check.
pub(crate) fn seal(bytes: &mut Vec<u8>) {
    let check = check(bytes);
    bytes.extend(check);
}

/// What stands before the check, if that is right.
fn opened(bytes: &[u8]) -> Option<&[u8]> {
    let (sealed, found) = bytes.split_last_chunk()?;
    (check(sealed) == *found).then_some(sealed)
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = XxHash3_64::oneshot(bytes).to_be_bytes();
    [a, b, c, d]
}

/// The token with which a page of `store` or `keys` is followed by the next.
#[must_use]
pub fn encode_page(last_key: &str) -> String {
    BASE64URL_NOPAD.encode(last_key.as_bytes())
}

/// The last key of the page before; `None` where the text is no such token.
#[must_use]
pub fn decode_page(text: &str) -> Option<String> {
    let key = String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()?;
    crate::Key::parse(&key).is_ok().then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(node: u64, epoch: u64, seq: Seq) -> FeedPosition {
        FeedPosition { node: NodeId(node), epoch: Epoch(epoch), seq }
    }

    /// Claims in some feeds, some of which have told as far, or further; and others that have only told.
    fn cursor() -> impl Strategy<Value = StreamCursor> {
        let feeds = prop::collection::vec((any::<[u64; 3]>(), 0..4_u8, 0..300_u64), 0..12);
        let state = prop::option::of("\\PC{1,20}");
        let numbers = any::<([u32; 2], bool)>();
        (feeds, numbers, state).prop_map(|(feeds, ([selection, made], alone), state)| {
            let (mut claims, mut told) = (Claims::default(), Told::default());
            for ([node, epoch, seq], what, further) in feeds {
                if what != 0 {
                    claims.set(at(node, epoch, seq / 2));
                }
                if what != 1 {
                    told.add(at(node, epoch, seq / 2 + further));
                }
            }
            if alone {
                claims.stand_alone(|_| true);
            }
            let state_through = state.map(|key| RecordName::parse("t", &key).unwrap());
            StreamCursor { claims, told, selection, made, state_through }
        })
    }

    proptest! {
        #[test]
        fn a_stream_cursor_comes_back(cursor in cursor()) {
            let text = cursor.encode().unwrap();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(StreamCursor::decode(&text), Some(cursor));
        }

        #[test]
        fn a_damaged_one_is_none(cursor in cursor(), place: prop::sample::Index, flip in 1..64_u8) {
            let text = cursor.encode().unwrap();
            let mut damaged = text.clone().into_bytes();
            let place = place.index(damaged.len());
            let of = |byte: u8| BASE64URL_NOPAD.specification().symbols.find(char::from(byte));
            let letter = (of(damaged[place]).unwrap() + usize::from(flip)) % 64;
            damaged[place] = BASE64URL_NOPAD.specification().symbols.as_bytes()[letter];
            prop_assert_eq!(StreamCursor::decode(std::str::from_utf8(&damaged).unwrap()), None);
            prop_assert_eq!(StreamCursor::decode(&text[..place]), None);
        }

        #[test]
        fn other_text_is_no_cursor_and_no_panic(text in "\\PC{0,80}") {
            prop_assert_eq!(StreamCursor::decode(&text), None);
        }

        #[test]
        fn numbers_come_back(number: u64, shift in 0..64_u32) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(pop_number(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_page_token_comes_back(key in "\\PC{1,20}") {
            prop_assert_eq!(decode_page(&encode_page(&key)), Some(key));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_none() {
        for last in [0x02, 0x80, 0xff] {
            let bytes = [[0xff; 9].as_slice(), &[last]].concat();
            assert_eq!(pop_number(&mut bytes.as_slice()), None);
        }
    }

    #[test]
    fn one_of_ten_nodes_takes_less_than_400_bytes() {
        let claims = (0..10).map(|node| at(u64::MAX - node, u64::MAX, 1 << 40)).collect();
        let told = [at(u64::MAX - 3, u64::MAX, (1 << 40) + 99)].into_iter().collect();
        let (selection, made, state_through) = (u32::MAX, u32::MAX, None);
        let cursor = StreamCursor { claims, told, selection, made, state_through };
        let text = cursor.encode().unwrap();
        assert!(text.len() < 400, "{}", text.len());
    }

    #[test]
    fn the_longest_fits_and_what_would_not_is_left_out() {
        let key = "k".repeat(crate::limits::KEY_BYTES_MAX);
        let table = "t".repeat(crate::limits::TABLE_BYTES_MAX);
        let feeds = |count: usize| (0..count as u64).map(|node| at(node, u64::MAX, 1 << 63));
        let told = |count| feeds(count).map(|it| FeedPosition { seq: u64::MAX, ..it }).collect();
        let cursor = StreamCursor {
            claims: feeds(256).collect(),
            told: told(CURSOR_FEEDS_MAX),
            selection: 4,
            made: 5,
            state_through: Some(RecordName::parse(&table, &key).unwrap()),
        };
        let read = StreamCursor::decode(&cursor.encode().unwrap()).unwrap();
        assert_eq!(read.told, cursor.told);
        assert_eq!(read.claims.iter().count(), CURSOR_FEEDS_MAX + CURSOR_CLAIMS_BESIDE_MAX);
        let too_many = StreamCursor { told: told(CURSOR_FEEDS_MAX + 1), ..cursor };
        assert_eq!(too_many.encode(), None);
    }
}
