//! Proofs: what an operator's request carries, so that not every client can change who is in the cluster.
//!
//! ```text
//! POST /_cluster/leave ─▶ 401, WWW-Authenticate: DynaRust-HMAC nonce=N
//! POST /_cluster/leave, Authorization: DynaRust-HMAC nonce=N, mac=HMAC-SHA-256(secret, method, path, N) ─▶ done
//! ```
//!
//! A nonce is the node's own: it says when it was made, and carries a tag under a key that only this
//! process has. So nothing is remembered of challenges that nobody takes up, no clock of another machine
//! matters, and a proof is good for one node, for a minute, and once.

use std::collections::VecDeque;
use std::time::Duration;

use data_encoding::HEXLOWER;
use dynarust_core::limits::{CHALLENGE_MILLIS_MAX, PROOFS_KEPT_MAX};
use dynarust_node::Secret;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::time::Instant;

/// The scheme of the two headers.
pub(crate) const SCHEME: &str = "DynaRust-HMAC";
/// What the proof is for, so that it is good for nothing else under the same secret.
const PURPOSE: &[u8] = b"DynaRust operator 1";
const PATIENCE: Duration = Duration::from_millis(CHALLENGE_MILLIS_MAX);
const NONCE_BYTES: usize = 16;

/// Makes nonces, and knows them again.
#[derive(Debug)]
pub(crate) struct Challenges {
    key: [u8; 32],
    began: Instant,
    /// Nonces of the last minute that were used.
    used: Mutex<VecDeque<(Instant, [u8; NONCE_BYTES])>>,
}

/// The request carries no proof, or one that is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotProved;

impl Challenges {
    pub(crate) fn new() -> Self {
        Self { key: rand::random(), began: Instant::now(), used: Mutex::default() }
    }

    /// A fresh nonce.
    pub(crate) fn nonce(&self) -> String {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut nonce = millis.to_be_bytes().to_vec();
        nonce.extend_from_slice(&rand::random::<u64>().to_be_bytes());
        let tag = mac(&self.key, &[&nonce]);
        nonce.extend(tag);
        HEXLOWER.encode(&nonce)
    }

    /// Whether the request's `Authorization` proves that its sender knows the secret.
    ///
    /// # Errors
    /// [`NotProved`].
    pub(crate) fn check(
        &self,
        secret: &Secret,
        (method, path): (&str, &str),
        authorization: &str,
    ) -> Result<(), NotProved> {
        let (nonce, proof) = read(authorization).ok_or(NotProved)?;
        let expected = of_request(secret, method, path, nonce).ok_or(NotProved)?;
        let proof = HEXLOWER.decode(proof.as_bytes()).map_err(|_| NotProved)?;
        expected.verify_slice(&proof).map_err(|_| NotProved)?;
        self.take(nonce)
    }

    /// The nonce is used now.
    fn take(&self, text: &str) -> Result<(), NotProved> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotProved)?;
        let (nonce, tag) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(NotProved)?;
        let ours = keyed(&self.key, &[nonce]).ok_or(NotProved)?;
        ours.verify_slice(tag).map_err(|_| NotProved)?;
        let (millis, _) = nonce.split_first_chunk::<8>().ok_or(NotProved)?;
        let made = Duration::from_millis(u64::from_be_bytes(*millis));
        if self.began.elapsed().saturating_sub(made) > PATIENCE {
            return Err(NotProved);
        }
        let mut used = self.used.lock();
        while used.front().is_some_and(|(when, _)| when.elapsed() > PATIENCE) {
            used.pop_front();
        }
        if used.len() >= PROOFS_KEPT_MAX || used.iter().any(|(_, other)| other == nonce) {
            return Err(NotProved);
        }
        used.push_back((Instant::now(), *nonce));
        Ok(())
    }
}

