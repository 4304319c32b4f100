//! The whole surface: from a request to who answers it.
//!
//! Which addresses there are, and what is done by which method, says [`Address`]. Everywhere, OPTIONS
//! tells the methods (of `*`, all that there are), another method is 405, another address 404.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use dynarust_core::limits::URI_BYTES_MAX;
use dynarust_core::{NameError, RecordName};
use dynarust_node::Node;
use http::header::{ALLOW, CACHE_CONTROL, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::address::Address;
use crate::answer::{Answer, NO_STORE};
use crate::backend::Backend;
use crate::content_type;
use crate::cors::Grant;
use crate::door_counts::DoorCounts;
use crate::figures;
use crate::live::{self, Follow};
use crate::measured::Measured;
use crate::mesh_entry;
use crate::node_state;
use crate::openapi;
use crate::operation::Operation;
use crate::operator;
use crate::path;
use crate::problem::{Code, Problem};
use crate::record;
use crate::response_body::Body;
use crate::table;
use crate::wire::is_host_and_port;

/// Answers requests.
pub(crate) struct Surface {
    backend: Arc<Backend>,
}

impl Surface {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }

    /// The way of every request; from where it comes, where that is known.
    pub(crate) fn answer(&self, request: Request<Incoming>, client: Option<IpAddr>) -> Measured {
        let began = Instant::now();
        let grant = self.backend.config.cors.grant(request.headers());
        let (operation, answer) = self.route(request, client, grant.as_ref());
        Measured::new(&self.backend.counts, operation, began, grant, answer)
    }

    /// The answer to what is no request.
    pub(crate) fn refuse(&self, problem: Problem) -> Measured {
        let answer = Answer::now(Err(problem));
        Measured::new(&self.backend.counts, Operation::None, Instant::now(), None, answer)
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.backend.node
    }

    /// What the front door did.
    pub(crate) fn door(&self) -> &Arc<DoorCounts> {
        &self.backend.door
    }

    /// Who answers, and what was asked for.
    fn route(
        &self,
        request: Request<Incoming>,
        client: Option<IpAddr>,
        grant: Option<&Grant>,
    ) -> (Operation, Answer) {
        let refused = |problem| (Operation::None, Answer::now(Err(problem)));
        if let Err(problem) = check(&request) {
            return refused(problem);
        }
        let options = |allow, patches| {
            let told = options(allow, patches, request.headers(), grant);
            (Operation::Options, Answer::now(Ok(told)))
        };
        if request.method() == Method::OPTIONS && request.uri().path() == "*" {
            return options(ALLOW_SOMEWHERE, false);
        }
        let Some(address) = Address::of(request.uri().path()) else {
            return refused(not_found());
        };
        let Some(operation) = address.operation(request.method()) else {
            return match *request.method() {
                Method::OPTIONS => {
                    options(address.allow(), matches!(address, Address::Record { .. }))
                }
                _ => refused(Problem::method_not_allowed(address.allow())),
            };
        };
        let backend = &self.backend;
        let answer = match address {
            Address::Record { table, key } => {
                self.record(path::record(table, key), operation, request)
            }
            Address::SubscribeKey { table, key } => {
                self.subscribe(Follow::Key { table, key }, &request, client)
            }
            Address::SubscribeTable { table } => {
                self.subscribe(Follow::Table { table }, &request, client)
            }
            Address::SubscribeMany => self.subscribe(Follow::Many, &request, client),
            Address::Store { .. } => {
                Answer::later(table::store(Arc::clone(backend), request.into_parts().0))
            }
            Address::Keys { .. } if operation == Operation::GetRecords => {
                Answer::later(table::multi_get(Arc::clone(backend), request))
            }
            Address::Keys { .. } => {
                Answer::later(table::keys(Arc::clone(backend), request.into_parts().0.uri))
            }
            Address::Batch { .. } => Answer::later(table::batch(Arc::clone(backend), request)),
            Address::Tables => {
                Answer::later(table::tables(Arc::clone(backend), request.into_parts().0.uri))
            }
            Address::Membership => Answer::now(node_state::membership(backend, request.uri())),
            Address::Stats => {
                Answer::later(figures::stats(Arc::clone(backend), request.into_parts().0.uri))
            }
            Address::Metrics => {
                Answer::later(figures::metrics(Arc::clone(backend), request.into_parts().0.uri))
            }
            Address::OpenApi => Answer::now(openapi::openapi(request.uri())),
            Address::Livez => Answer::now(node_state::livez(backend, request.uri())),
            Address::Leave => {
                Answer::later(operator::leave(Arc::clone(backend), request.into_parts().0))
            }
            Address::Remove => {
                Answer::later(operator::remove(Arc::clone(backend), request.into_parts().0))
            }
            Address::Mesh => Answer::now(mesh_entry::mesh(backend, &request)),
            Address::Readyz => Answer::now(node_state::readyz(backend, request.uri())),
        };
        (operation, answer)
    }

    fn record(
        &self,
        name: Result<RecordName, NameError>,
        operation: Operation,
        request: Request<Incoming>,
    ) -> Answer {
        match operation {
            Operation::PutRecord | Operation::PatchRecord => {
                record::write(&self.backend, name, request)
            }
            Operation::DeleteRecord => record::delete(&self.backend, name, &request),
            _ => record::get(&self.backend, name, &request),
        }
    }

    fn subscribe(
        &self,
        follow: Follow<'_>,
        request: &Request<Incoming>,
        client: Option<IpAddr>,
    ) -> Answer {
        Answer::now(live::subscribe(&self.backend, follow, request, client))
    }
}

/// What `OPTIONS *` tells of the node (RFC 9110 section 9.3.7): the methods that some address takes.
const ALLOW_SOMEWHERE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

fn options(
    allow: &'static str,
    patches: bool,
    asked: &HeaderMap,
    grant: Option<&Grant>,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allow));
    if patches {
        headers.insert(
            content_type::ACCEPT_PATCH,
            HeaderValue::from_static(content_type::PATCH_FORMS),
        );
    }
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Some(grant) = grant {
        grant.tell_beforehand(asked, allow, headers);
    }
    response
}

fn not_found() -> Problem {
    Problem::new(
        Code::NotFound,
        "there is nothing at this address; a slash inside a key is written %2F",
    )
}

/// What holds for every request.
fn check(request: &Request<Incoming>) -> Result<(), Problem> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        let detail = format!("an address has at most {URI_BYTES_MAX} bytes");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    // The guard has seen to it for HTTP/1.
    if request.version() == Version::HTTP_2 { check_authority(request) } else { Ok(()) }
}

/// In HTTP/2 `:authority` stands for `Host` (RFC 9113 section 8.3.1).
fn check_authority(request: &Request<Incoming>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
    let authority = request.uri().authority().map(|it| it.as_str().as_bytes());
    let sound = match (authority, hosts.next(), hosts.next()) {
        (Some(authority), None, None) => is_host_and_port(authority),
        (Some(authority), Some(host), None) => {
            is_host_and_port(authority) && authority.eq_ignore_ascii_case(host)
        }
        (None, Some(host), None) => is_host_and_port(host),
        _ => false,
    };
    let detail =
        "a request has one `:authority`, a host and perhaps a port; a `Host` says the same";
    sound.then_some(()).ok_or(Problem::new(Code::InvalidRequest, detail))
}
