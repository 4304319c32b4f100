//! Histories as lines of JSON: one operation, one final record or one stream a line, in any order.
//!
//! ```text
//! {"operation":{"session":1,"node":0,"key":"t/k","action":{"kind":"put","id":7},…}}
//! {"final":{"node":0,"key":"t/k","at":9,"seen":{"value":{"version":"…","content":{"put":7}}}}}
//! {"stream":{"reader":1,"follows":{"keys":[],"prefixes":["t/"]},"connections":[…],"to_the_end":true}}
//! ```

use serde::{Deserialize, Serialize};

use crate::history::{Final, History};
use crate::operation::Operation;
use crate::stream::Stream;

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LineOf<'a> {
    Operation(&'a Operation),
    Final(&'a Final),
    Stream(&'a Stream),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Operation(Operation),
    Final(Final),
    Stream(Stream),
}

/// A line that could not be read, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct NotAHistory {
    line: usize,
    why: serde_json::Error,
}

impl History {
    /// As lines of JSON.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let operations = self.operations.iter().map(LineOf::Operation);
        let finals = self.finals.iter().map(LineOf::Final);
        let streams = self.streams.iter().map(LineOf::Stream);
        let mut text = String::new();
        for line in operations.chain(finals).chain(streams) {
            // Nothing in it can fail to be written: no map has a key that is not a text.
            text.push_str(&serde_json::to_string(&line).unwrap_or_default());
            text.push('\n');
        }
        text
    }

    /// Reads what [`History::to_lines`] wrote. Blank lines are let pass.
    ///
    /// # Errors
    /// The first line that is none of a history's.
    pub fn of_lines(text: &str) -> Result<Self, NotAHistory> {
        let mut history = Self::default();
        for (nth, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(line).map_err(|why| NotAHistory { line: nth + 1, why })? {
                Line::Operation(operation) => history.operations.push(operation),
                Line::Final(last) => history.finals.push(last),
                Line::Stream(stream) => history.streams.push(stream),
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{
        KEY, acknowledged, ends, get, operation, put_for, put_if, refused, saw, saw_nothing, v,
        value,
    };
    use crate::{
        Action, Connection, Durability, Event, Follows, Guard, Listed, Outcome, Seen, Told,
    };

    fn of_everything() -> History {
        let listed = Listed { key: KEY.to_owned(), seen: Some(Seen::of(v(1), "no value")) };
        let key_alone = Listed { key: "t/\u{e4} \"".to_owned(), seen: None };
        let operations = [
            operation(1..2, put_for(9, 1), acknowledged(1)).weak(),
            Operation { durability: Durability::Relaxed, ..get(3..4, saw_nothing()) },
            Operation { returned: None, ..get(3..4, Outcome::Indeterminate) },
            operation(5..6, put_if(Guard::Version(v(1)), 2), refused(412)).quorum().under("a"),
            operation(5..6, Action::Delete { guard: Guard::Exists }, refused(404)).by(3, 1),
            get(7..8, saw(1, 1)),
            operation(7..8, Action::Scan, Outcome::Listed(vec![listed, key_alone])).on("t/").one(),
        ];
        let change = Told::Change { key: KEY.to_owned(), seen: value(2, 1, &[3]), expired: false };
        let told = [Told::Reset, change, Told::Ready, Told::Lagged, Told::Closing];
        let events = told.into_iter().map(|what| Event { at: 9, id: "i".to_owned(), what });
        let connection = Connection {
            node: 1,
            opened: 8,
            resumed: Some("h".to_owned()),
            events: events.collect(),
            until: Some(9),
        };
        let stream = Stream {
            reader: 1,
            follows: Follows::prefix("t/"),
            connections: vec![connection],
            to_the_end: true,
        };
        History { streams: vec![stream], ..ends(&operations, &value(2, 1, &[3])) }
    }

    #[test]
    fn what_is_written_is_read() {
        let history = of_everything();
        let text = history.to_lines();
        assert_eq!(text.lines().count(), 7 + 3 + 1);
        assert_eq!(History::of_lines(&text).unwrap(), history);
        assert_eq!(History::of_lines(&format!("\n{text}\n\n")).unwrap(), history);
    }

    #[test]
    fn another_line_is_named() {
        let text = format!("{}{{\"operation\":{{}}}}\n", of_everything().to_lines());
        let told = History::of_lines(&text).unwrap_err().to_string();
        assert!(told.starts_with("line 12: missing field"), "{told}");
    }
}
