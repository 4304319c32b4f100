//! How many live streams each client address has: so that one client does not take all that there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::problem::{Code, Problem};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Followers {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
}

/// A stream of that address, until this is dropped.
#[derive(Debug)]
pub(super) struct Follower {
    followers: Followers,
    address: IpAddr,
}

impl Followers {
    /// So many of each address.
    pub(crate) fn new(most: usize) -> Self {
        Self { counts: Arc::default(), most }
    }

    /// One more of that address; none where it is not known.
    ///
    /// # Errors
    /// `overloaded`: it has as many as it may.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Option<Follower>, Problem> {
        let Some(address) = address else {
            return Ok(None);
        };
        let mut counts = self.counts.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            let detail = "this address has as many live streams as one may have \
                          (--streams-per-address): follow many things on one, by `/subscribe`";
            return Err(Problem::new(Code::Overloaded, detail));
        }
        *count += 1;
        Ok(Some(Follower { followers: self.clone(), address }))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut counts = self.followers.counts.lock();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_address_has_its_own_and_gives_them_back() {
        let followers = Followers::new(2);
        let enter = |last| followers.enter(Some(Ipv4Addr::new(127, 0, 0, last).into()));
        let held = [enter(1).unwrap(), enter(1).unwrap()];
        assert_eq!(enter(1).unwrap_err().code(), Code::Overloaded);
        assert!(enter(2).is_ok());
        assert!(followers.enter(None).unwrap().is_none());
        drop(held);
        assert!(followers.counts.lock().is_empty());
    }
}
