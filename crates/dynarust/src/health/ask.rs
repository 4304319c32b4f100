//! One question, `GET /readyz`. Of what comes back only the status and the reasons in it are believed.

use std::io;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::exchange::exchange;

/// Why a node is not known to be ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// No process listens there.
    #[error("nobody listens on {address}")]
    Nobody {
        /// Who was asked.
        address: String,
    },
    /// It was too slow.
    #[error("{address} gave no answer within {within:?}")]
    TooSlow {
        /// Who was asked.
        address: String,
        /// How long it had.
        within: Duration,
    },
    /// There was no way to it, or it broke off.
    #[error("cannot ask {address}: {error}")]
    Io {
        /// Who was asked.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// A node answered, and says that it is not ready.
    #[error("{address} is not ready: {reasons}")]
    NotReady {
        /// Who was asked.
        address: String,
        /// What it says.
        reasons: String,
    },
    /// What answered is no node.
    #[error("{address} does not answer as a node does: it begins with `{said}`")]
    NoNode {
        /// Who was asked.
        address: String,
        /// The beginning of what it said.
        said: String,
    },
}

impl AskError {
    /// Whether no process listens there.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self, Self::Nobody { .. })
    }

    fn of(address: &str, within: Duration, error: io::Error) -> Self {
        let address = address.to_owned();
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Nobody { address },
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                Self::TooSlow { address, within }
            }
            _ => Self::Io { address, error },
        }
    }
}

/// Whether the node at `address` (host and port) says within this time that it is ready.
pub(crate) fn ready(address: &str, within: Duration) -> Result<(), AskError> {
    let answer = exchange("GET /readyz", "", address, Instant::now() + within)
        .map_err(|error| AskError::of(address, within, error))?;
    judge(address, &answer)
}

#[derive(Deserialize)]
struct Readiness {
    reasons: Vec<String>,
}

fn judge(address: &str, answer: &[u8]) -> Result<(), AskError> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let address = address.to_owned();
    let body = || text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match status {
        Some("200") => Ok(()),
        Some("503") => {
            let reasons = serde_json::from_str::<Readiness>(body())
                .map_or_else(|_| "503".to_owned(), |readiness| readiness.reasons.join(", "));
            Err(AskError::NotReady { address, reasons: reasons.escape_debug().to_string() })
        }
        _ => {
            let said: String = text.lines().next().unwrap_or_default().chars().take(60).collect();
            Err(AskError::NoNode { address, said: said.escape_debug().to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks somebody who reads the question, then sends `pieces` until the asker has enough.
    fn asked(pieces: impl Iterator<Item = &'static str> + Send) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = Vec::new();
                let mut byte = [0];
                while !question.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    question.extend(byte);
                }
                assert!(question.starts_with(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
                for piece in pieces {
                    if stream.write_all(piece.as_bytes()).is_err() {
                        break;
                    }
                }
            });
            ready(&address, Duration::from_secs(20)).map_err(|error| error.to_string())
        })
    }

    #[test]
    fn an_answer_says_how_the_node_is() {
        asked(["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"].into_iter()).unwrap();
        asked(["HTTP/", "1.1 2", "00 OK\r\n\r\n"].into_iter()).unwrap();
        let unready = "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ok\":false,\"reasons\":[\"it\\ncloses\",\"so\"]}";
        let said = asked([unready].into_iter()).unwrap_err();
        assert!(said.ends_with(r"is not ready: it\ncloses, so"), "{said}");
        let said = asked(["HTTP/1.1 503 No\r\n\r\nbusy"].into_iter()).unwrap_err();
        assert!(said.ends_with("is not ready: 503"), "{said}");
    }

    #[test]
    fn who_is_no_node_is_told() {
        let answers =
            ["", "SSH-2.0-x\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 20", "HTTP/1.1 2é0"];
        for answer in answers {
            let said = asked([answer].into_iter()).unwrap_err();
            assert!(said.contains("does not answer as a node does"), "{answer:?}: {said}");
        }
    }

    #[test]
    fn an_endless_answer_ends() {
        let said = asked(std::iter::repeat("all work and no play ")).unwrap_err();
        assert!(said.len() < 200, "{said}");
    }

    #[test]
    fn who_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = ready(&address, Duration::from_millis(50)).unwrap_err().to_string();
        assert!(said.ends_with("gave no answer within 50ms"), "{said}");
        drop(listener);
        assert!(ready(&address, Duration::from_secs(20)).unwrap_err().is_nobody());
    }
}
