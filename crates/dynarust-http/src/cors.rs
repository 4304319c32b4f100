//! Which web pages may read answers: cross-origin requests of browsers (the Fetch standard, section
//! "CORS protocol").
//!
//! A node without `--cors-origin` says nothing of it, and browsers then show its answers to no page of
//! another origin. It is no access control: whatever is no browser takes no notice.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Uri};

const ANY: HeaderValue = HeaderValue::from_static("*");
/// What a page may read beside the headers that it always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("DynaRust-Replicas, ETag, Link, Last-Modified, Retry-After");
/// What a page may send. `*` leaves out `Authorization`, and browsers of old know only names.
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, *",
);
/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// The origins whose pages may read answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// None but the node's own.
    #[default]
    None,
    /// All.
    Any,
    /// These, each as browsers write it.
    These(Vec<HeaderValue>),
}

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is `*` or scheme and host, such as https://app.example or http://localhost:3000, not `{0}`"
)]
pub struct NotAnOrigin(String);

/// What an answer tells the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Who may read it; `None`: the page that asked may not.
    origin: Option<HeaderValue>,
    /// It depends on who asks.
    varies: bool,
}

impl CorsOrigins {
    /// Reads a list of origins, in which `*` stands for all. Empty texts are none.
    ///
    /// # Errors
    /// [`NotAnOrigin`].
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NotAnOrigin> {
        let texts = texts.into_iter().map(str::trim).filter(|text| !text.is_empty());
        let mut any = false;
        let mut these = Vec::new();
        for text in texts {
            match text {
                "*" => any = true,
                _ => these.push(origin(text).ok_or_else(|| NotAnOrigin(text.to_owned()))?),
            }
        }
        Ok(match (any, these.is_empty()) {
            (true, _) => Self::Any,
            (false, true) => Self::None,
            (false, false) => Self::These(these),
        })
    }

    /// Whether pages of this origin may read answers.
    pub(crate) fn hold(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::These(these) => these.contains(origin),
        }
    }

    /// What the answer to a request with these headers tells; `None`: nothing.
    pub(crate) fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        match self {
            Self::None => None,
            Self::Any => Some(Grant { origin: Some(ANY), varies: false }),
            Self::These(these) => {
                let asks = headers.get(ORIGIN).filter(|origin| these.contains(origin));
                Some(Grant { origin: asks.cloned(), varies: true })
            }
        }
    }
}

impl Grant {
    /// Tells it in the head of an answer.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }

    /// Tells what may be asked for, where a browser asks before it does: a preflight request, whose
    /// own headers `asked` are.
    pub(crate) fn tell_beforehand(
        &self,
        asked: &HeaderMap,
        methods: &'static str,
        headers: &mut HeaderMap,
    ) {
        if self.origin.is_some() && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

/// The origin as browsers write it: in lower case, without the port that goes without saying.
fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?.as_str());
    let whole = format!("{scheme}://{authority}");
    if whole.len() != text.len() || authority.contains('@') || uri.host()?.is_empty() {
        return None;
    }
    let usual = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let whole = whole.to_ascii_lowercase();
    HeaderValue::try_from(whole.strip_suffix(usual).unwrap_or(&whole)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(origins: &[&'static str]) -> CorsOrigins {
        CorsOrigins::These(origins.iter().map(|it| HeaderValue::from_static(it)).collect())
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let parse = |texts: &[&'static str]| CorsOrigins::parse(texts.iter().copied()).unwrap();
        assert_eq!(parse(&[]), CorsOrigins::None);
        assert_eq!(parse(&["", " "]), CorsOrigins::None);
        assert_eq!(parse(&["https://a.example", "*"]), CorsOrigins::Any);
        assert_eq!(
            parse(&["https://A.example:443", "HTTP://localhost:3000", "http://[::1]:80"]),
            these(&["https://a.example", "http://localhost:3000", "http://[::1]"])
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?x",
            "https://user@a.example",
            "null",
            "https://a.example https://b.example",
            "https://*.a.example/x",
        ] {
            assert!(CorsOrigins::parse([text]).is_err(), "{text}");
        }
    }

    #[test]
    fn only_who_may_read_is_told_so() {
        let origins = these(&["https://a.example"]);
        let granted = |origin: Option<&'static str>| {
            let mut asked = HeaderMap::new();
            asked.extend(origin.map(|it| (ORIGIN, HeaderValue::from_static(it))));
            origins.grant(&asked).unwrap()
        };
        let may =
            Grant { origin: Some(HeaderValue::from_static("https://a.example")), varies: true };
        let may_not = Grant { origin: None, varies: true };
        assert_eq!(granted(Some("https://a.example")), may);
        assert_eq!(granted(Some("https://b.example")), may_not);
        assert_eq!(granted(None), may_not);
        assert_eq!(CorsOrigins::None.grant(&HeaderMap::new()), None);
    }
}
