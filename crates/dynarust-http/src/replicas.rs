//! `DynaRust-Replicas`: an answer that fewer than a majority of all owners stand behind says so
//! (API.md section 2).

use dynarust_core::Replicas;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

pub(crate) const REPLICAS: HeaderName = HeaderName::from_static("dynarust-replicas");

/// Its text, where it is to be told.
pub(crate) fn few(replicas: Replicas) -> Option<String> {
    replicas.is_few().then(|| replicas.to_string())
}

/// Tells it, where it is to be told.
pub(crate) fn tell(replicas: Replicas, headers: &mut HeaderMap) {
    if let Some(text) = few(replicas)
        && let Ok(text) = HeaderValue::try_from(text)
    {
        headers.insert(REPLICAS, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_few_are_told() {
        let told = |stand, owners| {
            let mut headers = HeaderMap::new();
            tell(Replicas { stand, owners }, &mut headers);
            headers.get(REPLICAS).map(|it| it.to_str().unwrap().to_owned())
        };
        assert_eq!(told(1, 3).as_deref(), Some("1/3"));
        assert_eq!(told(1, 2).as_deref(), Some("1/2"));
        assert_eq!((told(1, 1), told(2, 3), told(3, 3)), (None, None, None));
    }
}
