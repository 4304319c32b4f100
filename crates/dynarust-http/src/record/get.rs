//! GET and HEAD of a record. One that is in memory is answered at once.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dynarust_core::limits::COUNTED_VALUE_BYTES;
use dynarust_core::{
    Condition, Consistency, EntityTags, NameError, RecordName, Stored, UnixMillis,
};
use dynarust_node::Found;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::answer::{Answer, JSON};
use crate::backend::Backend;
use crate::conditions;
use crate::guarantees;
use crate::problem::Problem;
use crate::query::Query;
use crate::replicas;
use crate::response_body::Body;

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BEFORE_VALUE: &[u8] = b"{\"value\":";
const BEHIND_VALUE: &[u8] = b"}";
/// The last second of the year 9999, behind which HTTP has no dates.
const DATE_SECONDS_MAX: u64 = 253_402_300_799;

pub(crate) fn get<B>(
    backend: &Arc<Backend>,
    name: Result<RecordName, NameError>,
    request: &Request<B>,
) -> Answer {
    let asked = name.map_err(Problem::from).and_then(|name| Ok((name, read_head(request)?)));
    let (name, (condition, consistency)) = match asked {
        Ok(asked) => asked,
        Err(problem) => return Answer::now(Err(problem)),
    };
    let without_body = request.method() == Method::HEAD;
    if let Some(found) = backend.node.get_at_hand(&name, consistency) {
        return Answer::now(answer(backend, &found, &condition, without_body));
    }
    let backend = Arc::clone(backend);
    Answer::later(async move {
        let found = backend.node.get(name, consistency).await?;
        answer(&backend, &found, &condition, without_body)
    })
}

fn read_head<B>(request: &Request<B>) -> Result<(Condition, Consistency), Problem> {
    let mut query = Query::parse(request.uri().query())?;
    let consistency = guarantees::consistency(&mut query)?.unwrap_or_default();
    query.finish()?;
    Ok((conditions::condition(request.headers())?, consistency))
}

fn answer(
    backend: &Backend,
    found: &Found,
    condition: &Condition,
    without_body: bool,
) -> Result<Response<Body>, Problem> {
    let few = |problem: Problem| problem.standing_on(found.replicas);
    let now = backend.node.now();
    let version = found.stored.as_ref().map(|stored| stored.record.version);
    let wanted = |tags: &EntityTags| tags.matches(version);
    if !condition.if_match.as_ref().is_none_or(wanted) {
        return Err(few(Problem::version_mismatch(version)));
    }
    let stored = found.stored.as_ref().ok_or_else(|| few(Problem::key_not_found()))?;
    let mut response = if condition.if_none_match.as_ref().is_some_and(wanted) {
        with_validators(StatusCode::NOT_MODIFIED, stored, now, Body::empty())
    } else {
        whole(backend, stored, now, without_body)?
    };
    replicas::tell(found.replicas, response.headers_mut());
    Ok(response)
}

fn whole(
    backend: &Backend,
    stored: &Stored,
    now: UnixMillis,
    without_body: bool,
) -> Result<Response<Body>, Problem> {
    let value = &stored.record.value;
    let body = if without_body || value.len() <= COUNTED_VALUE_BYTES {
        Body::Whole(envelope(value).into())
    } else {
        // Until it is sent: its reader may be slow, or take nothing at all.
        let share = backend.values.take_now(value.len())?;
        Body::Page { bytes: envelope(value).into(), _share: share }
    };
    let mut response = with_validators(StatusCode::OK, stored, now, body);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

fn envelope(value: &[u8]) -> Vec<u8> {
    [BEFORE_VALUE, value, BEHIND_VALUE].concat()
}

fn with_validators(
    status: StatusCode,
    stored: &Stored,
    now: UnixMillis,
    body: Body,
) -> Response<Body> {
    let version = stored.record.version;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ETAG, conditions::entity_tag(version));
    // Never later than the answer's own date (RFC 9110 section 8.8.2.1).
    if let Some(date) = http_date(version.unix_millis().min(now)) {
        headers.insert(LAST_MODIFIED, date);
    }
    headers.insert(CACHE_CONTROL, NO_CACHE);
    response
}

fn http_date(millis: UnixMillis) -> Option<HeaderValue> {
    let seconds = (millis / 1000).min(DATE_SECONDS_MAX);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use dynarust_core::Replicas;
    use dynarust_node::{Node, NodeConfig};
    use dynarust_store::SystemClock;

    use super::*;
    use crate::HttpConfig;
    use crate::replicas::REPLICAS;
    use crate::store_in_memory::StoreInMemory;

    #[test]
    fn dates_are_those_of_http() {
        let cases = [
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (millis, date) in cases {
            assert_eq!(http_date(millis).unwrap(), date);
        }
    }

    #[tokio::test]
    async fn every_answer_that_few_owners_stand_behind_says_so() {
        let store = StoreInMemory::new();
        let config = NodeConfig::alone("a:1");
        let node = Node::start(store.clone(), Arc::new(SystemClock), config);
        let backend = Backend::new(node, HttpConfig::default());
        let name = RecordName::parse("t", "k").unwrap();
        store.insert(name.clone(), "1", None);
        let stored = backend.node.get(name, Consistency::One).await.unwrap().stored;
        let tags = EntityTags::Versions(stored.iter().map(|it| it.record.version).collect());
        let unless = Condition { if_match: None, if_none_match: Some(tags) };
        let other = EntityTags::Versions(Vec::new());
        let only = Condition { if_match: Some(other), if_none_match: None };
        let cases = [
            (stored.clone(), Condition::default(), 200),
            (stored.clone(), unless, 304),
            (stored, only, 412),
            (None, Condition::default(), 404),
        ];
        for (stored, condition, status) in cases {
            for (stand, told) in [(1, Some("1/3")), (2, None)] {
                let found =
                    Found { stored: stored.clone(), replicas: Replicas { stand, owners: 3 } };
                let response = answer(&backend, &found, &condition, false)
                    .unwrap_or_else(Problem::into_response);
                assert_eq!(response.status(), status);
                let header = response.headers().get(REPLICAS).map(|it| it.to_str().unwrap());
                assert_eq!(header, told, "{status}");
            }
        }
    }
}
