//! Which form of an answer a client prefers: `Accept` (RFC 9110 section 12.5.1).
//!
//! The first form of a route is its default. It is also what a client gets that accepts none of them:
//! an answer in another form says more than 406, and RFC 9110 lets us.

use http::HeaderMap;
use http::header::ACCEPT;

/// The form that is preferred most, of a default and another, each with its name; of equal ones the one
/// that was named more closely, then the default.
pub(crate) fn preferred<T>(headers: &HeaderMap, default: (&str, T), other: (&str, T)) -> T {
    let lines = headers.get_all(ACCEPT).iter();
    let ranges: Vec<Range<'_>> = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|range| Range::parse(std::str::from_utf8(range).ok()?))
        .collect();
    if weight(&ranges, other.0) > weight(&ranges, default.0) { other.1 } else { default.1 }
}

/// A media range and its weight.
#[derive(Debug, PartialEq, Eq)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

/// How closely a range names a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Closeness {
    #[default]
    Not,
    /// `*/*`
    Any,
    /// `application/*`
    Kind,
    /// `application/json`
    Exactly,
}

/// What the range that names the form most closely says of it. Nothing weighs 0.
fn weight(ranges: &[Range<'_>], form: &str) -> (u16, Closeness) {
    let weighed = ranges.iter().map(|range| (range.closeness(form), range.quality));
    match weighed.max() {
        Some((closeness, quality)) if closeness > Closeness::Not && quality > 0 => {
            (quality, closeness)
        }
        _ => (0, Closeness::Not),
    }
}

impl<'a> Range<'a> {
    /// `None` where it is none, or its weight is: it is passed over.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim_ascii().split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.trim_ascii().eq_ignore_ascii_case("q") {
                quality = thousandths(value.trim_ascii())?;
            }
        }
        Some(Self { kind, subtype, quality })
    }

    fn closeness(&self, form: &str) -> Closeness {
        let Some((kind, subtype)) = form.split_once('/') else { return Closeness::Not };
        match (self.kind, self.subtype) {
            ("*", "*") => Closeness::Any,
            (own, _) if !own.eq_ignore_ascii_case(kind) => Closeness::Not,
            (_, "*") => Closeness::Kind,
            (_, own) if own.eq_ignore_ascii_case(subtype) => Closeness::Exactly,
            _ => Closeness::Not,
        }
    }
}

/// `0`, `0.5`, `1.000`: RFC 9110 section 12.4.2.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u16 = format!("{fraction:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(lines: &[&str]) -> &'static str {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        preferred(&headers, ("application/json", "json"), ("application/x-ndjson", "lines"))
    }

    #[test]
    fn the_default_is_for_those_who_don_t_say_or_don_t_care() {
        assert_eq!(chosen(&[]), "json");
        for line in [
            "*/*",
            "",
            "text/html",
            "application/*",
            "application/json, application/x-ndjson",
            "application/x-ndjson;q=0",
            "application/x-ndjson;q=0.5, application/json",
            "application/x-ndjson;q=0.5, */*;q=0.6",
            "application/x-ndjson;q=2",
            "application/x-ndjson;q=0.1234",
            "application/x-ndjson;q=a",
            "application/x-ndjson2",
            "ndjson",
            ",,;;q=,/",
        ] {
            assert_eq!(chosen(&[line]), "json", "{line}");
        }
    }

    #[test]
    fn lines_are_for_those_who_prefer_them() {
        for line in [
            "application/x-ndjson",
            "Application/X-NDJSON; charset=utf-8",
            "application/x-ndjson, */*",
            "application/x-ndjson;q=0.5",
            "application/json;q=0.5, application/x-ndjson;Q=0.501",
            "*/*;q=0.1, application/x-ndjson;q=0.2",
            "application/json;q=0, */*",
            "text/html, application/x-ndjson ; q=1.000 ,",
        ] {
            assert_eq!(chosen(&[line]), "lines", "{line}");
        }
        assert_eq!(chosen(&["application/json;q=0.4", "application/x-ndjson;q=0.9"]), "lines");
    }
}
