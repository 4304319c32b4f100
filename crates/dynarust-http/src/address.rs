//! Addresses: every path that the API has. What stands in a path stays encoded here.
//!
//! | address | methods |
//! | --- | --- |
//! | `/{table}/key/{key}` | GET PUT PATCH DELETE |
//! | `/{table}/subscribe/{key}`, `/{table}/subscribe`, `/subscribe` | GET |
//! | `/{table}/store` | GET |
//! | `/{table}/keys` | GET POST |
//! | `/{table}/batch` | POST |
//! | `/tables`, `/membership`, `/stats`, `/metrics`, `/openapi.json`, `/livez`, `/readyz`, `/_mesh` | GET |
//! | `/_cluster/leave`, `/_cluster/remove/{node}` | POST |
//!
//! HEAD is wherever GET is, OPTIONS is everywhere.

use http::Method;

use crate::operation::Operation;

/// A path of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// `/{table}/key/{key}`
    Record { table: &'a str, key: &'a str },
    /// `/{table}/subscribe/{key}`
    SubscribeKey { table: &'a str, key: &'a str },
    /// `/{table}/subscribe`
    SubscribeTable { table: &'a str },
    /// `/subscribe`
    SubscribeMany,
    /// `/{table}/store`
    Store { table: &'a str },
    /// `/{table}/keys`
    Keys { table: &'a str },
    /// `/{table}/batch`
    Batch { table: &'a str },
    /// `/tables`
    Tables,
    /// `/membership`
    Membership,
    /// `/stats`
    Stats,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// `/livez`
    Livez,
    /// `/readyz`
    Readyz,
    /// `/_mesh`
    Mesh,
    /// `/_cluster/leave`
    Leave,
    /// `/_cluster/remove/{node}`
    Remove,
}

impl<'a> Address<'a> {
    /// The address that this path is, if it is one.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let Some((table, rest)) = path.split_once('/') else {
            return Self::of_system(path);
        };
        match rest.split_once('/') {
            None if table == "_cluster" => (rest == "leave").then_some(Self::Leave),
            Some(("remove", node)) if table == "_cluster" && !node.contains('/') => {
                Some(Self::Remove)
            }
            Some((_, key)) if key.contains('/') => None,
            Some(("key", key)) => Some(Self::Record { table, key }),
            Some(("subscribe", key)) => Some(Self::SubscribeKey { table, key }),
            Some(_) => None,
            None => Self::of_table(table, rest),
        }
    }

    fn of_table(table: &'a str, what: &str) -> Option<Self> {
        match what {
            "subscribe" => Some(Self::SubscribeTable { table }),
            "store" => Some(Self::Store { table }),
            "batch" => Some(Self::Batch { table }),
            "keys" => Some(Self::Keys { table }),
            _ => None,
        }
    }

    fn of_system(name: &str) -> Option<Self> {
        match name {
            "subscribe" => Some(Self::SubscribeMany),
            "tables" => Some(Self::Tables),
            "membership" => Some(Self::Membership),
            "stats" => Some(Self::Stats),
            "metrics" => Some(Self::Metrics),
            "openapi.json" => Some(Self::OpenApi),
            "livez" => Some(Self::Livez),
            "readyz" => Some(Self::Readyz),
            "_mesh" => Some(Self::Mesh),
            _ => None,
        }
    }

    /// What is done here by this method; `None` where it is not one of [`Address::allow`].
    pub(crate) fn operation(self, method: &Method) -> Option<Operation> {
        let operation = match *method {
            Method::GET | Method::HEAD => match self {
                Self::Record { .. } => Operation::GetRecord,
                Self::SubscribeKey { .. } => Operation::SubscribeKey,
                Self::SubscribeTable { .. } => Operation::SubscribeTable,
                Self::SubscribeMany => Operation::SubscribeMany,
                Self::Store { .. } => Operation::ListRecords,
                Self::Keys { .. } => Operation::ListKeys,
                Self::Batch { .. } | Self::Leave | Self::Remove => return None,
                Self::Tables => Operation::ListTables,
                Self::Membership => Operation::Membership,
                Self::Stats => Operation::Stats,
                Self::Metrics => Operation::Metrics,
                Self::OpenApi => Operation::OpenApi,
                Self::Livez => Operation::Livez,
                Self::Readyz => Operation::Readyz,
                Self::Mesh => Operation::Mesh,
            },
            Method::PUT if matches!(self, Self::Record { .. }) => Operation::PutRecord,
            Method::PATCH if matches!(self, Self::Record { .. }) => Operation::PatchRecord,
            Method::DELETE if matches!(self, Self::Record { .. }) => Operation::DeleteRecord,
            Method::POST if matches!(self, Self::Keys { .. }) => Operation::GetRecords,
            Method::POST if matches!(self, Self::Batch { .. }) => Operation::WriteRecords,
            Method::POST if self == Self::Leave => Operation::Leave,
            Method::POST if self == Self::Remove => Operation::Remove,
            _ => return None,
        };
        Some(operation)
    }

    /// The methods that it takes, as the `Allow` header has them.
    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Record { .. } => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
            Self::Batch { .. } | Self::Leave | Self::Remove => "POST, OPTIONS",
            Self::Keys { .. } => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let record = |table, key| Some(Address::Record { table, key });
        assert_eq!(Address::of("/t/key/k"), record("t", "k"));
        assert_eq!(Address::of("/t/key/.."), record("t", ".."));
        assert_eq!(Address::of("/t/key/"), record("t", ""));
        assert_eq!(Address::of("//key/k"), record("", "k"));
        assert_eq!(Address::of("/t/key/a%2Fb"), record("t", "a%2Fb"));
        let other = ["", "*", "/", "/t", "/t/key", "/t/key/a/b", "/t/keys/", "/t/x/k", "/livez/"];
        for path in other {
            assert_eq!(Address::of(path), None, "{path}");
        }
    }

    /// The table of operations and the addresses say the same.
    #[test]
    fn every_operation_is_found_at_its_address_and_no_other() {
        let methods = ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "TRACE", "BREW"];
        let routed = Operation::ALL.iter().filter_map(|it| Some((it.route()?.path, *it)));
        for (template, _) in routed.clone() {
            let path =
                template.replace("{table}", "t").replace("{key}", "k").replace("{node}", "n");
            let address = Address::of(&path).unwrap();
            for method in methods {
                // HEAD is GET without the body.
                let listed = if method == "HEAD" { "GET" } else { method };
                let expected = routed.clone().find(|(path, operation)| {
                    *path == template && operation.route().unwrap().method == listed
                });
                let found = address.operation(&method.parse().unwrap());
                assert_eq!(found, expected.map(|(_, operation)| operation), "{method} {path}");
                let allowed = address.allow().split(", ").any(|allowed| allowed == method);
                assert_eq!(allowed, found.is_some(), "{method} {path}");
            }
            assert!(address.allow().ends_with(", OPTIONS"));
        }
    }
}
