//! An HTTP/1.1 client that sends what it is told, byte for byte, and holds each answer against the
//! OpenAPI document.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::contract::Operation;

/// How long a condition is waited for. Generous: other builds share this machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    asked: Asked,
}

/// What was asked for, and is not answered yet.
#[derive(Default)]
struct Asked {
    operations: VecDeque<Option<Operation>>,
    /// What was sent behind the last whole line.
    line: Vec<u8>,
}

impl Asked {
    /// Finds the first lines of requests. A body may stand before one on its line.
    fn note(&mut self, sent: &[u8]) {
        for part in sent.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&self.line);
                let mut words = line.rsplit(' ');
                if let (Some(version), Some(target), Some(method)) =
                    (words.next(), words.next(), words.next())
                    && version.starts_with("HTTP/1.")
                {
                    let lower = |letter: char| !letter.is_ascii_uppercase();
                    let method = method.rsplit(lower).next().unwrap_or_default();
                    self.operations.push_back(Operation::of(method, target));
                }
                self.line.clear();
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body came to its end, as its framing tells it.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(present, _)| present == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It must be a problem with this status and code, in every respect.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem = self.json();
        assert_eq!(problem["code"], code, "{self:?}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].as_str().is_some_and(|it| !it.is_empty()));
        assert!(problem["detail"].as_str().is_some_and(|it| !it.is_empty()));
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        Self { stream, asked: Asked::default() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.asked.note(bytes.as_ref());
        self.stream.get_mut().write_all(bytes.as_ref()).await.unwrap();
    }

    /// As [`Client::send`], where the other side may have closed already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        self.asked.note(bytes.as_ref());
        let _ = self.stream.get_mut().write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.send(format!("{text}\r\n{body}")).await;
        self.answer(method).await
    }

    pub(crate) async fn put(&mut self, target: &str, value: &str) -> Answer {
        let body = format!("{{\"value\": {value}}}");
        self.ask("PUT", target, &[JSON], &body).await
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> Answer {
        self.head_of_operation().await.0
    }

    /// As [`Client::head`], and what it answers.
    async fn head_of_operation(&mut self) -> (Answer, Option<Operation>) {
        let line = self.line().await.expect("an answer");
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        while let Some(line) = self.line().await.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
        let answer = Answer { status, headers, body: Vec::new(), whole: true };
        // Behind 100 the answer comes.
        let operation = match status {
            100 => None,
            _ => self.asked.operations.pop_front().flatten(),
        };
        if let Some(operation) = &operation {
            operation.assert_head(status, answer.header("content-type"));
        }
        (answer, operation)
    }

    /// Whether the answer to a GET or POST ends before its end, or does not even begin.
    pub(crate) async fn is_cut_short(&mut self) -> bool {
        let begun = within(self.stream.fill_buf()).await;
        if begun.map_or(true, <[u8]>::is_empty) {
            return true;
        }
        let answer = self.answer("GET").await;
        assert_eq!(answer.status, 200);
        !answer.whole
    }

    /// Reads an answer to a request with this method.
    pub(crate) async fn answer(&mut self, method: &str) -> Answer {
        let (mut answer, operation) = self.head_of_operation().await;
        let without_body = method == "HEAD" || matches!(answer.status, 100 | 204 | 304);
        if without_body {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.whole = false;
            while !answer.whole {
                let Some(part) = self.chunk().await else {
                    return answer;
                };
                answer.whole = part.is_empty();
                answer.body.extend(part);
            }
        } else {
            let length = answer.header("content-length").unwrap().parse().unwrap();
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body).await.unwrap();
        }
        if let Some(operation) = operation {
            operation.assert_answer(answer.status, answer.header("content-type"), &answer.body);
        }
        answer
    }

    /// A part of a chunked body: empty at its end; none where it is cut.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().await.filter(|line| !line.is_empty())?;
        let mut part = vec![0; usize::from_str_radix(&size, 16).unwrap()];
        self.stream.read_exact(&mut part).await.ok()?;
        assert_eq!(self.line().await?, "");
        Some(part)
    }

    /// Sends nothing more.
    pub(crate) async fn finish(&mut self) {
        self.stream.get_mut().shutdown().await.unwrap();
    }

    /// As [`Client::answer`]; `None` where the other side closed without one.
    pub(crate) async fn answer_or_end(&mut self, method: &str) -> Option<Answer> {
        let begun = within(self.stream.fill_buf()).await;
        if begun.map_or(true, <[u8]>::is_empty) {
            return None;
        }
        Some(self.answer(method).await)
    }

    /// Whether the other side closed, and sent nothing before.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        matches!(within(self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        within(self.stream.read_until(b'\n', &mut line)).await.ok()?;
        let line = line.strip_suffix(b"\r\n")?;
        Some(String::from_utf8(line.to_vec()).unwrap())
    }
}

/// Waits for what must come.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("waited in vain")
}
