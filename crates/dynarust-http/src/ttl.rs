//! How long a record lives: `90s`, `15m`, `24h`, `7d` (API.md section 2, "Expiry").

use std::str::FromStr;

use dynarust_core::UnixMillis;
use dynarust_core::limits::TTL_SECONDS_MAX;

use crate::problem::Problem;
use crate::query::{self, Query};

/// The time that a record has, from the moment in which its write is given to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ttl {
    seconds: u64,
}

impl Ttl {
    /// What a text must be, for those who gave another.
    pub(crate) const EXPECTED: &str =
        "a whole number and a unit, such as `90s`, `15m`, `24h` or `7d`: 1 s to 10 years";

    /// Takes `ttl` from the query.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub(crate) fn take(query: &mut Query<'_>) -> Result<Option<Self>, Problem> {
        match query.take("ttl")? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|()| query::invalid(format!("`ttl` takes {}", Self::EXPECTED))),
        }
    }

    /// When a record expires that is written now.
    pub(crate) fn expiry(self, now: UnixMillis) -> UnixMillis {
        now.saturating_add(self.seconds * 1000)
    }
}

impl FromStr for Ttl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, unit_seconds) = match text.split_at_checked(text.len().wrapping_sub(1)) {
            Some((digits, "s")) => (digits, 1),
            Some((digits, "m")) => (digits, 60),
            Some((digits, "h")) => (digits, 60 * 60),
            Some((digits, "d")) => (digits, 24 * 60 * 60),
            _ => return Err(()),
        };
        // `parse` alone would let a sign pass.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_seconds));
        match seconds {
            Some(seconds) if (1..=TTL_SECONDS_MAX).contains(&seconds) => Ok(Self { seconds }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, seconds) in [
            ("1s", 1),
            ("090s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("7d", 604_800),
            ("3653d", TTL_SECONDS_MAX),
        ] {
            assert_eq!(text.parse(), Ok(Ttl { seconds }), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "s",
            "90",
            "0s",
            "0d",
            "-1s",
            "+1s",
            "1.5h",
            "1 s",
            " 1s",
            "1S",
            "1ms",
            "1y",
            "1ß",
            "3654d",
            "315619201s",
            "99999999999999999999s",
            "99999999999999999d",
        ] {
            assert_eq!(text.parse::<Ttl>(), Err(()), "{text}");
        }
    }

    #[test]
    fn it_counts_from_now() {
        assert_eq!("2s".parse::<Ttl>().map(|ttl| ttl.expiry(1_000)), Ok(3_000));
    }
}
