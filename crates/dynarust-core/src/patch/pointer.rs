//! JSON pointers (RFC 6901).

use std::borrow::Cow;

use super::{PatchError, shown};

/// A path into a value: tokens behind slashes, as WTF-8. Invariant: it is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer<'a>(Cow<'a, [u8]>);

/// A place among the elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    At(usize),
    /// `-`: behind the last.
    End,
}

impl<'a> Pointer<'a> {
    /// # Errors
    /// [`PatchError::Invalid`] where it does not begin with a slash, or `~` stands without 0 or 1.
    pub(super) fn parse(characters: Cow<'a, [u8]>) -> Result<Self, PatchError> {
        let begun = characters.is_empty() || characters.starts_with(b"/");
        let mut tildes = characters.split(|byte| *byte == b'~').skip(1);
        if begun && tildes.all(|behind| matches!(behind, [b'0' | b'1', ..])) {
            return Ok(Self(characters));
        }
        let reason = format!(
            "`{}` is no JSON pointer: it is empty or begins with a slash, and `~` is written ~0",
            shown(&String::from_utf8_lossy(&characters))
        );
        Err(PatchError::Invalid(reason.into()))
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// How many tokens it has.
    pub(super) fn depth(&self) -> usize {
        self.0.iter().filter(|byte| **byte == b'/').count()
    }

    /// Its tokens, from the root on.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        self.0.split(|byte| *byte == b'/').skip(1).map(unescaped)
    }

    /// The pointer to what it is inside of, and its last token; `None` for the root.
    pub(super) fn split_last(&self) -> Option<(Pointer<'_>, Cow<'_, [u8]>)> {
        let slash = self.0.iter().rposition(|byte| *byte == b'/')?;
        let (parent, last) = self.0.split_at_checked(slash)?;
        Some((Pointer(Cow::Borrowed(parent)), unescaped(last.get(1..)?)))
    }

    /// Whether it leads to something inside of what `other` leads to.
    pub(super) fn is_inside(&self, other: &Self) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// For people.
    pub(super) fn display(&self) -> String {
        shown(&String::from_utf8_lossy(&self.0))
    }
}

impl Index {
    /// Digits without a leading zero, or `-`.
    pub(super) fn parse(token: &[u8]) -> Option<Self> {
        match token {
            b"-" => Some(Self::End),
            b"0" => Some(Self::At(0)),
            [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {
                // One that does not fit is behind the end of every array.
                let text = std::str::from_utf8(token).ok()?;
                Some(Self::At(text.parse().unwrap_or(usize::MAX)))
            }
            _ => None,
        }
    }
}

fn unescaped(token: &[u8]) -> Cow<'_, [u8]> {
    if !token.contains(&b'~') {
        return Cow::Borrowed(token);
    }
    let mut parts = token.split(|byte| *byte == b'~');
    let mut whole = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (escape, rest) = part.split_first().unwrap_or((&b'0', &[]));
        whole.push(if *escape == b'1' { b'/' } else { b'~' });
        whole.extend_from_slice(rest);
    }
    Cow::Owned(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Pointer<'_> {
        Pointer::parse(Cow::Borrowed(text.as_bytes())).unwrap()
    }

    #[test]
    fn tokens_are_unescaped_in_the_order_of_rfc_6901() {
        let pointer = pointer("/a~1b/m~0n/~01/ //");
        let tokens: Vec<_> = pointer.tokens().map(|it| it.into_owned()).collect();
        let expected: [&[u8]; 6] = [b"a/b", b"m~n", b"~1", b" ", b"", b""];
        assert_eq!(tokens, expected);
        assert_eq!(pointer.depth(), 6);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/~", "/~2", "/a~/b", "/~~0"] {
            assert!(Pointer::parse(Cow::Borrowed(text.as_bytes())).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pointer_is_inside_of_those_before_its_slashes() {
        assert!(pointer("/a/b").is_inside(&pointer("/a")));
        assert!(pointer("/a").is_inside(&pointer("")));
        assert!(!pointer("/ab").is_inside(&pointer("/a")));
        assert!(!pointer("/a").is_inside(&pointer("/a")));
    }

    #[test]
    fn indexes_are_digits_without_leading_zeros() {
        assert_eq!(Index::parse(b"0"), Some(Index::At(0)));
        assert_eq!(Index::parse(b"10"), Some(Index::At(10)));
        assert_eq!(Index::parse(b"99999999999999999999999"), Some(Index::At(usize::MAX)));
        assert_eq!(Index::parse(b"-"), Some(Index::End));
        let bad: [&[u8]; 8] = [b"", b"00", b"01", b"-1", b"+1", b"1e0", b" 1", "１".as_bytes()];
        for token in bad {
            assert_eq!(Index::parse(token), None, "{token:?}");
        }
    }
}
