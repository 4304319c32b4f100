//! The first line of a request (RFC 9112 section 3).

use dynarust_core::limits::URI_BYTES_MAX;

use super::byte_class::{TARGET, TOKEN};
use super::fault::Fault;
use super::host::{is_host_and_port, is_host_with_port};

/// What of the line matters for what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// HTTP/1.1, not 1.0.
    pub(super) modern: bool,
}

impl RequestLine {
    /// Reads a line, which has no control characters but perhaps tabs.
    ///
    /// # Errors
    /// The [`Fault`] that it has.
    pub(super) fn read(line: &[u8]) -> Result<Self, Fault> {
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::RequestLine);
        };
        if method.is_empty() || target.is_empty() || !TOKEN.has_all(method) {
            return Err(Fault::RequestLine);
        }
        let modern = is_modern(version)?;
        if target.len() > URI_BYTES_MAX {
            return Err(Fault::TargetTooLong);
        }
        if !is_target(method, target) {
            return Err(Fault::Target);
        }
        Ok(Self { modern })
    }
}

fn is_modern(version: &[u8]) -> Result<bool, Fault> {
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(Fault::Version)
        }
        _ => Err(Fault::RequestLine),
    }
}

/// The four forms of RFC 9112 section 3.2.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if method == b"CONNECT" {
        return is_host_with_port(target) && !target.contains(&b'%');
    }
    match target {
        [b'/', ..] => TARGET.has_all(target),
        b"*" => method == b"OPTIONS",
        _ => is_absolute(target),
    }
}

fn is_absolute(target: &[u8]) -> bool {
    let scheme_bytes = match target {
        [b'h' | b'H', b't' | b'T', b't' | b'T', b'p' | b'P', b':', b'/', b'/', ..] => 7,
        [b'h' | b'H', b't' | b'T', b't' | b'T', b'p' | b'P', b's' | b'S', b':', b'/', b'/', ..] => {
            8
        }
        _ => return false,
    };
    let rest = target.get(scheme_bytes..).unwrap_or_default();
    let host_bytes = rest.iter().position(|&byte| matches!(byte, b'/' | b'?'));
    let (host, path) = rest.split_at_checked(host_bytes.unwrap_or(rest.len())).unwrap_or_default();
    // hyper takes no percent sign in a target's host.
    is_host_and_port(host) && !host.contains(&b'%') && TARGET.has_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_a_target_are_taken() {
        let lines = [
            "GET / HTTP/1.1",
            "GET /t/key/a%2Fb?consistency=one HTTP/1.0",
            "GET //key/k HTTP/1.1",
            "GET /?a=[1]&b={x}|^\\ HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET http://a.example:80/livez?x HTTP/1.1",
            "GET HTTPS://[::1] HTTP/1.1",
            "GET http://a?x HTTP/1.1",
            "CONNECT a.example:443 HTTP/1.1",
            "M-SEARCH /x HTTP/1.1",
        ];
        for line in lines {
            let read = RequestLine::read(line.as_bytes());
            assert_eq!(read.map(|it| it.modern), Ok(line.ends_with('1')), "{line}");
        }
    }

    #[test]
    fn hyper_takes_every_target_that_is_taken_here() {
        for byte in 0..=u8::MAX {
            for target in [
                vec![b'/', byte],
                vec![b'/', b'?', byte],
                [&b"http://a/"[..], &[byte]].concat(),
                [&b"http://a"[..], &[byte]].concat(),
                [&b"http://a"[..], &[byte], b"b:1/"].concat(),
            ] {
                if is_target(b"GET", &target) {
                    let uri = http::Uri::try_from(&*target);
                    assert!(uri.is_ok(), "{target:?}");
                }
            }
            let target = [b"a", &[byte][..], b"b:1"].concat();
            if is_target(b"CONNECT", &target) {
                assert!(http::Uri::try_from(&*target).is_ok(), "{target:?}");
            }
        }
    }
}
