//! Cluster ids: by which members of one cluster know that they belong together (design section 5).

use std::fmt;

/// The name of a cluster, random, drawn once by the node that founds it. The random number is an
/// argument: nothing here draws it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_a_fixed_width() {
        assert_eq!(ClusterId(0xab).to_string(), format!("{:0>32}", "ab"));
        assert_eq!(ClusterId(u128::MAX).to_string(), "f".repeat(32));
    }
}
