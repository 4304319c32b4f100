//! SUBSCRIBE: the head of a live stream, and its body that follows.

use std::net::IpAddr;

use dynarust_core::Selection;
use dynarust_core::limits::CURSOR_BYTES_MAX;
use dynarust_node::streams::{Begin, RESET_ID};
use http::header::{HeaderName, HeaderValue, VARY};
use http::{Method, Request, Response, StatusCode};

use super::follow::Follow;
use super::following::Following;
use super::form::StreamForm;
use super::web_socket;
use crate::answer;
use crate::backend::Backend;
use crate::departure::{Claim, Offer};
use crate::problem::Problem;
use crate::query::Query;
use crate::response_body::Body;

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// # Errors
/// `invalid_table`, `invalid_key`, `invalid_parameter`; `overloaded`; for a WebSocket, `forbidden` and
/// `upgrade_required`.
pub(crate) fn subscribe<B>(
    backend: &Backend,
    follow: Follow<'_>,
    request: &Request<B>,
    client: Option<IpAddr>,
) -> Result<Response<Body>, Problem> {
    let (selection, begin) = read_head(follow, request)?;
    let offer = request.extensions().get::<Offer>();
    if let Some(offer) = offer.filter(|it| it.is_upgrade() && web_socket::is_asked_for(request)) {
        let mut response = web_socket::accept(request.headers(), &backend.config.cors)?;
        *response.body_mut() =
            follow_on(backend, (selection, begin), client, StreamForm::Messages)?;
        offer.claim(Claim::WebSocket);
        return Ok(response);
    }
    let form = StreamForm::preferred(request.headers());
    let body = if request.method() == Method::HEAD {
        Body::empty()
    } else {
        follow_on(backend, (selection, begin), client, form)?
    };
    let mut response = answer::with_body(StatusCode::OK, form.content_type(), body);
    let headers = response.headers_mut();
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    // Where hyper is not needed any more, the stream has its socket for itself.
    if let Some(offer) = offer {
        offer.claim(Claim::Stream);
    }
    Ok(response)
}

fn read_head<B>(follow: Follow<'_>, request: &Request<B>) -> Result<(Selection, Begin), Problem> {
    let mut query = Query::parse(request.uri().query())?;
    let selection = follow.selection(&mut query)?;
    let state = query.take_as("state", "`true` or `false`")?.unwrap_or(true);
    let parameter = query.take("last_event_id")?.map(|id| id.into_owned());
    query.finish()?;
    let header = request.headers().get(LAST_EVENT_ID);
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    // A browser that has seen no id sends none, or an empty one.
    let given = |id: &String| !id.is_empty();
    let begin = match header.filter(given).or(parameter.filter(given)) {
        Some(id) => Begin::After(id),
        None if state => Begin::State,
        None => Begin::Changes,
    };
    Ok((selection, begin))
}

fn follow_on(
    backend: &Backend,
    (selection, begin): (Selection, Begin),
    client: Option<IpAddr>,
    form: StreamForm,
) -> Result<Body, Problem> {
    let follower = backend.followers.enter(client)?;
    let resumes = match &begin {
        Begin::After(id) => Some(repeatable(id)),
        Begin::State | Begin::Changes => None,
    };
    let live = backend.node.subscribe(selection, begin)?;
    let following = Following::new(live, (form, resumes.as_deref()), follower);
    Ok(Body::Live(Box::new(following)))
}

/// The id as it may be repeated: what is none of ours becomes one that leads to `reset` as well.
fn repeatable(id: &str) -> String {
    let is_ours =
        id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_ours && id.len() <= CURSOR_BYTES_MAX { id } else { RESET_ID }.to_owned()
}
