//! Section 7: what web pages of other origins are told.

use dynarust_http::CorsOrigins;

use crate::client::{Answer, JSON};
use crate::door::Door;

const ORIGIN: (&str, &str) = ("Origin", "https://app.example");

/// One address of each kind.
const ADDRESSES: [(&str, &str); 9] = [
    ("/t/key/k", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
    ("/t/keys", "GET, HEAD, POST, OPTIONS"),
    ("/t/store", "GET, HEAD, OPTIONS"),
    ("/t/batch", "POST, OPTIONS"),
    ("/t/subscribe", "GET, HEAD, OPTIONS"),
    ("/tables", "GET, HEAD, OPTIONS"),
    ("/stats", "GET, HEAD, OPTIONS"),
    ("/livez", "GET, HEAD, OPTIONS"),
    ("/membership", "GET, HEAD, OPTIONS"),
];

async fn door(origins: &[&str]) -> Door {
    Door::with_origins(CorsOrigins::parse(origins.iter().copied()).unwrap()).await
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn a_node_that_is_told_nothing_says_nothing() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let options = client.ask("OPTIONS", "/t/keys", &[ORIGIN], "").await;
    for answer in [options, client.ask("GET", "/t/keys", &[ORIGIN], "").await] {
        assert!(!answer.headers.iter().any(|(name, _)| name.starts_with("access-control")));
        assert_eq!(answer.header("vary"), None);
    }
}

#[tokio::test]
async fn every_answer_says_who_may_read_it() {
    let door = door(&["https://app.example", "http://localhost:3000"]).await;
    let mut client = door.client().await;
    for (target, _) in ADDRESSES {
        let head = client.ask("HEAD", target, &[ORIGIN], "").await;
        assert_eq!(allowed(&head), Some("https://app.example"), "{target}");
        let exposed = head.header("access-control-expose-headers");
        assert_eq!(exposed, Some("DynaRust-Replicas, ETag, Link, Last-Modified, Retry-After"));
        assert!(head.headers.contains(&("vary".to_owned(), "Origin".to_owned())));
        let other = client.ask("HEAD", target, &[("Origin", "https://b.example")], "").await;
        assert_eq!((other.status, allowed(&other)), (head.status, None), "{target}");
        assert!(other.headers.contains(&("vary".to_owned(), "Origin".to_owned())));
    }
    let body = r#"{"value":1}"#;
    let written = client.ask("PUT", "/t/key/k", &[JSON, ORIGIN], body).await;
    assert_eq!((written.status, allowed(&written)), (200, Some("https://app.example")));
    let cases = [
        ("GET", "/nothing", 404),
        ("BREW", "/t/key/k", 405),
        ("GET", "/_t/key/k", 400),
        ("PUT", "/t/key/k", 415),
        ("GET", "/t/keys?x=1", 400),
    ];
    for (method, target, status) in cases {
        let refused = client.ask(method, target, &[ORIGIN], "").await;
        assert_eq!((refused.status, allowed(&refused)), (status, Some("https://app.example")));
    }
}

#[tokio::test]
async fn a_browser_that_asks_beforehand_is_told_what_may_be_done() {
    let asks = [ORIGIN, ("Access-Control-Request-Method", "PUT")];
    for (origins, expected) in [(["https://app.example"], "https://app.example"), (["*"], "*")] {
        let door = door(&origins).await;
        let mut client = door.client().await;
        for (target, methods) in ADDRESSES {
            let told = client.ask("OPTIONS", target, &asks, "").await;
            assert_eq!((told.status, allowed(&told)), (204, Some(expected)), "{target}");
            assert_eq!(told.header("allow"), Some(methods));
            assert_eq!(told.header("access-control-allow-methods"), Some(methods));
            let headers = told.header("access-control-allow-headers").unwrap();
            assert!(headers.contains("Authorization") && headers.contains("If-Match"));
            assert_eq!(told.header("access-control-max-age"), Some("86400"));
        }
        let plain = client.ask("OPTIONS", "/t/keys", &[ORIGIN], "").await;
        assert_eq!(plain.header("access-control-allow-methods"), None);
        client.ask("OPTIONS", "/nothing", &asks, "").await.assert_problem(404, "not_found");
    }
    let door = door(&["https://b.example"]).await;
    let told = door.client().await.ask("OPTIONS", "/t/keys", &asks, "").await;
    assert_eq!((told.status, allowed(&told)), (204, None));
    assert_eq!(told.header("access-control-allow-methods"), None);
}

#[tokio::test]
async fn names_that_are_reserved_for_access_control_are_taken_and_ignored() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let token = ("Authorization", "Bearer x");
    for (target, _) in ADDRESSES {
        let target = format!("{target}?access_token=a&access_token=b");
        let answer = client.ask("HEAD", &target, &[token], "").await;
        assert!(matches!(answer.status, 200 | 404 | 405), "{target}: {answer:?}");
        let options = client.ask("OPTIONS", &target, &[token], "").await;
        assert_eq!(options.status, 204);
    }
    client
        .ask("GET", "/t/keys?access_tokens=a", &[], "")
        .await
        .assert_problem(400, "invalid_parameter");
}
