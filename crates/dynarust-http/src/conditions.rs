//! Entity tags and the conditions that name them (RFC 9110 sections 8.8.3 and 13.1).
//!
//! `If-Match` compares strongly: a weak tag matches nothing. `If-None-Match` compares weakly: `W/`
//! is looked through.

use dynarust_core::{Condition, EntityTags, Version};
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

use crate::problem::{Code, Problem};

/// The strong tag of a version.
pub(crate) fn entity_tag(version: Version) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// What the request asks for before it is carried out.
///
/// # Errors
/// `invalid_condition` where a header is not as RFC 9110 has it.
pub(crate) fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    Ok(Condition {
        if_match: tags(headers, &IF_MATCH, Comparison::Strong)?,
        if_none_match: tags(headers, &IF_NONE_MATCH, Comparison::Weak)?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

fn tags(
    headers: &HeaderMap,
    name: &HeaderName,
    comparison: Comparison,
) -> Result<Option<EntityTags>, Problem> {
    let mut lines = headers.get_all(name).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let mut list = Vec::new();
    let mut any = false;
    let mut others = false;
    for line in lines {
        let text = line.as_bytes().trim_ascii();
        if text == b"*" {
            others |= any;
            any = true;
        } else {
            others = true;
            list_of_tags(text, comparison, &mut list).ok_or_else(|| malformed(name))?;
        }
    }
    match (any, others) {
        (true, true) => Err(malformed(name)),
        (true, false) => Ok(Some(EntityTags::Any)),
        (false, _) => Ok(Some(EntityTags::Versions(list))),
    }
}

/// Reads `"a", W/"b", …`; the versions that can match are put into `list`. `None` where it is not
/// such a list, or an empty one. Empty elements are let pass (RFC 9110 section 5.6.1.2).
fn list_of_tags(text: &[u8], comparison: Comparison, list: &mut Vec<Version>) -> Option<()> {
    let mut text = behind_commas(text);
    loop {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let opened = quoted.strip_prefix(b"\"")?;
        let end = opened.iter().position(|byte| *byte == b'"')?;
        let (tag, closed) = opened.split_at_checked(end)?;
        if !tag.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..)) {
            return None;
        }
        if !(weak && comparison == Comparison::Strong) {
            let version = std::str::from_utf8(tag).ok();
            list.extend(version.and_then(|tag| tag.parse::<Version>().ok()));
        }
        let rest = closed.strip_prefix(b"\"")?.trim_ascii_start();
        if rest.is_empty() {
            return Some(());
        }
        text = behind_commas(rest.strip_prefix(b",")?);
        if text.is_empty() {
            return Some(());
        }
    }
}

fn behind_commas(mut text: &[u8]) -> &[u8] {
    while let [b',' | b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

fn malformed(name: &HeaderName) -> Problem {
    Problem::new(
        Code::InvalidCondition,
        format!("`{name}` takes `*` or a list of entity tags in quotes, as `ETag` gives them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynarust_core::NodeId;

    const ONE: Version = Version { hlc: 1, node: NodeId(1) };
    const TWO: Version = Version { hlc: 2, node: NodeId(1) };

    fn read(name: HeaderName, lines: &[&str]) -> Result<Condition, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_str(line).unwrap());
        }
        condition(&headers)
    }

    #[test]
    fn no_header_is_no_condition() {
        assert_eq!(condition(&HeaderMap::new()), Ok(Condition::default()));
    }

    #[test]
    fn lists_are_read_over_lines_and_commas() {
        let lines = [format!(", \"{ONE}\" , ,\"x\","), format!("W/\"{TWO}\"")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let weak = read(IF_NONE_MATCH, &lines).unwrap().if_none_match;
        assert_eq!(weak, Some(EntityTags::Versions(vec![ONE, TWO])));
        let strong = read(IF_MATCH, &lines).unwrap().if_match;
        assert_eq!(strong, Some(EntityTags::Versions(vec![ONE])));
        let any = read(IF_MATCH, &[" * "]).unwrap().if_match;
        assert_eq!(any, Some(EntityTags::Any));
    }

    #[test]
    fn a_comma_inside_a_tag_is_a_part_of_it() {
        let read = read(IF_MATCH, &[&format!("\"a,b\",\"{ONE}\"")]).unwrap();
        assert_eq!(read.if_match, Some(EntityTags::Versions(vec![ONE])));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let bad: [&[&str]; 10] = [
            &[""],
            &["v"],
            &["\"v"],
            &["v\""],
            &["\"v\" \"w\""],
            &[","],
            &["*, \"v\""],
            &["*", "\"v\""],
            &["w/\"v\""],
            &["*", "*"],
        ];
        for lines in bad {
            assert!(read(IF_MATCH, lines).is_err(), "{lines:?}");
        }
    }
}
