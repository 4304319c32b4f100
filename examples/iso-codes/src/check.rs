//! `check`: what the node holds is what the files say, byte for byte, and listed in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::{Api, ApiError, encoded};
use crate::source::Tables;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records compared.
    pub records: usize,
    /// What is not as the files say. Empty is good.
    pub differences: Vec<String>,
}

/// An object's members in the order in which they came.
struct InOrder(Vec<(String, Box<RawValue>)>);

#[derive(Deserialize)]
struct Record {
    value: Box<RawValue>,
}

/// Reads everything back, in each way that there is.
///
/// # Errors
/// A call came to nothing. That a record differs is no error, but in the report.
pub fn check(api: &Api, tables: &Tables) -> Result<Report, ApiError> {
    let mut report = Report::default();
    for (table, records) in tables {
        for (key, text) in records {
            let path = format!("/{table}/key/{}", encoded(key));
            let record: Record = parse(&path, &api.get(&path)?.text)?;
            report.records += 1;
            report.compare(&path, record.value.get() == text);
        }
        report.check_listings(api, table, records)?;
    }
    Ok(report)
}

impl Report {
    fn compare(&mut self, path: &str, same: bool) {
        if !same {
            self.differences.push(path.to_owned());
        }
    }

    /// The table as a whole, page by page, and by prefix.
    fn check_listings(
        &mut self,
        api: &Api,
        table: &str,
        records: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let all: Vec<(&str, &str)> =
            records.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        for query in ["", "?limit=100"] {
            let path = format!("/{table}/store{query}");
            let listed: Vec<_> = pages(api, &path, |text| Ok(parse::<InOrder>(&path, text)?.0))?;
            let listed = listed.iter().map(|(key, value)| (key.as_str(), value.get()));
            self.compare(&path, listed.eq(all.iter().copied()));
        }
        // Two letters: all regions of a country, all languages that begin alike.
        let prefixes: BTreeSet<String> =
            records.keys().map(|key| key.chars().take(2).collect()).collect();
        for prefix in prefixes.iter().chain([&String::new()]) {
            let path = format!("/{table}/keys?prefix={}", encoded(prefix));
            let listed = pages(api, &path, |text| parse::<Vec<String>>(&path, text))?;
            let expected = records.keys().filter(|key| key.starts_with(prefix.as_str()));
            self.compare(&path, listed.iter().eq(expected));
        }
        Ok(())
    }
}

/// All pages of a listing, one behind the other.
fn pages<T>(
    api: &Api,
    path: &str,
    parse: impl Fn(&str) -> Result<Vec<T>, ApiError>,
) -> Result<Vec<T>, ApiError> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = api.get(&path)?;
        all.extend(parse(&page.text)?);
        next = page.next;
    }
    Ok(all)
}

fn parse<T: for<'de> Deserialize<'de>>(path: &str, text: &str) -> Result<T, ApiError> {
    serde_json::from_str(text)
        .map_err(|error| ApiError::Unexpected { url: path.to_owned(), error: error.to_string() })
}

impl<'de> Deserialize<'de> for InOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = InOrder;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(InOrder(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
