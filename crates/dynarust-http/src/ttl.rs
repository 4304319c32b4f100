//! How long a record lives: `90s`, `15m`, `24h`, `7d` (API.md section 2, "Expiry").

use std::str::FromStr;

use dynarust_core::limits::TTL_SECONDS_MAX;
use dynarust_core::{UnixMillis, time_span};

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

    /// The same for each way to write it.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.seconds.to_le_bytes()
    }

    /// When a record expires that is written now.
    pub(crate) fn expiry(self, now: UnixMillis) -> UnixMillis {
        now.saturating_add(self.seconds * 1000)
    }
}

impl FromStr for Ttl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let seconds = time_span::seconds(text).filter(|it| (1..=TTL_SECONDS_MAX).contains(it));
        seconds.map(|seconds| Self { seconds }).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bounds_are_kept() {
        assert_eq!("1s".parse(), Ok(Ttl { seconds: 1 }));
        assert_eq!("3653d".parse(), Ok(Ttl { seconds: TTL_SECONDS_MAX }));
        for text in ["0s", "0d", "3654d", "315619201s", "1"] {
            assert_eq!(text.parse::<Ttl>(), Err(()), "{text}");
        }
    }

    #[test]
    fn it_counts_from_now() {
        assert_eq!("2s".parse::<Ttl>().map(|ttl| ttl.expiry(1_000)), Ok(3_000));
    }
}
