//! The head of a request, read line by line as it comes (RFC 9112 sections 2 to 6).
//!
//! No byte is looked for twice, however the head is split. All that [`Head::advance`] takes, hyper takes
//! too, and reads the same framing out of it.

use dynarust_core::limits::{
    HEAD_BYTES_MAX, HEADER_FIELDS_MAX, HEADER_NAME_BYTES_MAX, METHOD_BYTES_MAX, URI_BYTES_MAX,
};

use memchr::memchr;

use super::byte_class::{CONTROL, TOKEN};
use super::fault::Fault;
use super::request_line::RequestLine;

/// The longest request line whose target is not too long: method, target, ` HTTP/1.1` and a space.
const REQUEST_LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + URI_BYTES_MAX + 10;
/// The highest length that hyper takes.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// How a request's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes; there may be none.
    Length(u64),
    /// After its last chunk.
    Chunked,
}

/// What a whole head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WholeHead {
    /// Its bytes, with the empty line.
    pub(super) bytes: usize,
    pub(super) framing: Framing,
    /// The client would rather speak something else from here on.
    pub(super) upgrade: bool,
}

/// A head of which lines have been read.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Where the first line begins that is not whole.
    line: usize,
    /// Where to look on for its end.
    looked_at: usize,
    request_line: Option<RequestLine>,
    fields: usize,
    has_host: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Head {
    /// Reads on in `bytes`, which begin where the head begins; `None` where it is not whole.
    ///
    /// # Errors
    /// The first [`Fault`]; the head is of no use then.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<WholeHead>, Fault> {
        loop {
            let Some(end) = self.line_end(bytes)? else {
                return self.check_size(bytes.len()).map(|()| None);
            };
            let line = bytes.get(self.line..end).unwrap_or_default();
            self.check_size(end)?;
            self.line = end + 2;
            self.looked_at = self.line;
            if self.request_line.is_none() {
                self.request_line = Some(RequestLine::read(line)?);
            } else if line.is_empty() {
                return self.finish().map(Some);
            } else {
                self.read_field(line)?;
            }
        }
    }

    /// Where the line's CR LF is; `None` where it is not there yet.
    fn line_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let fresh = bytes.get(self.looked_at..).unwrap_or_default();
        let line_feed = memchr(b'\n', fresh);
        let (text, end) = match fresh.get(..line_feed.unwrap_or(fresh.len())) {
            Some([text @ .., b'\r']) => (text, line_feed.map(|_| self.looked_at + text.len())),
            Some(text) => (text, None),
            None => (fresh, None),
        };
        if has_control(text) {
            return Err(control_fault(text));
        }
        if line_feed.is_some() && end.is_none() {
            return Err(Fault::BareLineFeed);
        }
        // A CR at the end is looked at again: what follows it is not there yet.
        self.looked_at += text.len();
        Ok(end)
    }

    fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        if self.request_line.is_none() && bytes > REQUEST_LINE_BYTES_MAX {
            Err(Fault::TargetTooLong)
        } else if bytes > HEAD_BYTES_MAX {
            Err(Fault::HeadTooLarge)
        } else {
            Ok(())
        }
    }

    fn read_field(&mut self, line: &[u8]) -> Result<(), Fault> {
        if let [b' ' | b'\t', ..] = line {
            return Err(Fault::Folding);
        }
        let (name, value) = split_field(line).ok_or(Fault::HeaderName)?;
        self.fields += 1;
        if self.fields > HEADER_FIELDS_MAX || name.len() > HEADER_NAME_BYTES_MAX {
            return Err(Fault::HeadTooLarge);
        }
        // Most names differ in their length already.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.read_host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.read_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.read_encoding(value),
            _ => Ok(()),
        }
    }

    fn read_host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.has_host {
            return Err(Fault::TwoHosts);
        }
        self.has_host = true;
        if super::host::is_host_and_port(value) { Ok(()) } else { Err(Fault::InvalidHost) }
    }

    fn read_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.length.is_some() {
            return Err(Fault::TwoLengths);
        }
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = number.and_then(|text| text.parse().ok()).filter(|it| *it <= LENGTH_MAX);
        self.length = Some(length.ok_or(Fault::InvalidLength)?);
        Ok(())
    }

    fn read_encoding(&mut self, value: &[u8]) -> Result<(), Fault> {
        let modern = self.request_line.is_some_and(|line| line.modern);
        if self.chunked || !modern || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    /// At the empty line.
    fn finish(&self) -> Result<WholeHead, Fault> {
        let modern = self.request_line.is_some_and(|line| line.modern);
        if modern && !self.has_host {
            return Err(Fault::NoHost);
        }
        let framing = match (self.length, self.chunked) {
            (Some(_), true) => return Err(Fault::LengthAndChunked),
            (None, true) => Framing::Chunked,
            (length, false) => Framing::Length(length.unwrap_or(0)),
        };
        Ok(WholeHead { bytes: self.line, framing, upgrade: self.upgrade })
    }
}

/// A header's name and value, without the white space around the value.
pub(super) fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_bytes = line.iter().position(|&byte| !TOKEN.has(byte))?;
    match line.split_at_checked(name_bytes)? {
        ([], _) => None,
        (name, [b':', value @ ..]) => Some((name, value.trim_ascii())),
        _ => None,
    }
}

/// By comparing alone, which the compiler does for many bytes at a time.
fn has_control(text: &[u8]) -> bool {
    let control = |byte: u8| ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f);
    text.iter().fold(false, |found, &byte| found | control(byte))
}

/// Which of the control characters is told of: the first.
fn control_fault(text: &[u8]) -> Fault {
    match text.iter().find(|&&byte| CONTROL.has(byte)) {
        Some(b'\r') => Fault::BareCarriageReturn,
        _ => Fault::ControlCharacter,
    }
}
