//! Requests, made in buffers that are used again.

use std::fmt::Display;
use std::io::Write as _;

use rand::rngs::SmallRng;

use crate::arguments::Target;
use crate::lorem;

/// Makes requests for one table of one node.
#[derive(Debug)]
pub(crate) struct Requests {
    host: String,
    table: String,
    text: Vec<u8>,
    value: Vec<u8>,
}

/// The key of a record of `load`, as it stands in a path.
pub(crate) fn key(record: usize) -> impl Display {
    struct Key(usize);
    impl Display for Key {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{:08}", self.0)
        }
    }
    Key(record)
}

impl Requests {
    pub(crate) fn new(target: &Target) -> Requests {
        Requests {
            host: target.address.clone(),
            table: target.table.clone(),
            text: Vec::new(),
            value: Vec::new(),
        }
    }

    pub(crate) fn get(&mut self, key: impl Display) -> &[u8] {
        let Requests { host, table, text, .. } = self;
        text.clear();
        push(text, format_args!("GET /{table}/key/{key} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        text
    }

    /// A PUT of random words.
    pub(crate) fn put_lorem(
        &mut self,
        key: impl Display,
        durability: &str,
        dice: &mut SmallRng,
    ) -> &[u8] {
        self.value.clear();
        lorem::push_text(dice, &mut self.value);
        self.put(key, durability)
    }

    /// A PUT of a value of the caller's.
    pub(crate) fn put_value(
        &mut self,
        key: impl Display,
        durability: &str,
        value: impl Display,
    ) -> &[u8] {
        self.value.clear();
        push(&mut self.value, format_args!("{value}"));
        self.put(key, durability)
    }

    /// A request without a body; `path` is behind the table's name.
    pub(crate) fn plain(&mut self, method: &str, path: &str) -> &[u8] {
        let Requests { host, table, text, .. } = self;
        text.clear();
        push(text, format_args!("{method} /{table}/{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        text
    }

    /// A GET of an address of the node's own.
    pub(crate) fn of_the_node(&mut self, path: &str) -> &[u8] {
        let Requests { host, text, .. } = self;
        text.clear();
        push(text, format_args!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        text
    }

    /// A request with a body, and with headers of which each ends its line.
    pub(crate) fn with_body(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        headers: &str,
        body: &[u8],
    ) -> &[u8] {
        let Requests { host, table, text, .. } = self;
        let bytes = body.len();
        text.clear();
        push(
            text,
            format_args!(
                "{method} /{table}/{path} HTTP/1.1\r\nHost: {host}\r\n{headers}\
                 Content-Type: {content_type}\r\nContent-Length: {bytes}\r\n\r\n"
            ),
        );
        text.extend_from_slice(body);
        text
    }

    fn put(&mut self, key: impl Display, durability: &str) -> &[u8] {
        const ENVELOPE_BYTES: usize = br#"{"value":}"#.len();
        let Requests { host, table, text, value } = self;
        let bytes = value.len() + ENVELOPE_BYTES;
        text.clear();
        push(
            text,
            format_args!(
                "PUT /{table}/key/{key}?durability={durability} HTTP/1.1\r\nHost: {host}\r\n\
                 Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{{\"value\":"
            ),
        );
        text.extend_from_slice(value);
        text.push(b'}');
        text
    }
}

fn push(text: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    // A vector takes whatever is written.
    let _always = text.write_fmt(arguments);
}
