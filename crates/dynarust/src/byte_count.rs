//! Numbers of bytes as people write them: `16777216`, `512K`, `16M`, `1G`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteCount(pub(crate) u64);

/// The text was no number of bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of bytes is written as 16777216, 512K, 16M or 1G")]
pub(crate) struct NotAByteCount;

/// In the largest unit that fits without a rest.
impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "G"), (20, "M"), (10, "K")];
        let fits = |shift: u32| self.0 > 0 && self.0.trailing_zeros() >= shift;
        match units.into_iter().find(|(shift, _)| fits(*shift)) {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for ByteCount {
    type Err = NotAByteCount;

    fn from_str(text: &str) -> Result<Self, NotAByteCount> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.strip_prefix(digits).unwrap_or_default();
        let shift = match unit.to_ascii_uppercase().as_str() {
            "" => 0,
            "K" | "KB" | "KIB" => 10,
            "M" | "MB" | "MIB" => 20,
            "G" | "GB" | "GIB" => 30,
            _ => return Err(NotAByteCount),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAByteCount);
        }
        let count: u64 = digits.parse().map_err(|_| NotAByteCount)?;
        let bytes = count.checked_mul(1 << shift).ok_or(NotAByteCount)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for (bytes, text) in
            [(0, "0"), (1, "1"), (1 << 10, "1K"), (16 << 20, "16M"), (3 << 30, "3G")]
        {
            assert_eq!(ByteCount(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(ByteCount(bytes)));
        }
    }

    #[test]
    fn units_are_powers_of_1024() {
        let cases = [
            ("0", 0),
            ("16777216", 16 << 20),
            ("512k", 512 << 10),
            ("16M", 16 << 20),
            ("16MiB", 16 << 20),
            ("1G", 1 << 30),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)), "{text}");
        }
        for text in ["", "M", "-1", "+1", "1.5M", "1T", "1 M", "99999999999G"] {
            assert_eq!(text.parse::<ByteCount>(), Err(NotAByteCount), "{text}");
        }
    }
}
