//! Versions: the total order of all writes to a key (design section 2).
//!
//! A version is the hybrid logical time of the write and the id of the node that stamped it. Two
//! versions that are equal belong to the same write; of two that differ the higher one wins,
//! everywhere. Its text has a fixed width and sorts as the version does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::UnixMillis;
use crate::limits::HYBRID_TIME_MAX;

/// Bits of a hybrid time that count writes within a millisecond.
pub const COUNTER_BITS: u32 = 16;

/// The name of a data folder's node, random, drawn once when the folder is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// When a record was written, and by which node: the order of writes to a key.
///
/// `hlc` holds 48 bits of [`UnixMillis`] and 16 bits of counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Hybrid logical time: milliseconds since 1970 shifted left by [`COUNTER_BITS`], plus a counter.
    pub hlc: u64,
    /// The node that stamped it.
    pub node: NodeId,
}

/// The text was not a version: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version")]
pub struct NotAVersion;

impl Version {
    /// The length of a version's bytes.
    pub const BYTES: usize = 16;

    /// Whether a clock can have given it, and the key can be written again.
    #[must_use]
    pub fn makes_sense(self) -> bool {
        self.hlc <= HYBRID_TIME_MAX
    }

    /// The wall-clock part of the stamp.
    #[must_use]
    pub fn unix_millis(self) -> UnixMillis {
        self.hlc >> COUNTER_BITS
    }

    /// Big-endian, so that bytes sort as versions do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        ((u128::from(self.hlc) << 64) | u128::from(self.node.0)).to_be_bytes()
    }

    /// The inverse of [`Version::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let whole = u128::from_be_bytes(bytes);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
        Self { hlc: (whole >> 64) as u64, node: NodeId(whole as u64) }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.hlc, self.node.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let canonical = text.len() == 2 * Self::BYTES
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(NotAVersion);
        }
        let whole = u128::from_str_radix(text, 16).map_err(|_| NotAVersion)?;
        Ok(Self::from_bytes(whole.to_be_bytes()))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(hlc: u64, node: u64) -> Version {
        Version { hlc, node: NodeId(node) }
    }

    #[test]
    fn text_has_a_fixed_width() {
        assert_eq!(version(0, 0).to_string(), "0".repeat(32));
        assert_eq!(version(1 << 16, 0xab).to_string(), "000000000001000000000000000000ab");
    }

    #[test]
    fn only_its_own_text_is_a_version() {
        let upper = version(0xabc, 1).to_string().to_uppercase();
        for text in ["", "0", &"g".repeat(32), &"0".repeat(33), &"+0".repeat(16), &upper] {
            assert_eq!(text.parse::<Version>(), Err(NotAVersion), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_keep_value_and_order(a: (u64, u64), b: (u64, u64)) {
            let (a, b) = (version(a.0, a.1), version(b.0, b.1));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(Version::from_bytes(a.to_bytes()), a);
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(&json, &format!("\"{a}\""));
            prop_assert_eq!(serde_json::from_str::<Version>(&json).unwrap(), a);
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }
    }
}
