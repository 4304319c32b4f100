//! Idempotency keys: by what a repeat of a request is known (design section 7).

use std::sync::Arc;

/// The key that a client gave its request, and what the request was: the same key under another
/// fingerprint is another request, and a mistake of the client's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] bytes of visible ASCII; and behind a space the number of the
    /// item, where the request has several.
    ///
    /// [`IDEMPOTENCY_KEY_BYTES_MAX`]: crate::limits::IDEMPOTENCY_KEY_BYTES_MAX
    pub key: Arc<str>,
    /// A hash of all that the request asks for.
    pub fingerprint: u128,
}

impl RequestKey {
    /// Bytes of a fingerprint.
    pub const FINGERPRINT_BYTES: usize = 16;

    /// That of the `nth` item of a request with this key. A space is in no key: no two requests meet.
    #[must_use]
    pub fn of_item(key: &str, nth: usize, fingerprint: u128) -> Self {
        Self { key: format!("{key} {nth}").into(), fingerprint }
    }
}