/// The `Authorization` of a request that a node challenged with `WWW-Authenticate: {challenge}`; `None`
/// where that is no challenge of a node.
#[must_use]
pub fn authorization(secret: &Secret, method: &str, path: &str, challenge: &str) -> Option<String> {
    let nonce = challenge.trim().strip_prefix(SCHEME)?.trim().strip_prefix("nonce=")?;
    let mac = of_request(secret, method, path, nonce)?.finalize().into_bytes();
    Some(format!("{SCHEME} nonce={nonce}, mac={}", HEXLOWER.encode(&mac)))
}

/// The nonce and the proof.
fn read(authorization: &str) -> Option<(&str, &str)> {
    let (nonce, mac) = authorization.trim().strip_prefix(SCHEME)?.trim().split_once(',')?;
    Some((nonce.trim().strip_prefix("nonce=")?, mac.trim().strip_prefix("mac=")?))
}

fn of_request(secret: &Secret, method: &str, path: &str, nonce: &str) -> Option<Hmac<Sha256>> {
    let parts = [PURPOSE, method.as_bytes(), path.as_bytes(), nonce.as_bytes()];
    keyed(secret.as_bytes(), &parts)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    keyed(key, parts).map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
}

/// Each part with its length before it: none passes for two.
fn keyed(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/_cluster/leave";

    fn secret() -> Secret {
        Secret::new("a secret of a test")
    }

    fn proof(secret: &Secret, (method, path): (&str, &str), nonce: &str) -> String {
        authorization(secret, method, path, &format!("{SCHEME} nonce={nonce}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_is_good_once_for_what_it_is_for() {
        let challenges = Challenges::new();
        let check = |secret: &Secret, asked: (&str, &str), given: (&str, &str)| {
            let proof = proof(secret, given, &challenges.nonce());
            challenges.check(&self::secret(), asked, &proof)
        };
        let leave = ("POST", PATH);
        assert_eq!(check(&secret(), leave, leave), Ok(()));
        assert_eq!(check(&Secret::new("another"), leave, leave), Err(NotProved));
        assert_eq!(check(&secret(), leave, ("POST", "/_cluster/remove/1")), Err(NotProved));
        assert_eq!(check(&secret(), leave, ("GET", PATH)), Err(NotProved));
        let once = proof(&secret(), leave, &challenges.nonce());
        assert_eq!(challenges.check(&secret(), leave, &once), Ok(()));
        assert_eq!(challenges.check(&secret(), leave, &once), Err(NotProved));
    }

    #[tokio::test(start_paused = true)]
    async fn a_nonce_is_the_nodes_own_and_grows_old() {
        let (ours, theirs) = (Challenges::new(), Challenges::new());
        let leave = ("POST", PATH);
        let of_another = proof(&secret(), leave, &theirs.nonce());
        assert_eq!(ours.check(&secret(), leave, &of_another), Err(NotProved));
        for made_up in ["", "00", &"00".repeat(NONCE_BYTES), &"00".repeat(48), "é"] {
            let proof = proof(&secret(), leave, made_up);
            assert_eq!(ours.check(&secret(), leave, &proof), Err(NotProved), "{made_up}");
        }
        let old = proof(&secret(), leave, &ours.nonce());
        tokio::time::advance(PATIENCE + Duration::from_millis(2)).await;
        assert_eq!(ours.check(&secret(), leave, &old), Err(NotProved));
    }

    #[tokio::test]
    async fn what_is_no_proof_is_none() {
        let challenges = Challenges::new();
        let nonce = challenges.nonce();
        for text in [
            "",
            "Basic x",
            SCHEME,
            "DynaRust-HMAC nonce=, mac=",
            &format!("{SCHEME} nonce={nonce}, mac="),
        ] {
            assert_eq!(challenges.check(&secret(), ("POST", PATH), text), Err(NotProved), "{text}");
        }
        assert!(challenges.used.lock().is_empty());
        assert_eq!(authorization(&secret(), "POST", PATH, "Basic realm=x"), None);
    }
}
