//! `Idempotency-Key`, and what makes two requests the same (API.md section 2, "Retried writes").
//!
//! The header is a string of RFC 8941 in quotes, as its draft (draft-ietf-httpapi-idempotency-key-header)
//! has it, or the bare text, as most clients send it. Both name the same key.

use dynarust_core::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use dynarust_core::{Condition, Consistency, EntityTags, RecordName, RequestKey};
use dynarust_store::Durability;
use http::HeaderMap;
use twox_hash::xxhash3_128::Hasher;

use crate::problem::{Code, Problem};
use crate::ttl::Ttl;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The key of the request, if it has one.
///
/// # Errors
/// `invalid_idempotency_key`.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let key = std::str::from_utf8(line.as_bytes().trim_ascii()).ok().and_then(read);
    match (key, lines.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Problem::new(
            Code::InvalidIdempotencyKey,
            format!(
                "`Idempotency-Key` takes 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters of ASCII, \
                 bare or in quotes, once"
            ),
        )),
    }
}

fn read(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(opened) => unquoted(opened.strip_suffix('"')?)?,
    };
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
    (fits && key.bytes().all(|byte| byte.is_ascii_graphic())).then_some(key)
}

/// What stands between the quotes of a string (RFC 8941 section 3.3.3).
fn unquoted(text: &str) -> Option<String> {
    let mut key = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            '"' => return None,
            '\\' => key.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            _ => key.push(next),
        }
    }
    Some(key)
}

/// All that a request asks for, as a hash. Parts come with their lengths: none passes for two.
pub(crate) struct Fingerprint(Hasher);

impl Fingerprint {
    /// Begins with what is done to which record.
    pub(crate) fn of(doing: &str, name: &RecordName) -> Self {
        Self(Hasher::new()).with(doing.as_bytes()).with(name.as_bytes())
    }

    /// Takes in one more part.
    pub(crate) fn with(mut self, part: &[u8]) -> Self {
        self.0.write(&(part.len() as u64).to_le_bytes());
        self.0.write(part);
        self
    }

    /// Takes in how long the record is to live.
    pub(crate) fn with_ttl(self, ttl: Option<Ttl>) -> Self {
        match ttl {
            None => self.with(b"-"),
            Some(ttl) => self.with(&ttl.to_bytes()),
        }
    }

    /// Takes in what is asked of the answer: a repeat that asks for more is another request.
    pub(crate) fn with_guarantees(self, durability: Durability, consistency: Consistency) -> Self {
        let durability = match durability {
            Durability::Relaxed => b'r',
            Durability::Sync => b's',
        };
        let consistency = match consistency {
            Consistency::One => b'1',
            Consistency::Available => b'a',
            Consistency::Quorum => b'q',
            Consistency::All => b'*',
        };
        self.with(&[durability, consistency])
    }

    /// Takes in the condition.
    pub(crate) fn with_condition(self, condition: &Condition) -> Self {
        self.with_tags(condition.if_match.as_ref()).with_tags(condition.if_none_match.as_ref())
    }

    fn with_tags(self, tags: Option<&EntityTags>) -> Self {
        match tags {
            None => self.with(b"-"),
            Some(EntityTags::Any) => self.with(b"*"),
            Some(EntityTags::Versions(versions)) => {
                let bytes: Vec<u8> = versions.iter().flat_map(|it| it.to_bytes()).collect();
                self.with(b"=").with(&bytes)
            }
        }
    }

    /// With the key, what the node knows a repeat by.
    pub(crate) fn under(self, key: &str) -> RequestKey {
        RequestKey { key: key.into(), fingerprint: self.0.finish_128() }
    }

    /// As [`Fingerprint::under`], for one of several items.
    pub(crate) fn under_item(self, key: &str, nth: usize) -> RequestKey {
        RequestKey::of_item(key, nth, self.0.finish_128())
    }
}

#[cfg(test)]
mod tests {
    use dynarust_core::{NodeId, Version};
    use http::HeaderValue;

    use super::*;

    fn read_lines(lines: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        key(&headers)
    }

    #[test]
    fn a_key_is_read_bare_or_in_quotes() {
        assert_eq!(read_lines(&[]), Ok(None));
        let longest = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX);
        for (line, expected) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (" a ", "a"),
            ("\"a\"", "a"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            ("a\"b", "a\"b"),
            (&longest, &longest),
        ] {
            assert_eq!(read_lines(&[line]), Ok(Some(expected.to_owned())), "{line}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let too_long = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1);
        let lines: [&[&str]; 10] = [
            &[""],
            &["\"\""],
            &["\""],
            &["\"a"],
            &["\"a\\b\""],
            &["\"a\"b\""],
            &["a b"],
            &["ä"],
            &[&too_long],
            &["a", "a"],
        ];
        for lines in lines {
            let problem = read_lines(lines).unwrap_err();
            assert_eq!(problem.code(), Code::InvalidIdempotencyKey, "{lines:?}");
        }
    }

    #[test]
    fn whatever_differs_shows() {
        let name = |key| RecordName::parse("t", key).unwrap();
        let print = |print: Fingerprint| print.under("k").fingerprint;
        let put = || Fingerprint::of("PUT", &name("a"));
        let version = Version { hlc: 1, node: NodeId(1) };
        let only = Some(EntityTags::Versions(vec![version]));
        let none = Condition::default;
        let all = [
            print(put()),
            print(Fingerprint::of("PATCH", &name("a"))),
            print(Fingerprint::of("PUT", &name("b"))),
            print(put().with(b"")),
            print(put().with(b"x")),
            print(put().with(b"x").with(b"y")),
            print(put().with(b"xy")),
            print(put().with_ttl(None)),
            print(put().with_ttl("1s".parse().ok())),
            print(put().with_guarantees(Durability::Sync, Consistency::One)),
            print(put().with_guarantees(Durability::Relaxed, Consistency::One)),
            print(put().with_condition(&none())),
            print(put().with_condition(&Condition { if_match: Some(EntityTags::Any), ..none() })),
            print(put().with_condition(&Condition { if_none_match: only.clone(), ..none() })),
            print(put().with_condition(&Condition { if_match: only, ..none() })),
        ];
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(print(put().with(b"x")), print(put().with(b"x")));
    }

    #[test]
    fn fingerprints_are_the_same_in_every_release() {
        let name = RecordName::parse("default", "mykey").unwrap();
        let request = Fingerprint::of("PUT", &name).with(b"1").under("k");
        assert_eq!(request.fingerprint, 0x098e_6ea6_8c59_8652_61ec_8e09_76f4_ef2c);
    }
}
