//! GET and HEAD of a record. One that is in memory is answered at once.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dynarust_core::limits::COUNTED_VALUE_BYTES;
use dynarust_core::{Condition, NameError, RecordName, Stored, UnixMillis};
use dynarust_node::AtHand;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::answer::{Answer, JSON};
use crate::backend::Backend;
use crate::conditions;
use crate::guarantees;
use crate::problem::Problem;
use crate::query::Query;
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
    let (name, condition) = match asked {
        Ok(asked) => asked,
        Err(problem) => return Answer::now(Err(problem)),
    };
    let without_body = request.method() == Method::HEAD;
    match backend.node.get_at_hand(&name) {
        AtHand::Live(stored) => {
            Answer::now(answer(backend, Some(&stored), &condition, without_body))
        }
        AtHand::Absent => Answer::now(answer(backend, None, &condition, without_body)),
        AtHand::Unknown => {
            let backend = Arc::clone(backend);
            Answer::later(async move {
                let stored = backend.node.get(name).await?;
                answer(&backend, stored.as_deref(), &condition, without_body)
            })
        }
    }
}

fn read_head<B>(request: &Request<B>) -> Result<Condition, Problem> {
    let mut query = Query::parse(request.uri().query())?;
    guarantees::consistency(&mut query)?;
    query.finish()?;
    conditions::condition(request.headers())
}

fn answer(
    backend: &Backend,
    stored: Option<&Stored>,
    condition: &Condition,
    without_body: bool,
) -> Result<Response<Body>, Problem> {
    let now = backend.node.now();
    let version = stored.map(|stored| stored.record.version);
    let wanted = |tags: &dynarust_core::EntityTags| tags.matches(version);
    if !condition.if_match.as_ref().is_none_or(wanted) {
        return Err(Problem::version_mismatch(version));
    }
    let stored = stored.ok_or_else(Problem::key_not_found)?;
    if condition.if_none_match.as_ref().is_some_and(wanted) {
        return Ok(with_validators(StatusCode::NOT_MODIFIED, stored, now, Body::empty()));
    }
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
    use super::*;

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
}
