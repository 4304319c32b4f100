//! Strings that break programs, as keys, tables and values: each comes back as it went in, or is refused
//! by its code.

use std::fmt::Write as _;

use serde_json::Value;

use crate::client::JSON;
use crate::door::Door;

/// What has troubled somebody: empty looks, other directions, terminators, other languages' syntax.
const STRINGS: [&str; 62] = [
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "a\0b",
    "\u{1}",
    "\u{7f}",
    "\u{80}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{200e}",
    "\u{202e}abc",
    "\u{2028}",
    "\u{2029}",
    "\u{2060}",
    "\u{feff}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1fffe}",
    "\u{10ffff}",
    "\u{e000}",
    "e\u{301}",
    "é",
    "ﬁ",
    "ß",
    "İ",
    "ı",
    "Å",
    "😀",
    "👩\u{200d}👩\u{200d}👧",
    "🇺🇳",
    "Z\u{351}\u{36b}a",
    "ᄀ\u{1161}",
    "الكل",
    "ה׳",
    "文字化け",
    "..",
    ".",
    "../../etc/passwd",
    "/",
    "//",
    "\\",
    "%",
    "%00",
    "%2F",
    "+",
    "?",
    "#",
    "&a=b",
    "a=b",
    "' OR 1=1 --",
    "\"; DROP TABLE records; --",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "__proto__",
    "undefined",
];

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

#[tokio::test]
async fn any_text_is_a_key() {
    let door = Door::open().await;
    let mut client = door.client().await;
    let longest = ["é".repeat(512), "\0".repeat(1024), "😀".repeat(256)];
    let keys = STRINGS.iter().copied().chain(longest.iter().map(String::as_str));
    let mut written = Vec::new();
    for key in keys {
        let target = format!("/t/key/{}", encoded(key));
        let value = serde_json::to_string(key).unwrap();
        assert_eq!(client.put(&target, &value).await.status, 200, "{key:?}");
        let got = client.ask("GET", &target, &[], "").await;
        assert_eq!(got.text(), format!("{{\"value\":{value}}}"), "{key:?}");
        written.push(key);
    }
    written.sort_unstable();
    let keys: Vec<String> =
        serde_json::from_slice(&client.ask("GET", "/t/keys", &[], "").await.body).unwrap();
    assert_eq!(keys, written);
    let store = client.ask("GET", "/t/store", &[], "").await.json();
    assert!(written.iter().all(|key| store[*key] == *key));
    let lines = client.ask("GET", "/t/store", &[("Accept", "application/x-ndjson")], "").await;
    let lines: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().zip(&written).all(|(line, key)| line["key"] == **key));
    let asked = serde_json::to_string(&written).unwrap();
    let found = client.ask("POST", "/t/keys", &[JSON], &asked).await.json();
    assert_eq!(found.as_object().unwrap().len(), written.len());
    for key in written {
        let range = format!("/t/keys?prefix={}&limit=1", encoded(key));
        let first = client.ask("GET", &range, &[], "").await.json();
        assert_eq!(first[0], key);
        let target = format!("/t/key/{}", encoded(key));
        assert_eq!(client.ask("DELETE", &target, &[], "").await.status, 200, "{key:?}");
    }
    assert_eq!(client.ask("GET", "/t/keys", &[], "").await.text(), "[]");
}

#[tokio::test]
async fn few_texts_are_a_table() {
    let door = Door::open().await;
    let mut client = door.client().await;
    for table in STRINGS {
        let fits = !table.starts_with(['_', '.'])
            && table.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let put = client.put(&format!("/{}/key/k", encoded(table)), "1").await;
        if fits {
            assert_eq!(put.status, 200, "{table:?}");
        } else {
            put.assert_problem(400, "invalid_table");
        }
    }
    assert_eq!(client.ask("GET", "/tables", &[], "").await.text(), r#"["undefined"]"#);
}

#[tokio::test]
async fn any_text_is_a_value_and_a_members_name() {
    let door = Door::open().await;
    let mut client = door.client().await;
    const MERGE: (&str, &str) = ("Content-Type", "application/merge-patch+json");
    const OPERATIONS: (&str, &str) = ("Content-Type", "application/json-patch+json");
    for text in STRINGS {
        let quoted = serde_json::to_string(text).unwrap();
        assert_eq!(client.put("/t/key/k", "{}").await.status, 200);
        let merged =
            client.ask("PATCH", "/t/key/k", &[MERGE], &format!("{{{quoted}:{quoted}}}")).await;
        assert_eq!(merged.status, 200, "{text:?}");
        let pointer = text.replace('~', "~0").replace('/', "~1");
        let pointer = serde_json::to_string(&format!("/{pointer}")).unwrap();
        let tested = format!(r#"[{{"op":"test","path":{pointer},"value":{quoted}}}]"#);
        let tested = client.ask("PATCH", "/t/key/k", &[OPERATIONS], &tested).await;
        assert_eq!(tested.status, 200, "{text:?}: {tested:?}");
        let got = client.ask("GET", "/t/key/k", &[], "").await;
        assert_eq!(got.text(), format!("{{\"value\":{{{quoted}:{quoted}}}}}"), "{text:?}");
    }
}
