//! A client that says exactly what became of a request, and never repeats one by itself.
//!
//! That is why it stands on hyper's bare connection and not on a client with a pool: a retry behind
//! the test's back would turn "unknown" into "refused", and hide what these tests are about.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ETAG, HOST};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// No answer of a node takes longer, however busy the machine; longer is a hang.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// There was no whole answer: the request may have taken effect, or not.
#[derive(Debug)]
pub(crate) struct Unknown {
    #[expect(dead_code, reason = "the cause is shown where an answer was unwrapped")]
    why: String,
    /// False where no connection could be made: then it has not.
    pub(crate) sent: bool,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    version: Option<String>,
    code: Option<String>,
    indeterminate: Option<bool>,
}

impl Answer {
    fn members(&self) -> Members<'_> {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The text of a record's value, byte for byte.
    pub(crate) fn value(&self) -> &str {
        self.members().value.unwrap().get()
    }

    pub(crate) fn version(&self) -> String {
        self.members().version.unwrap()
    }

    /// The stable `code` of a problem.
    pub(crate) fn code(&self) -> String {
        self.members().code.unwrap()
    }

    /// Whether a problem says that the write may have taken effect all the same.
    pub(crate) fn is_indeterminate(&self) -> bool {
        self.members().indeterminate.unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The version in the `ETag`.
    pub(crate) fn etag(&self) -> String {
        let tag = self.header(ETAG.as_str()).unwrap();
        tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        let shown: String = String::from_utf8_lossy(&self.body).chars().take(400).collect();
        assert_eq!(self.status, status, "{shown}");
        self
    }
}

/// `/{table}/key/{key}`, with whatever is in the key encoded.
pub(crate) fn record_path(table: &str, key: &str) -> String {
    format!("/{table}/key/{}", encoded(key))
}

/// A text as it stands in one segment of a path, or in a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The body of a PUT.
pub(crate) fn put_body(value: &str) -> String {
    format!("{{\"value\": {value}}}")
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// One kept connection, one request at a time.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    /// When it gives up waiting; without one, a node that does not answer is a failure.
    patience: Option<Duration>,
    runtime: Runtime,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        Client { address, patience: None, runtime: runtime(), connection: None }
    }

    /// One that gives up after this long, where a node may be out of reach.
    pub(crate) fn impatient(address: SocketAddr, patience: Duration) -> Client {
        Client { patience: Some(patience), ..Client::new(address) }
    }

    /// Sends one request and waits for the whole answer.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Unknown> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let (address, kept) = (self.address, self.connection.take());
        let patience = self.patience.unwrap_or(ANSWER_TIMEOUT);
        let outcome = self.runtime.block_on(async {
            tokio::time::timeout(patience, exchange(address, kept, request)).await
        });
        let outcome = outcome.unwrap_or_else(|_| {
            assert!(self.patience.is_some(), "no answer in {patience:?}: {method} {path}");
            Err(Unknown { why: format!("no answer in {patience:?}"), sent: true })
        });
        let (answer, connection) = outcome?;
        self.connection = Some(connection);
        Ok(answer)
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer, Unknown> {
        self.call("GET", path, &[], "")
    }

    /// Reads a record.
    pub(crate) fn read(&mut self, table: &str, key: &str) -> Result<Answer, Unknown> {
        self.get(&record_path(table, key))
    }

    /// Writes a record, as `sync` as the node's default is.
    pub(crate) fn put(&mut self, table: &str, key: &str, value: &str) -> Result<Answer, Unknown> {
        self.put_if(table, key, value, &[])
    }

    /// Writes a record under conditions: headers such as `If-Match`.
    pub(crate) fn put_if(
        &mut self,
        table: &str,
        key: &str,
        value: &str,
        conditions: &[(&str, &str)],
    ) -> Result<Answer, Unknown> {
        let mut headers = vec![JSON];
        headers.extend_from_slice(conditions);
        self.call("PUT", &record_path(table, key), &headers, &put_body(value))
    }

    pub(crate) fn delete(&mut self, table: &str, key: &str) -> Result<Answer, Unknown> {
        self.call("DELETE", &record_path(table, key), &[], "")
    }
}

/// One runtime a client: it runs only while its owner waits, so an idle client reads nothing.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn exchange(
    address: SocketAddr,
    kept: Option<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
) -> Result<(Answer, SendRequest<Full<Bytes>>), Unknown> {
    let unknown = |error: hyper::Error| Unknown { why: format!("{error:?}"), sent: true };
    let unsent = |why| Unknown { why, sent: false };
    let mut connection = match kept {
        Some(kept) if !kept.is_closed() => kept,
        _ => connect(address).await.map_err(unsent)?,
    };
    let answer = connection.send_request(request).await.map_err(unknown)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(unknown)?.to_bytes();
    let answer = Answer { status: head.status.as_u16(), headers: head.headers, body };
    Ok((answer, connection))
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, String> {
    let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    shake_hands(socket).await
}

/// HTTP over a socket that is already connected.
pub(crate) async fn shake_hands(socket: TcpStream) -> Result<SendRequest<Full<Bytes>>, String> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
