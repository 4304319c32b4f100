//! What a body is said to be.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::problem::{Code, Problem};

/// # Errors
/// `unsupported_media_type` where the body is not said to be JSON.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = |value: &HeaderValue| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    };
    if types.next().is_some_and(is_json) && types.next().is_none() {
        return Ok(());
    }
    let detail = "the body must come under `Content-Type: application/json`";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn require(types: &[&'static str]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for value in types {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        require_json(&headers)
    }

    #[test]
    fn only_json_will_do() {
        for good in ["application/json", "Application/JSON ; charset=utf-8"] {
            assert!(require(&[good]).is_ok(), "{good}");
        }
        let bad: [&[&str]; 5] = [
            &[],
            &[""],
            &["text/json"],
            &["application/json5"],
            &["application/json", "application/json"],
        ];
        for types in bad {
            assert!(require(types).is_err(), "{types:?}");
        }
    }
}
