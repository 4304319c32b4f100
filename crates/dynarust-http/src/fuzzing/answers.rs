//! Reads the answers of a connection, strictly. What is wrong with them is a text.

use http::Method;
use serde_json::Value;

/// All that the node ever answers.
const STATUSES: [u16; 22] = [
    100, 101, 200, 204, 304, 400, 403, 404, 405, 408, 409, 412, 413, 414, 415, 422, 426, 431, 500,
    503, 505, 507,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The connection ends behind it.
    pub(super) last: bool,
    /// It came to its end.
    pub(super) whole: bool,
}

/// The answers in `bytes` to requests with these methods.
pub(super) fn read(mut bytes: &[u8], methods: &[Method]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    let mut methods = methods.iter();
    while !bytes.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(bytes).map_err(|error| format!("a bad head: {error}"))?;
        let httparse::Status::Complete(head_bytes) = parsed else {
            return Err("a head that is not whole".to_owned());
        };
        bytes = &bytes[head_bytes..];
        let status = head.code.unwrap();
        if !STATUSES.contains(&status) {
            return Err(format!("status {status}"));
        }
        if status == 101 {
            // What follows is no HTTP.
            answers.push(Answer { status, last: true, whole: true });
            break;
        }
        if status == 100 {
            continue;
        }
        let method = methods.next().ok_or("an answer to no request")?;
        let fields = Fields(head.headers);
        let old = head.version == Some(0);
        let (body, rest, whole) = if *method == Method::HEAD || [204, 304].contains(&status) {
            (Vec::new(), bytes, true)
        } else {
            body(bytes, &fields, old)?
        };
        let connection = fields.get("connection")?;
        let last = connection == Some("close") || (old && connection != Some("keep-alive"));
        check(status, &fields, &body, *method == Method::HEAD)?;
        bytes = rest;
        answers.push(Answer { status, last, whole });
        if !whole && !bytes.is_empty() {
            return Err("bytes behind an answer that is not whole".to_owned());
        }
    }
    Ok(answers)
}

struct Fields<'a>(&'a [httparse::Header<'a>]);

impl Fields<'_> {
    fn get(&self, name: &str) -> Result<Option<&str>, String> {
        let mut named = self.0.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let value = named.next().map(|field| std::str::from_utf8(field.value).unwrap());
        match named.next() {
            Some(_) => Err(format!("{name} stands twice")),
            None => Ok(value),
        }
    }
}

type Body<'a> = (Vec<u8>, &'a [u8], bool);

/// The body, what follows it, and whether it came to its end.
fn body<'a>(bytes: &'a [u8], fields: &Fields<'_>, old: bool) -> Result<Body<'a>, String> {
    match (fields.get("content-length")?, fields.get("transfer-encoding")?) {
        (Some(length), None) => {
            let length = length.parse().map_err(|_| "a bad length")?;
            let (body, rest) = bytes.split_at_checked(length).ok_or("a body that is too short")?;
            Ok((body.to_vec(), rest, true))
        }
        (None, Some("chunked")) => chunked(bytes),
        (None, None) if old => Ok((bytes.to_vec(), &[], false)),
        _ => Err("no framing, or two".to_owned()),
    }
}

fn chunked(mut bytes: &[u8]) -> Result<Body<'_>, String> {
    let mut body = Vec::new();
    loop {
        let Some(line_bytes) = bytes.windows(2).position(|it| it == b"\r\n") else {
            return Ok((body, &[], false));
        };
        let size = std::str::from_utf8(&bytes[..line_bytes]).map_err(|_| "a bad chunk size")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| "a bad chunk size")?;
        let Some(chunk) = bytes.get(line_bytes + 2..line_bytes + 2 + size + 2) else {
            return Ok((body, &[], false));
        };
        let chunk = chunk.strip_suffix(b"\r\n").ok_or("a chunk without an end")?;
        body.extend_from_slice(chunk);
        bytes = &bytes[line_bytes + 2 + size + 2..];
        if size == 0 {
            return Ok((body, bytes, true));
        }
    }
}

/// An error has its problem.
fn check(status: u16, fields: &Fields<'_>, body: &[u8], without_body: bool) -> Result<(), String> {
    if status < 400 {
        return Ok(());
    }
    if fields.get("content-type")? != Some("application/problem+json") {
        return Err(format!("{status} without a problem"));
    }
    if without_body {
        return Ok(());
    }
    let problem: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let sound = problem["status"] == status && problem["code"].is_string();
    sound.then_some(()).ok_or(format!("{status} with {problem}"))
}
