//! The OpenAPI document that the node serves; every answer that a test gets is held against it.
//!
//! What the document does not name is let pass: other paths, other methods, OPTIONS.

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::Schemas;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi.json")).unwrap());

/// An operation of the document, as a request asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    method: String,
    target: String,
    responses: &'static Value,
}

impl Operation {
    /// The one that the request asks for; `None` where there is none.
    pub(crate) fn of(method: &str, target: &str) -> Option<Self> {
        let path = match target.strip_prefix("http://") {
            Some(rest) => &rest[rest.find('/').unwrap_or(rest.len())..],
            None => target,
        };
        let path = path.split('?').next().unwrap_or_default();
        let mut paths = DOCUMENT["paths"].as_object().unwrap().iter();
        let (_, methods) = paths.find(|(template, _)| is_at(path, template))?;
        let responses = &methods.get(method.to_ascii_lowercase())?["responses"];
        Some(Self { method: method.to_owned(), target: target.to_owned(), responses })
    }

    /// The answer's head must be one that the document has.
    pub(crate) fn assert_head(&self, status: u16, content_type: Option<&str>) {
        self.content(status, content_type);
    }

    /// The answer must be one that the document has, and its body as the document tells it.
    pub(crate) fn assert_answer(&self, status: u16, content_type: Option<&str>, body: &[u8]) {
        let (media_type, content) = self.content(status, content_type);
        if self.method == "HEAD" || content.is_null() {
            assert!(body.is_empty(), "{self} {status}: a body");
        } else if media_type == "application/json" || media_type.ends_with("+json") {
            let text = serde_json::from_slice(body).unwrap();
            let checked = Schemas(&DOCUMENT).check(&content["schema"], text);
            checked.unwrap_or_else(|error| panic!("{self} {status}: {error}"));
        }
    }

    /// The answer's media type, and what the document has of it; null where it has no body.
    fn content<'a>(&self, status: u16, content_type: Option<&'a str>) -> (&'a str, &'static Value) {
        let mut response = &self.responses[status.to_string()];
        if let Some(place) = response["$ref"].as_str() {
            response = DOCUMENT.pointer(place.trim_start_matches('#')).unwrap();
        }
        assert!(!response.is_null(), "{self}: openapi.json does not list {status}");
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        let contents = &response["content"];
        // HEAD has the type of a body that it leaves out.
        let listed = match contents.is_null() {
            true => self.method == "HEAD" || content_type.is_none(),
            false => contents.get(media_type).is_some(),
        };
        assert!(listed, "{self} {status}: openapi.json does not list {content_type:?}");
        (media_type, &contents[media_type])
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.target)
    }
}

/// Whether the path is one of this template's.
fn is_at(path: &str, template: &str) -> bool {
    let mut segments = path.split('/');
    let fits = template
        .split('/')
        .all(|part| segments.next().is_some_and(|it| it == part || part.starts_with('{')));
    fits && segments.next().is_none()
}
