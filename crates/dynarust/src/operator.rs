//! The commands `leave` and `remove`: they ask a running node, and prove that they know the secret.
//!
//! ```text
//! whom ─▶ POST ─▶ 401 and a challenge ─▶ POST with the proof ─▶ one line
//! ```

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use dynarust_http::authorization;
use dynarust_node::Secret;
use serde::Deserialize;

use crate::cluster_arguments::{self, SECRET};
use crate::exchange::exchange;
use crate::health::{Target, WhomError};
use crate::usage::UsageError;

/// How long a node has for each of its two answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const CHALLENGE: &str = "www-authenticate:";

/// Why nothing was done, as far as is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    /// The command was wrong.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Nobody could be asked.
    #[error(transparent)]
    Whom(#[from] WhomError),
    /// There was no way to the node, or it broke off; then it may have been done.
    #[error("cannot ask {address}: {error}")]
    Io {
        /// Who was asked.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// The node does not do it.
    #[error("{address}: {detail}")]
    Refused {
        /// Who was asked.
        address: String,
        /// What it says.
        detail: String,
    },
}

/// Lets the node leave its cluster.
///
/// # Errors
/// [`OperatorError`].
pub(crate) fn leave(target: &Target, secret: Option<OsString>) -> Result<(), OperatorError> {
    let secret = known(secret)?;
    let address = one(target, "leave")?;
    ask(&address, "/_cluster/leave", &secret)?;
    say(&format!("{address} leaves the cluster; it ends when others hold what it held"));
    Ok(())
}

/// Removes a node that is down.
///
/// # Errors
/// [`OperatorError`].
pub(crate) fn remove(
    node: &str,
    target: &Target,
    secret: Option<OsString>,
) -> Result<(), OperatorError> {
    if node.len() != 16 || !node.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let detail = "NODE takes an id of 16 digits, as /membership lists it";
        return Err(UsageError(detail.to_owned()).into());
    }
    let secret = known(secret)?;
    let address = one(target, "remove")?;
    ask(&address, &format!("/_cluster/remove/{node}"), &secret)?;
    say(&format!("node {node} is removed; what it held is copied"));
    Ok(())
}

fn known(secret: Option<OsString>) -> Result<Secret, UsageError> {
    let missing = || UsageError(format!("this takes the secret of the cluster: set {SECRET}"));
    cluster_arguments::secret(secret)?.ok_or_else(missing)
}

/// The one node that is meant.
fn one(target: &Target, command: &str) -> Result<String, OperatorError> {
    match target.nodes()?.as_slice() {
        [node] => Ok(node.address.clone()),
        several => {
            let addresses: Vec<&str> = several.iter().map(|node| node.address.as_str()).collect();
            let detail =
                format!("`{command}` takes one node: say which of {}", addresses.join(", "));
            Err(UsageError(detail).into())
        }
    }
}

fn ask(address: &str, path: &str, secret: &Secret) -> Result<(), OperatorError> {
    let post = |headers: &str| {
        exchange(&format!("POST {path}"), headers, address, Instant::now() + ANSWER_TIMEOUT)
            .map(|answer| String::from_utf8_lossy(&answer).into_owned())
            .map_err(|error| OperatorError::Io { address: address.to_owned(), error })
    };
    let challenged = post("")?;
    let Some(proof) = proof(&challenged, path, secret) else {
        return judge(address, &challenged);
    };
    judge(address, &post(&format!("Authorization: {proof}\r\n"))?)
}

/// What answers the challenge, where there is one.
fn proof(challenged: &str, path: &str, secret: &Secret) -> Option<String> {
    let head = challenged.split("\r\n\r\n").next()?;
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(CHALLENGE))?;
    authorization(secret, "POST", path, line.get(CHALLENGE.len()..)?)
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

fn judge(address: &str, answer: &str) -> Result<(), OperatorError> {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    if matches!(status, Some("200" | "202")) {
        return Ok(());
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let detail = match (status, serde_json::from_str::<Problem>(body)) {
        (Some("401"), _) => format!("the secrets differ: {SECRET} is not the one of this node"),
        (_, Ok(problem)) => problem.detail.escape_debug().to_string(),
        (_, Err(_)) => "it does not answer as a node does".to_owned(),
    };
    Err(OperatorError::Refused { address: address.to_owned(), detail })
}

fn say(line: &str) {
    // A closed pipe is no reason to complain.
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_and_other_answers_are_not() {
        let secret = Secret::new("a secret of a test");
        let challenged =
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: DynaRust-HMAC nonce=00\r\n\r\n{}";
        let proof = |text: &str| super::proof(text, "/_cluster/leave", &secret);
        assert!(proof(challenged).unwrap().starts_with("DynaRust-HMAC nonce=00, mac="));
        assert_eq!(
            proof("HTTP/1.1 403 Forbidden\r\n\r\nwww-authenticate: DynaRust-HMAC nonce=00"),
            None
        );
        assert_eq!(proof(""), None);
    }

    #[test]
    fn an_answer_is_told_in_one_line() {
        let told = |answer: &str| judge("a:1", answer).unwrap_err().to_string();
        assert!(judge("a:1", "HTTP/1.1 202 Accepted\r\n\r\n{}").is_ok());
        assert_eq!(told("HTTP/1.1 409 Conflict\r\n\r\n{\"detail\":\"no\\nway\"}"), r"a:1: no\nway");
        assert!(told("HTTP/1.1 401 Unauthorized\r\n\r\n{}").contains("the secrets differ"));
        assert!(told("SSH-2.0\r\n").contains("does not answer as a node does"));
    }
}
