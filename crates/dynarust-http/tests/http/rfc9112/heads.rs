//! Heads that are forbidden: sections 2.2, 3, 3.2 and 5.

use super::{Case, INVALID, bare, cases, head, line};

/// Section 2.2: lines end with CR LF, and a request begins with its first line.
pub(super) fn line_ends() -> Vec<Case> {
    let raw = [
        "GET /livez HTTP/1.1\nHost: a\n\n",
        "GET /livez HTTP/1.1\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\n\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nX: y\nZ: z\r\n\r\n",
        "GET /livez HTTP/1.1\rHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        "GET /livez HTTP/1.1\r\r\nHost: a\r\n\r\n",
        "GET /livez\rHTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\n\rHost: a\n\r\n\r",
        "\r\n\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        " \r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "\tGET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\tHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\0Host: a\r\n\r\n",
        "\0GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "\u{feff}GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    cases(INVALID, raw.map(Into::into))
}

/// Section 3: `method SP target SP version`.
pub(super) fn first_lines() -> Vec<Case> {
    let lines = [
        "GET",
        "GET ",
        "GET /livez",
        "GET /livez ",
        "GET  /livez HTTP/1.1",
        "GET /livez  HTTP/1.1",
        "GET /livez HTTP/1.1 ",
        "GET\t/livez HTTP/1.1",
        "GET /livez\tHTTP/1.1",
        "GET /livez HTTP/1.1\t",
        "GET /li vez HTTP/1.1",
        "GET /livez HTTP/1.1 HTTP/1.1",
        "/livez HTTP/1.1",
        "HTTP/1.1 200 OK",
        "GET /livez http/1.1",
        "GET /livez Http/1.1",
        "GET /livez HTTP/1",
        "GET /livez HTTP/1.",
        "GET /livez HTTP/.1",
        "GET /livez HTTP/11",
        "GET /livez HTTP/1.10",
        "GET /livez HTTP/01.1",
        "GET /livez HTTP/1,1",
        "GET /livez HTTP/ 1.1",
        "GET /livez HTTP/+1.1",
        "GET /livez HTTP/1.a",
        "GET /livez HTTP/x.y",
        "GET /livez HTTP 1.1",
        "GET /livez HTTPS/1.1",
        "GET /livez ICY/1.1",
        "GET /livez 1.1",
        "G(T /livez HTTP/1.1",
        "G\"T /livez HTTP/1.1",
        "G/T /livez HTTP/1.1",
        "G:T /livez HTTP/1.1",
        "G@T /livez HTTP/1.1",
        "G[T] /livez HTTP/1.1",
        "G{T} /livez HTTP/1.1",
        "GÉT /livez HTTP/1.1",
        "GET, /livez HTTP/1.1",
        "GET livez HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET * HTTP/1.1",
        "PUT * HTTP/1.1",
        "HEAD * HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET //[ HTTP/1.1\u{0}",
        "GET #x HTTP/1.1",
        "GET /livez#x HTTP/1.1",
        "GET /livez?a#x HTTP/1.1",
        "GET /<livez> HTTP/1.1",
        "GET /\"livez\" HTTP/1.1",
        "GET /`livez HTTP/1.1",
        "GET /t/key/é HTTP/1.1",
        "GET /t/key/k?x=é HTTP/1.1",
        "GET /t/key/\u{7f} HTTP/1.1",
        "GET /t/key/\u{1} HTTP/1.1",
        "GET /t/key/\0 HTTP/1.1",
        "GET ftp://a/livez HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http: HTTP/1.1",
        "GET http:/livez HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:///livez HTTP/1.1",
        "GET http://?x HTTP/1.1",
        "GET http://:80/livez HTTP/1.1",
        "GET http://user@a/livez HTTP/1.1",
        "GET http://user:secret@a/livez HTTP/1.1",
        "GET http://a:b/livez HTTP/1.1",
        "GET http://a:80:80/livez HTTP/1.1",
        "GET http://a b/livez HTTP/1.1",
        "GET http://[::1/livez HTTP/1.1",
        "GET http://a\\livez HTTP/1.1",
        "GET http://a%zz/livez HTTP/1.1",
        "GET http://a/livez#x HTTP/1.1",
        "CONNECT /livez HTTP/1.1",
        "CONNECT a HTTP/1.1",
        "CONNECT a: HTTP/1.1",
        "CONNECT :80 HTTP/1.1",
        "CONNECT http://a:80 HTTP/1.1",
        "CONNECT user@a:80 HTTP/1.1",
        "CONNECT * HTTP/1.1",
    ];
    let mut all = cases(INVALID, lines.map(line));
    let versions = ["0.9", "1.2", "1.9", "2.0", "3.0", "9.9", "0.0"];
    let lines = versions.map(|version| line(&format!("GET /livez HTTP/{version}")));
    all.extend(cases((505, "version_not_supported"), lines));
    all.extend(cases(INVALID, [b"GET /livez\r\n\r\n".to_vec(), b"GET /livez\r\n".to_vec()]));
    let long_method = format!("{} /livez HTTP/1.1", "M".repeat(100 << 10));
    all.extend(cases((414, "uri_too_long"), [line(&long_method)]));
    let long = |bytes| line(&format!("GET /{} HTTP/1.1", "x".repeat(bytes)));
    all.extend(cases((414, "uri_too_long"), [long(33 << 10), long(1 << 20)]));
    all.extend(cases((414, "uri_too_long"), [format!("GET /{}", "x".repeat(40 << 10)).into()]));
    all
}

/// Section 3.2: one Host.
pub(super) fn hosts() -> Vec<Case> {
    let mut all = cases(INVALID, [b"GET /livez HTTP/1.1\r\n\r\n".to_vec()]);
    let heads = [
        "Accept: */*\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nX: y\r\nhOST: b\r\n",
        "Host: \r\nHost: a\r\n",
        "Host:\r\n",
        "Host: \t \r\n",
        "Host: a b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: http://a\r\n",
        "Host: user@a\r\n",
        "Host: a:80:80\r\n",
        "Host: a:port\r\n",
        "Host: a:-1\r\n",
        "Host: a:65536\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [::1]a\r\n",
        "Host: [::g]\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: \"a\"\r\n",
        "Host: <a>\r\n",
        "Host: a%0\r\n",
        "Host: a%0d%0a:x\r\n",
        "Host: é\r\n",
        "Host : a\r\n",
        "Ho st: a\r\n",
        "X-Host: a\r\n",
    ];
    all.extend(cases(INVALID, heads.map(bare)));
    let old = "GET /livez HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n";
    let invalid = "GET /livez HTTP/1.0\r\nHost: a b\r\n\r\n";
    let absolute = "GET http://a/livez HTTP/1.1\r\n\r\n";
    all.extend(cases(INVALID, [old, invalid, absolute].map(Into::into)));
    all
}

/// Section 5: `name ":" OWS value OWS`, one line each.
pub(super) fn fields() -> Vec<Case> {
    let heads = [
        "X : y\r\n",
        "X\t: y\r\n",
        "X y: z\r\n",
        " X: y\r\n",
        "\tX: y\r\n",
        "X: y\r\n z\r\n",
        "X: y\r\n\tz\r\n",
        "X: y\r\n \r\n",
        "X:\r\n y\r\n",
        ": y\r\n",
        " : y\r\n",
        "X\r\n",
        "X y\r\n",
        "=\r\n",
        "(X): y\r\n",
        "X\": y\r\n",
        "X,Y: z\r\n",
        "X/Y: z\r\n",
        "X;: z\r\n",
        "X<Y>: z\r\n",
        "X=Y: z\r\n",
        "X?: z\r\n",
        "X@Y: z\r\n",
        "[X]: z\r\n",
        "X\\: z\r\n",
        "{X}: z\r\n",
        "É: z\r\n",
        "X\0: y\r\n",
        "X\u{1}: y\r\n",
        "X\u{7f}: y\r\n",
        "X: y\0z\r\n",
        "X: \0\r\n",
        "X: y\u{1}z\r\n",
        "X: y\u{8}z\r\n",
        "X: y\u{b}z\r\n",
        "X: y\u{c}z\r\n",
        "X: y\u{1b}[0m\r\n",
        "X: y\u{7f}z\r\n",
        "GET /livez HTTP/1.1\r\n",
        "Content-Length : 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\u{b}: chunked\r\n",
        "\u{b}Transfer-Encoding: chunked\r\n",
    ];
    let mut all = cases(INVALID, heads.map(head));
    let many = "X: y\r\n".repeat(100);
    let long_name = format!("{}: y\r\n", "X".repeat(257));
    let long_value = format!("X: {}\r\n", "y".repeat(128 << 10));
    let bomb = format!("X: {}\r\n", "y".repeat(8 << 10)).repeat(100);
    let large = [&many, &long_name, &long_value, &bomb].map(|lines| head(lines));
    all.extend(cases((431, "head_too_large"), large));
    all.extend(cases((431, "head_too_large"), [head(&"X".repeat(130 << 10))]));
    all
}
