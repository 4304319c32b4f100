//! What a body is said to be.

use dynarust_core::PatchForm;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::problem::{Code, Problem};

/// One JSON text.
pub(crate) const JSON: &str = "application/json";
/// A JSON text a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
/// Tells [`PATCH_FORMS`] (RFC 5789).
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// The forms of patches that there are.
pub(crate) const PATCH_FORMS: &str = "application/merge-patch+json, application/json-patch+json";

/// # Errors
/// `unsupported_media_type` where the body is not said to be JSON.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    one_of(headers, &[(JSON, ())])
}

/// What the body of a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchForm {
    /// An array of items.
    Array,
    /// An item a line.
    Lines,
}

/// What the body of a batch is said to be made of.
///
/// # Errors
/// `unsupported_media_type` where it is neither.
pub(crate) fn batch_form(headers: &HeaderMap) -> Result<BatchForm, Problem> {
    one_of(headers, &[(JSON, BatchForm::Array), (NDJSON, BatchForm::Lines)])
}

/// Which kind of patch the body is said to be.
///
/// # Errors
/// `unsupported_media_type` where it is none.
pub(crate) fn patch_form(headers: &HeaderMap) -> Result<PatchForm, Problem> {
    let forms = [(MERGE_PATCH, PatchForm::Merge), (JSON_PATCH, PatchForm::Json)];
    one_of(headers, &forms).map_err(Problem::accepting_patches)
}

fn one_of<T: Copy>(headers: &HeaderMap, known: &[(&str, T)]) -> Result<T, Problem> {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        let detail = "a body comes as it is, without `Content-Encoding`";
        return Err(Problem::new(Code::UnsupportedMediaType, detail));
    }
    let mut given = headers.get_all(CONTENT_TYPE).iter();
    if let (Some(only), None) = (given.next(), given.next()) {
        let essence = only.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        let fits = |name: &str| essence.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if let Some((_, meaning)) = known.iter().find(|(name, _)| fits(name)) {
            return Ok(*meaning);
        }
    }
    let names: Vec<String> =
        known.iter().map(|(name, _)| format!("`Content-Type: {name}`")).collect();
    let detail = format!("the body must come under {}", names.join(" or "));
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(types: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in types {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_json_will_do() {
        for good in ["application/json", "Application/JSON ; charset=utf-8"] {
            assert!(require_json(&headers(&[good])).is_ok(), "{good}");
        }
        let bad: [&[&str]; 5] = [
            &[],
            &[""],
            &["text/json"],
            &["application/json5"],
            &["application/json", "application/json"],
        ];
        for types in bad {
            assert!(require_json(&headers(types)).is_err(), "{types:?}");
        }
    }

    #[test]
    fn patches_are_told_apart() {
        let form = |name| patch_form(&headers(&[name])).ok();
        assert_eq!(form("application/merge-patch+json;charset=utf-8"), Some(PatchForm::Merge));
        assert_eq!(form("Application/JSON-Patch+JSON"), Some(PatchForm::Json));
        assert_eq!(form("application/json"), None);
        assert_eq!(PATCH_FORMS, [MERGE_PATCH, JSON_PATCH].join(", "));
    }
}
