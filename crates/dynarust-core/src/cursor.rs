//! Cursors: the ids of stream events, and the tokens of pages (API.md sections 3 and 4).
//!
//! A stream's cursor says: all that the selection follows in that node's feed up to `seq` was sent;
//! and, while the state is on its way, the state up to and with `state_through`. The text is URL-safe
//! base64, opaque to clients. One that is foreign, damaged or of another selection is no error: the
//! stream answers it with `reset`.

use data_encoding::BASE64URL_NOPAD;

use crate::{NodeId, RecordName, Seq};

/// One start of a node, drawn at random: seqs are unique within it (design section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// All that is followed up to there was sent.
    pub position: FeedPosition,
    /// [`crate::selection::Selection::fingerprint`] of what is followed.
    pub selection: u32,
    /// While the state is being sent: the last record of it that was; `None` once it was complete.
    pub state_through: Option<RecordName>,
}

const LIVE: u8 = 1;
const STATE: u8 = 2;

impl StreamCursor {
    /// The text that stands in an event's `id`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(29);
        bytes.push(if self.state_through.is_some() { STATE } else { LIVE });
        bytes.extend(self.position.node.0.to_be_bytes());
        bytes.extend(self.position.epoch.0.to_be_bytes());
        bytes.extend(self.position.seq.to_be_bytes());
        bytes.extend(self.selection.to_be_bytes());
        if let Some(name) = &self.state_through {
            bytes.extend(name.as_bytes());
        }
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The inverse of [`StreamCursor::encode`]; `None` for any other text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > crate::limits::CURSOR_BYTES_MAX {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (&kind, rest) = bytes.split_first()?;
        let (node, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (selection, rest) = rest.split_first_chunk()?;
        let state_through = match kind {
            LIVE if rest.is_empty() => None,
            STATE => {
                let (table, key) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
                Some(RecordName::parse(table, key).ok()?)
            }
            _ => return None,
        };
        let position = FeedPosition {
            node: NodeId(u64::from_be_bytes(*node)),
            epoch: Epoch(u64::from_be_bytes(*epoch)),
            seq: Seq::from_be_bytes(*seq),
        };
        Some(Self { position, selection: u32::from_be_bytes(*selection), state_through })
    }
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

    proptest! {
        #[test]
        fn a_stream_cursor_comes_back(
            node: u64, epoch: u64, seq: u64, selection: u32, state in prop::option::of("\\PC{1,20}")
        ) {
            let cursor = StreamCursor {
                position: FeedPosition { node: NodeId(node), epoch: Epoch(epoch), seq },
                selection,
                state_through: state.map(|key| RecordName::parse("t", &key).unwrap()),
            };
            let text = cursor.encode();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            prop_assert_eq!(StreamCursor::decode(&text), Some(cursor));
        }

        #[test]
        fn other_text_is_no_cursor_and_no_panic(text in "\\PC{0,80}") {
            if let Some(cursor) = StreamCursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn a_page_token_comes_back(key in "\\PC{1,20}") {
            prop_assert_eq!(decode_page(&encode_page(&key)), Some(key));
        }
    }

    #[test]
    fn the_longest_key_fits() {
        let key = "k".repeat(crate::limits::KEY_BYTES_MAX);
        let table = "t".repeat(crate::limits::TABLE_BYTES_MAX);
        let cursor = StreamCursor {
            position: FeedPosition { node: NodeId(1), epoch: Epoch(2), seq: 3 },
            selection: 4,
            state_through: Some(RecordName::parse(&table, &key).unwrap()),
        };
        assert_eq!(StreamCursor::decode(&cursor.encode()), Some(cursor));
    }
}
