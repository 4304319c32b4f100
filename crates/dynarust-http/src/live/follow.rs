//! What a stream follows, as its address says.

use dynarust_core::{RecordName, Selection, Selector, TableName};

use crate::path;
use crate::problem::{Code, Problem};
use crate::query::{self, Query};

/// The three addresses of a live stream; parts of paths are still encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow<'a> {
    /// `/{table}/subscribe/{key}`
    Key { table: &'a str, key: &'a str },
    /// `/{table}/subscribe?prefix=…`
    Table { table: &'a str },
    /// `/subscribe?key=t/k&prefix=t/p&table=t`
    Many,
}

impl Follow<'_> {
    /// # Errors
    /// `invalid_table`, `invalid_key`, `invalid_parameter`.
    pub(super) fn selection(self, query: &mut Query<'_>) -> Result<Selection, Problem> {
        let selectors = match self {
            Self::Key { table, key } => {
                vec![Selector::Key(RecordName::new(&path::table(table)?, &path::key(key)?))]
            }
            Self::Table { table } => {
                let prefix = query.take("prefix")?.unwrap_or_default();
                vec![Selector::Prefix(path::table(table)?, prefix.into_owned())]
            }
            Self::Many => many(query)?,
        };
        Selection::new(selectors)
            .map_err(|error| Problem::new(Code::InvalidParameter, format!("{error}: {SHAPE}")))
    }
}

const SHAPE: &str = "give `key=table/key`, `prefix=table/prefix` or `table=table`, each as often \
                     as needed";

fn many(query: &mut Query<'_>) -> Result<Vec<Selector>, Problem> {
    let mut selectors = Vec::new();
    for text in query.take_all("key") {
        let (table, key) = split(&text)?;
        selectors.push(Selector::Key(RecordName::parse(table, key)?));
    }
    for text in query.take_all("prefix") {
        let (table, prefix) = split(&text)?;
        selectors.push(Selector::Prefix(TableName::parse(table)?, prefix.to_owned()));
    }
    for table in query.take_all("table") {
        selectors.push(Selector::Prefix(TableName::parse(&table)?, String::new()));
    }
    Ok(selectors)
}

fn split(text: &str) -> Result<(&str, &str), Problem> {
    text.split_once('/').ok_or_else(|| query::invalid(SHAPE.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(query: &str) -> Result<Selection, Problem> {
        let mut query = Query::parse(Some(query))?;
        let selection = Follow::Many.selection(&mut query)?;
        query.finish().map(|()| selection)
    }

    #[test]
    fn many_selectors_are_split_at_the_first_slash() {
        let table = |name| TableName::parse(name).unwrap();
        let selection = many("table=c&key=a/x/y&prefix=b/&key=a/%2F").unwrap();
        let expected = [
            Selector::Key(RecordName::parse("a", "/").unwrap()),
            Selector::Key(RecordName::parse("a", "x/y").unwrap()),
            Selector::Prefix(table("b"), String::new()),
            Selector::Prefix(table("c"), String::new()),
        ];
        assert_eq!(selection.selectors(), expected);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let cases = [
            ("", Code::InvalidParameter),
            ("key=a", Code::InvalidParameter),
            ("prefix=a", Code::InvalidParameter),
            ("key=a/", Code::InvalidKey),
            ("key=_a/k", Code::InvalidTable),
            ("table=", Code::InvalidTable),
        ];
        for (query, code) in cases {
            assert_eq!(many(query).unwrap_err().code(), code, "{query}");
        }
    }
}
