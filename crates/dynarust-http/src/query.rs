//! Queries: `name=value` pairs, `+` for a space, each parameter known or refused.
//!
//! A handler takes the parameters that it knows; [`Query::finish`] refuses what is left, so that a
//! mistyped name is never silently dropped. Names that begin with `_` are nobody's, and ignored; so is
//! `access_token`, which is reserved for access control.

use std::borrow::Cow;
use std::str::FromStr;

use crate::path::decode;
use crate::problem::{Code, Problem};

const ACCESS_TOKEN: &str = "access_token";

/// The parameters that were not taken yet.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// # Errors
    /// `invalid_parameter` for a wrong escape.
    pub(crate) fn parse(query: Option<&'a str>) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            if !pair.is_empty() && !pair.starts_with('_') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                pairs.push((part(name)?, part(value)?));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that may stand once.
    ///
    /// # Errors
    /// `invalid_parameter` where it stands twice.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let mut values = self.take_all(name);
        if values.len() > 1 {
            return Err(invalid(format!("`{name}` may be given once")));
        }
        Ok(values.pop())
    }

    /// As [`Query::take`], read as a `T`; `expected` says what it takes.
    ///
    /// # Errors
    /// `invalid_parameter` where it stands twice or is no `T`.
    pub(crate) fn take_as<T: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(invalid(format!("`{name}` takes {expected}"))),
        }
    }

    /// The values of a parameter that may repeat.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<Cow<'a, str>> {
        let taken = self.0.extract_if(.., |(present, _)| present == name);
        taken.map(|(_, value)| value).collect()
    }

    /// # Errors
    /// `invalid_parameter` where one is left that nobody took.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let unknown = |name: &str| !name.starts_with('_') && name != ACCESS_TOKEN;
        match self.0.iter().find(|(name, _)| unknown(name)) {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!(
                "`{}` is no parameter of this address: look at its spelling",
                name.escape_debug()
            ))),
        }
    }
}

/// `invalid_parameter`, with what to do about it.
pub(crate) fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidParameter, detail)
}

fn part(text: &str) -> Result<Cow<'_, str>, Problem> {
    let wrong = || invalid("the query's percent-encoding is wrong, or is not UTF-8".to_owned());
    if !text.contains('+') {
        return decode(text).ok_or_else(wrong);
    }
    let spaced = text.replace('+', " ");
    let decoded = decode(&spaced).ok_or_else(wrong)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded() {
        let mut query = Query::parse(Some("a=1+2%2B&b&&c==&k=x&k=y")).unwrap();
        assert_eq!(query.take("a").unwrap().as_deref(), Some("1 2+"));
        assert_eq!(query.take("b").unwrap().as_deref(), Some(""));
        assert_eq!(query.take("c").unwrap().as_deref(), Some("="));
        assert_eq!(query.take("d").unwrap(), None);
        assert_eq!(query.take_all("k"), ["x", "y"]);
        assert!(query.finish().is_ok());
    }

    #[test]
    fn what_is_wrong_is_refused() {
        assert!(Query::parse(Some("a=%")).is_err());
        assert!(Query::parse(Some("%FF=1")).is_err());
        assert!(Query::parse(Some("a=1&a=1")).unwrap().take("a").is_err());
        assert!(Query::parse(Some("a=x")).unwrap().take_as::<u8>("a", "a number").is_err());
        assert!(Query::parse(Some("a=1")).unwrap().finish().is_err());
        assert!(Query::parse(Some("_a=1&_a=2")).unwrap().finish().is_ok());
        assert!(Query::parse(None).unwrap().finish().is_ok());
    }
}
