//! When two values are the same (RFC 6902 section 4.6): numbers by what they count, strings by their
//! characters, arrays element by element, objects by name whatever the order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{PatchError, Work, not_json};
use crate::json_text;

/// Whether two texts are the same value. Recurses as deep as the shallower of the two.
pub(super) fn equal(a: &str, b: &str, work: &mut Work) -> Result<bool, PatchError> {
    work.spend(a.len().saturating_add(b.len()))?;
    if a == b {
        return Ok(true);
    }
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => objects(a, b, work),
        (Some(b'['), Some(b'[')) => arrays(a, b, work),
        (Some(b'"'), Some(b'"')) => Ok(json_text::characters(a).map_err(not_json)?
            == json_text::characters(b).map_err(not_json)?),
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            Ok(Number::parse(a) == Number::parse(b))
        }
        _ => Ok(false),
    }
}

fn arrays(a: &str, b: &str, work: &mut Work) -> Result<bool, PatchError> {
    let a = json_text::elements(a).map_err(not_json)?;
    let b = json_text::elements(b).map_err(not_json)?;
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.into_iter().zip(b) {
        if !equal(a, b, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn objects(a: &str, b: &str, work: &mut Work) -> Result<bool, PatchError> {
    let (a, b) = (by_name(a)?, by_name(b)?);
    if a.len() != b.len() {
        return Ok(false);
    }
    for ((a_name, a), (b_name, b)) in a.into_iter().zip(b) {
        if a_name != b_name || !equal(a, b, work)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The last value of each name.
fn by_name(object: &str) -> Result<BTreeMap<Cow<'_, [u8]>, &str>, PatchError> {
    let members = json_text::members(object).map_err(not_json)?;
    let named = members.into_iter().map(|(name, value)| Ok((json_text::characters(name)?, value)));
    named.collect::<Result<_, _>>().map_err(not_json)
}

/// A number as it counts: `digits` behind the point, times ten to the `exponent`. Zero has no digits.
#[derive(Debug, PartialEq, Eq)]
struct Number<'a> {
    negative: bool,
    /// Without zeros at either end.
    digits: Vec<u8>,
    exponent: Exponent<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Exponent<'a> {
    Of(i128),
    /// Beyond all that can be counted: as it is written.
    Beyond(&'a str),
}

impl<'a> Number<'a> {
    fn parse(text: &'a str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole.as_bytes(), fraction.as_bytes()].concat();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        let digits = digits.get(zeros..end).unwrap_or_default().to_vec();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: Exponent::Of(0) };
        }
        // Lengths of texts in memory: far below what overflows.
        let shift = whole.len() as i128 - zeros as i128;
        let exponent = match exponent.parse::<i128>() {
            Ok(written) => Exponent::Of(written.saturating_add(shift)),
            Err(_) => Exponent::Beyond(text),
        };
        Self { negative, digits, exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(a: &str, b: &str) -> bool {
        super::equal(a, b, &mut Work::of(1 << 20)).unwrap()
    }

    #[test]
    fn numbers_are_compared_by_what_they_count() {
        let same = [
            ("1", "1.0"),
            ("100", "1e2"),
            ("1E+2", "1e2"),
            ("0.001", "1e-3"),
            ("120", "1.2e2"),
            ("0", "-0.0e9"),
            ("0e99999999999999999999999999999999999999999999", "0"),
            ("12345678901234567890.5", "123456789012345678905e-1"),
        ];
        for (a, b) in same {
            assert!(equal(a, b), "{a} {b}");
        }
        let other = [
            ("1", "-1"),
            ("1", "10"),
            ("0.1", "0.01"),
            ("12345678901234567890", "12345678901234567891"),
            ("1e400", "1e401"),
            (
                "1e99999999999999999999999999999999999999999999",
                "1e9999999999999999999999999999999999999999999",
            ),
            ("1", "\"1\""),
            ("1", "true"),
        ];
        for (a, b) in other {
            assert!(!equal(a, b), "{a} {b}");
        }
    }

    #[test]
    fn values_are_compared_as_rfc_6902_has_it() {
        let same = [
            (r#"{"a":1,"b":[ ]}"#, r#"{ "b":[],"\u0061":1.0}"#),
            (r#"["\u00e9","\/"]"#, r#"["é","/"]"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\ud800""#, r#""\uD800""#),
        ];
        for (a, b) in same {
            assert!(equal(a, b), "{a} {b}");
        }
        let other = [
            ("[1,2]", "[2,1]"),
            ("[]", "{}"),
            ("[]", "[[]]"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            ("null", "false"),
            (r#""a""#, r#""A""#),
        ];
        for (a, b) in other {
            assert!(!equal(a, b), "{a} {b}");
        }
    }
}
