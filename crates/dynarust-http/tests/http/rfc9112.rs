//! What RFC 9112 forbids, section by section, sent raw: each gets its problem, and the connection ends.

use crate::client::Client;
use crate::door::Door;

/// Every case is one request, and must be refused with this status and code.
struct Case(u16, &'static str, Vec<u8>);

const INVALID: (u16, &str) = (400, "invalid_request");

/// A request that is well but for its first line.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

/// A GET that is well but for these lines, which end as they are given.
fn head(lines: &str) -> Vec<u8> {
    format!("GET /livez HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

/// A GET with no other headers than these.
fn bare(lines: &str) -> Vec<u8> {
    format!("GET /livez HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

/// A PUT with these lines before the body.
fn put(lines: &str, body: &str) -> Vec<u8> {
    let head = "PUT /t/key/k HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    format!("{head}{lines}\r\n{body}").into_bytes()
}

/// A PUT of a chunked body.
fn chunked(body: &str) -> Vec<u8> {
    put("Transfer-Encoding: chunked\r\n", body)
}

fn cases(of: (u16, &'static str), requests: impl IntoIterator<Item = Vec<u8>>) -> Vec<Case> {
    requests.into_iter().map(|request| Case(of.0, of.1, request)).collect()
}

/// Section 2.2: lines end with CR LF, and a request begins with its first line.
fn line_ends() -> Vec<Case> {
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
fn first_lines() -> Vec<Case> {
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
fn hosts() -> Vec<Case> {
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
fn fields() -> Vec<Case> {
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

/// Section 6: how long the body is.
fn lengths() -> Vec<Case> {
    let body = "{\"value\":1}";
    let lines = [
        "Content-Length: 11\r\nContent-Length: 11\r\n",
        "Content-Length: 11\r\nContent-Length: 12\r\n",
        "Content-Length: 0\r\nContent-Length: 11\r\n",
        "Content-Length: 11\r\nX: y\r\ncontent-length: 11\r\n",
        "Content-Length: 11, 11\r\n",
        "Content-Length: 11,11\r\n",
        "Content-Length: 11, 12\r\n",
        "Content-Length: 11,\r\n",
        "Content-Length: ,11\r\n",
        "Content-Length: +11\r\n",
        "Content-Length: -11\r\n",
        "Content-Length: -0\r\n",
        "Content-Length: 0x0b\r\n",
        "Content-Length: 0b1011\r\n",
        "Content-Length: 0o13\r\n",
        "Content-Length: b\r\n",
        "Content-Length: 11a\r\n",
        "Content-Length: 1 1\r\n",
        "Content-Length: 1\t1\r\n",
        "Content-Length: 1_1\r\n",
        "Content-Length: 11.0\r\n",
        "Content-Length: 1e1\r\n",
        "Content-Length: \"11\"\r\n",
        "Content-Length: 11;\r\n",
        "Content-Length:\r\n",
        "Content-Length: \r\n",
        "Content-Length: ١١\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 18446744073709551627\r\n",
        "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length\u{0}: 11\r\n",
        "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 11\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 11\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 11\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 11\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunkedx\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: , chunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: chunked; x\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: 'chunked'\r\n",
        "Transfer-Encoding: chun ked\r\n",
        "Transfer-Encoding: chunk\u{17f}ed\r\n",
        "Transfer-Encoding: chun\u{212a}ed\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: gzip\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\u{b}chunked\r\n",
        "Transfer-Encoding: \u{c}chunked\r\n",
        "Transfer-Encoding: chunked\0\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
        "Transfer Encoding: chunked\r\nContent-Length : 11\r\n",
        "Transfer-Encoding: chunked\nContent-Length: 11\r\n",
    ];
    let mut all = cases(INVALID, lines.map(|lines| put(lines, body)));
    let old = "PUT /t/key/k HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    all.extend(cases(INVALID, [old.into()]));
    all
}

/// Section 7.1: chunks. The first chunk would be a sound body.
fn chunks() -> Vec<Case> {
    let long_extension = format!("b;x={}\r\n{{\"value\":1}}\r\n0\r\n\r\n", "y".repeat(5 << 10));
    let long_trailer = format!("b\r\n{{\"value\":1}}\r\n0\r\nX: {}\r\n\r\n", "y".repeat(9 << 10));
    let many_trailers = format!("b\r\n{{\"value\":1}}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(33));
    let bodies = [
        "b\n{\"value\":1}\r\n0\r\n\r\n",
        "b\r{\"value\":1}\r\n0\r\n\r\n",
        "b\r\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b\r\n{\"value\":1}\n0\r\n\r\n",
        "b\r\n{\"value\":1}\r0\r\n\r\n",
        "b\r\n{\"value\":1}0\r\n\r\n",
        "b\r\n{\"value\":1}x\r\n0\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\n\n",
        "b\r\n{\"value\":1}\r\n0\r\n\n",
        "b\r\n{\"value\":1}\r\n0\r\n\rx",
        "b\r\n{\"value\":1}\r\n0\n\r\n",
        "b\r\n{\"value\":1}\r\n\r\n0\r\n\r\n",
        "\r\nb\r\n{\"value\":1}\r\n0\r\n\r\n",
        " b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b \r\n{\"value\":1}\r\n0\r\n\r\n",
        "b\t\r\n{\"value\":1}\r\n0\r\n\r\n",
        "0xb\r\n{\"value\":1}\r\n0\r\n\r\n",
        "+b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "-b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b_\r\n{\"value\":1}\r\n0\r\n\r\n",
        "bh\r\n{\"value\":1}\r\n0\r\n\r\n",
        "g\r\n{\"value\":1}\r\n0\r\n\r\n",
        "\"b\"\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b,b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "1000000000000000b\r\n{\"value\":1}",
        "fffffffffffffffff\r\n{\"value\":1}",
        "10000000000000000\r\n{\"value\":1}",
        "0000000000000000b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "00000000000000000000000000000000b\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;;\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;=x\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x=\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x=\"y\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x=\"y\"z\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x\rX{\"value\":1}\r\n0\r\n\r\n",
        "b;x\0\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b;x y\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b x\r\n{\"value\":1}\r\n0\r\n\r\n",
        "a\r\n{\"value\":1}\r\n0\r\n\r\n",
        "c\r\n{\"value\":1}\r\n0\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\nX\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\nX : y\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\n X: y\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\nX: y\r\n z\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\nX: y\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\nX: \0\r\n\r\n",
        "b\r\n{\"value\":1}\r\n0\r\n: y\r\n\r\n",
        "\r\n",
        "{\"value\":1}",
        &long_extension,
        &long_trailer,
        &many_trailers,
    ];
    cases(INVALID, bodies.map(chunked))
}

fn all_cases() -> Vec<Case> {
    let all = [line_ends(), first_lines(), hosts(), fields(), lengths(), chunks()];
    all.into_iter().flatten().collect()
}

#[test]
fn there_are_enough_cases() {
    assert!(all_cases().len() > 250, "{}", all_cases().len());
}

fn shown(request: &[u8]) -> String {
    let start = request.get(..200).unwrap_or(request);
    start.escape_ascii().to_string()
}

#[tokio::test]
async fn what_is_forbidden_is_refused_and_the_connection_closed() {
    let door = Door::open().await;
    door.put("/t/key/before", "1").await;
    for Case(status, code, request) in all_cases() {
        let what = shown(&request);
        let mut client = door.client().await;
        // Behind it a request that must never be served: it would be another client's.
        client.try_send(&request).await;
        client.try_send("GET /t/key/before HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let method = if request.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        let answer = client.answer(method).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        if method == "GET" {
            answer.assert_problem(status, code);
        }
        assert!(client.is_closed().await, "{what}");
    }
    // Nothing of it was taken for a write, and the door still stands.
    assert_eq!(door.ask("GET", "/t/key/k").await.status, 404);
    assert_eq!(door.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn requests_before_a_refused_one_are_answered_first() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    for Case(status, _, request) in all_cases() {
        if request.starts_with(b"\r") || request.starts_with(b"HEAD") {
            continue;
        }
        let what = shown(&request);
        let mut client = door.client().await;
        let before =
            "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\nGET /t/keys HTTP/1.1\r\nHost: a\r\n\r\n";
        client.try_send([before.as_bytes(), &request].concat()).await;
        assert_eq!(client.answer("GET").await.text(), "{\"value\":1}", "{what}");
        assert_eq!(client.answer("GET").await.text(), "[\"k\"]", "{what}");
        assert_eq!(client.answer("GET").await.status, status, "{what}");
        assert!(client.is_closed().await, "{what}");
    }
}

/// What looks odd, and is allowed: each answered, and the connection goes on.
#[tokio::test]
async fn what_is_allowed_is_served() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let body = "{\"value\":1}";
    let chunk = |before: &str| format!("{before}\r\n{body}\r\n0\r\n\r\n");
    let requests = [
        head(""),
        head("X:\r\nY: \t \r\nZ:\ty\t\r\n"),
        head("X: é\u{a0}\"(),:;<=>?@[\\]{}\r\n"),
        head("!#$%&'*+-.^_`|~0: y\r\n"),
        head("content-LENGTH: 0\r\n"),
        head("Content-Length:3\r\n").into_iter().chain(*b"abc").collect(),
        head(&"X: y\r\n".repeat(99)),
        head(&format!("X: {}\r\n", "y".repeat(100 << 10))),
        b"\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        bare("hOST:a\r\n"),
        bare("Host:  a:6660 \r\n"),
        bare("Host: [::1]:6660\r\n"),
        line("GET http://other:1/livez?_=1 HTTP/1.1"),
        line("GET /livez?_={}[]|^\\ HTTP/1.1"),
        put("Content-Length: 011\r\n", body),
        put("Transfer-Encoding:\tCHUNKED \r\n", &chunk("b")),
        chunked(&chunk("000B")),
        chunked(&chunk("b;x")),
        chunked(&chunk("b ; x = y;z=\"a\\\"b;\r\"".replace('\r', "").as_str())),
        chunked("5\r\n{\"val\r\n6\r\nue\":1}\r\n0;x=y\r\nX: y\r\nContent-Length: 3\r\n\r\n"),
        head(
            "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
        ),
    ];
    let mut client = door.client().await;
    for request in requests {
        let what = shown(&request);
        client.send(&request).await;
        assert_eq!(client.answer("GET").await.status, 200, "{what}");
        let next = client.ask("GET", "/t/key/k", &[], "").await;
        assert_eq!(next.text(), "{\"value\":1}", "{what}");
    }
}

#[tokio::test]
async fn a_request_is_the_same_wherever_it_is_split() {
    let door = Door::open().await;
    let get = "\r\nGET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = String::from_utf8(put("Content-Length: 11\r\n", "{\"value\":2}")).unwrap();
    let parts = "5;x=\"y\"\r\n{\"val\r\n6\r\nue\":2}\r\n0\r\nX: y\r\n\r\n";
    let chunked = String::from_utf8(chunked(parts)).unwrap();
    let bad = "GET /t/key/k HTTP/1.1\r\nHost : a\r\n\r\n";
    let all = [&put, get, &chunked, get, bad].concat().into_bytes();
    for at in 0..all.len() {
        let (one, other) = all.split_at(at);
        let mut client = door.client().await;
        client.send(one).await;
        // So that they come one by one.
        tokio::task::yield_now().await;
        client.try_send(other).await;
        for expected in [200, 200, 200, 200, 400] {
            assert_eq!(client.answer("GET").await.status, expected, "split at {at}");
        }
        assert!(client.is_closed().await, "split at {at}");
    }
}

#[tokio::test]
async fn bodies_that_are_cut_short_write_nothing() {
    let door = Door::open().await;
    let with_length = put("Content-Length: 11\r\n", "{\"value\":1}");
    let in_chunks = chunked("b\r\n{\"value\":1}\r\n0\r\n\r\n");
    for whole in [with_length, in_chunks] {
        let head_bytes = whole.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        for bytes in 0..whole.len() {
            let mut client = door.client().await;
            client.send(&whole[..bytes]).await;
            client.finish().await;
            if bytes < head_bytes {
                assert!(client.is_closed().await, "{bytes}");
            } else {
                let answered = client.answer_or_end("PUT").await;
                assert!(answered.is_none_or(|answer| answer.status == 400), "{bytes}");
            }
        }
    }
    assert_eq!(door.ask("GET", "/t/key/k").await.status, 404);
}

#[tokio::test]
async fn a_refused_head_leaves_the_answer_to_be_read() {
    let door = Door::open().await;
    // Much more than any buffer holds: were the connection closed with it unread, it would be reset,
    // and the answer lost.
    let mut client = door.client().await;
    client.try_send("PUT /t/key/k HTTP/1.1\r\nHost : a\r\n\r\n").await;
    client.try_send(vec![b'x'; 1 << 20]).await;
    client.answer("PUT").await.assert_problem(400, "invalid_request");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn many_requests_sent_ahead_are_all_answered() {
    let door = Door::open().await;
    door.put("/t/key/k", "1").await;
    let get = "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n";
    let put = String::from_utf8(put("Content-Length: 11\r\n", "{\"value\":1}")).unwrap();
    let mut client: Client = door.client().await;
    client.send([get, &put].concat().repeat(500)).await;
    for _ in 0..500 {
        assert_eq!(client.answer("GET").await.text(), "{\"value\":1}");
        assert_eq!(client.answer("PUT").await.status, 200);
    }
}
