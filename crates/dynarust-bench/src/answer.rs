//! An HTTP/1.1 answer at the beginning of what came: whether all of it is here, and what it says.

use memchr::memmem;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The last chunk of a chunked body. Values of a load hold no such line.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// How an answer ends.
#[derive(Debug, PartialEq, Eq)]
enum Extent {
    Bytes(usize),
    Chunks,
}

/// Whether a whole answer stands in `text`, which holds nothing behind it.
pub(crate) fn is_whole(text: &[u8]) -> bool {
    let Some(head_bytes) = head_bytes(text) else { return false };
    let Some(head) = text.get(..head_bytes) else { return false };
    match extent(head) {
        Extent::Bytes(body_bytes) => text.len() >= head_bytes + body_bytes,
        Extent::Chunks => text.ends_with(LAST_CHUNK),
    }
}

/// Bytes of the head, once all of it is here.
pub(crate) fn head_bytes(text: &[u8]) -> Option<usize> {
    memmem::find(text, END_OF_HEAD).map(|at| at + END_OF_HEAD.len())
}

/// The three digits of the status.
pub(crate) fn status(text: &[u8]) -> u16 {
    let digits = text.get(b"HTTP/1.1 ".len()..b"HTTP/1.1 200".len());
    digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()).unwrap_or(0)
}

/// Status and code of a problem, such as `404 key_not_found`; or the status alone.
pub(crate) fn problem(text: &[u8]) -> String {
    const CODE: &[u8] = b"\"code\":\"";
    let status = status(text);
    let code = memmem::find(text, CODE).and_then(|at| {
        let rest = text.get(at + CODE.len()..)?;
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    });
    code.map_or_else(|| status.to_string(), |code| format!("{status} {code}"))
}

fn extent(head: &[u8]) -> Extent {
    let mut extent = Extent::Bytes(0);
    for line in head.split(|byte| *byte == b'\n') {
        if let Some(length) = value_of(line, b"content-length:") {
            extent = Extent::Bytes(length.parse().unwrap_or(0));
        } else if value_of(line, b"transfer-encoding:").is_some() {
            return Extent::Chunks;
        }
    }
    extent
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let (found, value) = line.split_at_checked(name.len())?;
    let value = found.eq_ignore_ascii_case(name).then_some(value)?;
    std::str::from_utf8(value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answers: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\ndate: today\r\n\r\nbody",
            b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ];
        for answer in answers {
            for end in 0..answer.len() {
                assert!(!is_whole(&answer[..end]), "{:?}", std::str::from_utf8(&answer[..end]));
            }
            assert!(is_whole(answer));
        }
    }

    #[test]
    fn a_problem_is_told_by_status_and_code() {
        let text = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n{\"status\":404,\"code\":\"key_not_found\"}";
        assert_eq!((status(text), problem(text).as_str()), (404, "404 key_not_found"));
        assert_eq!(problem(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"), "502");
        assert_eq!(problem(b"SSH-2.0"), "0");
    }
}
