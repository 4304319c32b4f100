//! What an application needs of DynaRust's HTTP API: PUT, GET, and a stream that is opened anew.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

/// How long a node that does not answer is tried again.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The node could not be reached, for longer than we try.
    #[error("{url}: {error}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The last try's error.
        error: ureq::Error,
    },
    /// The node answered, and refused.
    #[error("{url}: {status} {body}")]
    Refused {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The problem, as JSON.
        body: String,
    },
    /// The node's answer does not read as the contract says.
    #[error("{url}: {error}")]
    Unexpected {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        error: String,
    },
}

/// An answer: its text, and where the next page is.
#[derive(Debug)]
pub struct Page {
    /// The whole body.
    pub text: String,
    /// The path of the next page, from `Link`.
    pub next: Option<String>,
}

/// A node's API. Clones share connections.
#[derive(Debug, Clone)]
pub struct Api {
    address: String,
    calls: Agent,
    streams: Agent,
}

impl Api {
    /// The API of the node at this address, `host:port`.
    #[must_use]
    pub fn new(address: &str) -> Api {
        let config = || Agent::config_builder().http_status_as_error(false);
        Api {
            address: address.to_owned(),
            calls: config().timeout_global(Some(ANSWER_TIMEOUT)).build().into(),
            streams: config().build().into(),
        }
    }

    /// Writes a record. A connection that breaks is tried again: the same value written twice is as
    /// good as once.
    ///
    /// # Errors
    /// The node stayed away, or refused.
    pub fn put(&self, table: &str, key: &str, value: &str) -> Result<(), ApiError> {
        let url = self.url(&format!("/{table}/key/{}", encoded(key)));
        let body = format!("{{\"value\":{value}}}");
        let put = || self.calls.put(&url).content_type("application/json").send(body.as_str());
        patiently(&url, put).and_then(|answer| text_of(&url, answer)).map(drop)
    }

    /// Reads what is at a path.
    ///
    /// # Errors
    /// The node stayed away, or refused.
    pub fn get(&self, path: &str) -> Result<Page, ApiError> {
        let url = self.url(path);
        let answer = patiently(&url, || self.calls.get(&url).call())?;
        let link = answer.headers().get("link").and_then(|link| link.to_str().ok());
        let next = link.and_then(next_path).map(str::to_owned);
        Ok(Page { text: text_of(&url, answer)?, next })
    }

    /// Opens a live stream where it was left.
    ///
    /// # Errors
    /// The node stayed away, or refused.
    pub fn subscribe(&self, path: &str, last_id: &str) -> Result<BodyReader<'static>, ApiError> {
        let url = self.url(path);
        let open = || {
            let request = self.streams.get(&url);
            if last_id.is_empty() { request } else { request.header("Last-Event-ID", last_id) }
                .call()
        };
        let answer = patiently(&url, open)?;
        if answer.status() == 200 {
            return Ok(answer.into_body().into_reader());
        }
        Err(refused(&url, answer))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A text as it stands in a path or a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Tries again for as long as the node does not answer, or says that it is starting or closing.
fn patiently(
    url: &str,
    call: impl Fn() -> Result<Response<Body>, ureq::Error>,
) -> Result<Response<Body>, ApiError> {
    let began = Instant::now();
    loop {
        let outcome = call();
        let again = outcome.as_ref().map_or(true, |answer| answer.status() == 503);
        if !again || began.elapsed() > PATIENCE {
            return outcome.map_err(|error| ApiError::Unreachable { url: url.to_owned(), error });
        }
        std::thread::sleep(PAUSE);
    }
}

fn text_of(url: &str, mut answer: Response<Body>) -> Result<String, ApiError> {
    if answer.status() != 200 {
        return Err(refused(url, answer));
    }
    // An answer may be a whole table, and its reader knows how large that is.
    let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string();
    text.map_err(|error| ApiError::Unexpected { url: url.to_owned(), error: error.to_string() })
}

fn refused(url: &str, mut answer: Response<Body>) -> ApiError {
    let status = answer.status().as_u16();
    let body = answer.body_mut().read_to_string().unwrap_or_default();
    ApiError::Refused { url: url.to_owned(), status, body }
}

/// The path in `<…>; rel="next"`.
fn next_path(link: &str) -> Option<&str> {
    let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
    parameters.contains("rel=\"next\"").then_some(target)
}
