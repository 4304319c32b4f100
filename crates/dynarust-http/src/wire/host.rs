//! Hosts, as `Host` headers and targets name them (RFC 9110 section 7.2, RFC 3986 section 3.2).

use std::net::Ipv6Addr;

use super::byte_class::HOST;

/// Whether this is a host that is not empty, perhaps with a port.
pub(crate) fn is_host_and_port(text: &[u8]) -> bool {
    split(text).is_some_and(|(host, port)| is_host(host) && port.is_none_or(is_port))
}

/// Whether this is a host with its port, as CONNECT needs it.
pub(super) fn is_host_with_port(text: &[u8]) -> bool {
    let Some((host, Some(port))) = split(text) else { return false };
    is_host(host) && !port.is_empty() && is_port(port)
}

/// The host, and what follows the colon behind it.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let host_bytes = match text {
        [b'[', ..] => text.iter().position(|&byte| byte == b']')? + 1,
        _ => text.iter().position(|&byte| byte == b':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_bytes)?;
    match rest {
        [] => Some((host, None)),
        [b':', port @ ..] => Some((host, Some(port))),
        _ => None,
    }
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', address @ .., b']'] => {
            std::str::from_utf8(address).is_ok_and(|it| it.parse::<Ipv6Addr>().is_ok())
        }
        _ => is_registered_name(host),
    }
}

/// IPv4 addresses are among them.
fn is_registered_name(mut name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    while let [byte, rest @ ..] = name {
        name = match (byte, rest) {
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            _ if HOST.has(*byte) => rest,
            _ => return false,
        };
    }
    true
}

fn is_port(port: &[u8]) -> bool {
    let number = std::str::from_utf8(port).ok().filter(|text| !text.starts_with('+'));
    port.is_empty() || number.is_some_and(|text| text.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_other_text() {
        let good = [
            "a",
            "localhost",
            "127.0.0.1",
            "a.example:6660",
            "[::1]",
            "[::1]:80",
            "my_service:1",
            "a:",
            "xn--4gbrim",
            "a%20b",
            "A-b~c",
            "a:65535",
        ];
        for host in good {
            assert!(is_host_and_port(host.as_bytes()), "{host}");
        }
        let bad = [
            "", ":80", "a b", "a/b", "a@b", "user@a:1", "http://a", "a:80:80", "a:x", "a:+1",
            "a:65536", "[::1", "::1", "[::1]a", "[::1]:x", "[a]", "[]", "a,b c", "a%", "a%2",
            "a%zz", "é", "a\"", "a<b>", "a\\b", "a?b", "a#b", "a\tb", "{a}", "a|b", "a^b", "a`b",
        ];
        for host in bad {
            assert!(!is_host_and_port(host.as_bytes()), "{host}");
        }
        assert!(is_host_with_port(b"a:1"));
        for host in ["a", "a:", ":1", "[::1]"] {
            assert!(!is_host_with_port(host.as_bytes()), "{host}");
        }
    }
}
