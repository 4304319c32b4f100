//! Section 3: tables.

use dynarust_core::RecordName;
use dynarust_core::limits::CHUNK_RECORDS_MAX;

use crate::client::JSON;
use crate::door::Door;

async fn door_with(keys: &[&str]) -> Door {
    let door = Door::open().await;
    for key in keys {
        let name = RecordName::parse("t", key).unwrap();
        door.store.insert(name, &format!("{{\"of\":\"{key}\"}}"), None);
    }
    door
}

async fn keys_of(door: &Door, query: &str) -> Vec<String> {
    let answer = door.ask("GET", &format!("/t/keys?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn an_unknown_table_is_an_empty_one() {
    let door = Door::open().await;
    for query in ["", "?limit=1"] {
        assert_eq!(door.ask("GET", &format!("/t/store{query}")).await.text(), "{}");
        assert_eq!(door.ask("GET", &format!("/t/keys{query}")).await.text(), "[]");
    }
    let many = door.client().await.ask("POST", "/t/keys", &[JSON], "[\"a\"]").await;
    assert_eq!((many.status, many.text()), (200, "{}"));
}

#[tokio::test]
async fn records_come_in_byte_order() {
    let door = door_with(&["b", "a", "ä", "B", "a/b"]).await;
    door.put("/t/key/%22q%22", "[ 1 ]").await;
    door.put("/t2/key/x", "1").await;
    door.put("/t/key/gone", "1").await;
    assert_eq!(door.ask("DELETE", "/t/key/gone").await.status, 200);
    let store = door.ask("GET", "/t/store").await;
    assert_eq!(store.header("content-type"), Some("application/json"));
    assert_eq!(store.header("cache-control"), Some("no-store"));
    let expected = r#"{"\"q\"":[ 1 ],"B":{"of":"B"},"a":{"of":"a"},"a/b":{"of":"a/b"},"b":{"of":"b"},"ä":{"of":"ä"}}"#;
    assert_eq!(store.text(), expected);
    let keys = door.ask("GET", "/t/keys").await;
    assert_eq!(keys.text(), r#"["\"q\"","B","a","a/b","b","ä"]"#);
    assert_eq!(door.ask("HEAD", "/t/store").await.status, 200);
}

#[tokio::test]
async fn ranges_are_cut_as_asked() {
    let door = door_with(&["a", "aa", "ab", "b", "c d"]).await;
    let cases: [(&str, &[&str]); 9] = [
        ("prefix=a", &["a", "aa", "ab"]),
        ("start=aa", &["aa", "ab", "b", "c d"]),
        ("end=ab", &["a", "aa"]),
        ("start=aa&end=b", &["aa", "ab"]),
        ("prefix=a&start=aa&reverse=true", &["ab", "aa"]),
        ("prefix=c+d", &["c d"]),
        ("prefix=c%20d&reverse=false", &["c d"]),
        ("start=b&end=a", &[]),
        ("limit=2&reverse=true&consistency=one", &["c d", "b"]),
    ];
    for (query, keys) in cases {
        assert_eq!(keys_of(&door, query).await, keys, "{query}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let door = Door::open().await;
    for query in ["limit=0", "limit=10001", "reverse=1", "cursor=?", "start=a&start=b", "max=1"] {
        for route in ["store", "keys"] {
            let answer = door.ask("GET", &format!("/t/{route}?{query}")).await;
            answer.assert_problem(400, "invalid_parameter");
        }
    }
    let post = door.client().await.ask("POST", "/t/keys?limit=1", &[JSON], "[]").await;
    post.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn pages_lead_to_the_next_until_the_last() {
    let names: Vec<String> = (0..10).map(|nth| format!("k {nth}/<é>")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let door = door_with(&names).await;
    // A tombstone at either end must not make a page without records.
    for key in ["a", "z"] {
        door.put(&format!("/t/key/{key}"), "1").await;
        assert_eq!(door.ask("DELETE", &format!("/t/key/{key}")).await.status, 200);
    }
    for (route, reverse) in [("keys", false), ("store", false), ("keys", true)] {
        let mut target = format!("/t/{route}?prefix=k+&limit=3&reverse={reverse}");
        let mut found = Vec::new();
        let mut pages = 0;
        loop {
            let page = door.ask("GET", &target).await;
            pages += 1;
            match page.json() {
                serde_json::Value::Array(keys) => {
                    found.extend(keys.iter().map(|key| key.as_str().unwrap().to_owned()));
                }
                serde_json::Value::Object(records) => found.extend(records.keys().cloned()),
                other => panic!("{other}"),
            }
            let Some(link) = page.header("link") else { break };
            let next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
            assert!(
                next.starts_with(&format!(
                    "/t/{route}?prefix=k+&limit=3&reverse={reverse}&cursor="
                ))
            );
            target = next.to_owned();
        }
        if reverse {
            found.reverse();
        }
        assert_eq!((found, pages), (names.iter().map(|it| (*it).to_owned()).collect(), 4));
    }
    // A page that is just full has no next one.
    assert_eq!(door.ask("GET", "/t/keys?limit=10").await.header("link"), None);
}

#[tokio::test]
async fn a_table_larger_than_a_chunk_is_streamed_whole() {
    let names: Vec<String> = (0..3 * CHUNK_RECORDS_MAX).map(|nth| format!("{nth:06}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let door = door_with(&names).await;
    let store = door.ask("GET", "/t/store").await;
    assert!(store.whole);
    assert_eq!(store.json().as_object().unwrap().len(), names.len());
    assert_eq!(keys_of(&door, "").await, names);
}

#[tokio::test]
async fn a_failure_is_told_before_the_first_byte_and_cuts_after_it() {
    let names: Vec<String> = (0..3 * CHUNK_RECORDS_MAX).map(|nth| format!("{nth:06}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let door = door_with(&names).await;
    let corrupt = |key: &str| door.store.corrupt(RecordName::parse("t", key).unwrap());
    corrupt(names.last().unwrap());
    let mut client = door.client().await;
    client.send("GET /t/store HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.is_cut_short().await);
    let wanted = [names[0], names.last().unwrap()];
    let body = serde_json::to_string(&wanted).unwrap();
    door.store.keep_in_memory(false);
    let mut client = door.client().await;
    client
        .send(format!(
            "POST /t/keys HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert!(client.is_cut_short().await);
    corrupt(names[0]);
    for target in ["/t/store", "/t/keys", "/t/store?limit=1"] {
        door.ask("GET", target).await.assert_problem(500, "corrupt_record");
    }
    let many = door.client().await.ask("POST", "/t/keys", &[JSON], &body).await;
    many.assert_problem(500, "corrupt_record");
}

#[tokio::test]
async fn many_keys_come_in_the_order_asked_for() {
    let door = door_with(&["a", "b", "c"]).await;
    let body = r#"["c","nothing","a","c","\u0061"]"#;
    let many = door.client().await.ask("POST", "/t/keys?consistency=all", &[JSON], body).await;
    assert_eq!(many.status, 200);
    assert_eq!(many.text(), r#"{"c":{"of":"c"},"a":{"of":"a"}}"#);
}

const LINES: (&str, &str) = ("Accept", "application/x-ndjson");

#[tokio::test]
async fn store_gives_lines_to_those_who_prefer_them() {
    let door = Door::open().await;
    let version = door.put("/t/key/a", "[1,\r\n\n \"x\\ny\" ]").await;
    door.put("/t/key/%22q%22", "null").await;
    let mut client = door.client().await;
    let lines = client.ask("GET", "/t/store", &[LINES], "").await;
    assert_eq!(lines.status, 200);
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(lines.header("cache-control"), Some("no-store"));
    assert_eq!(lines.header("vary"), Some("Accept"));
    let (first, second) = lines.text().split_once('\n').unwrap();
    assert!(first.starts_with(r#"{"key":"\"q\"","value":null,"version":""#), "{first}");
    let expected =
        format!("{{\"key\":\"a\",\"value\":[1,    \"x\\ny\" ],\"version\":\"{version}\"}}\n");
    assert_eq!(second, expected);
    let default = client.ask("GET", "/t/store", &[("Accept", "text/csv")], "").await;
    assert_eq!(default.header("content-type"), Some("application/json"));
    assert_eq!(default.header("vary"), Some("Accept"));
    let nothing = client.ask("GET", "/u/store", &[LINES], "").await;
    assert_eq!((nothing.status, nothing.text()), (200, ""));
    let keys = client.ask("GET", "/t/keys", &[LINES], "").await;
    assert_eq!(keys.header("content-type"), Some("application/json"));
    assert_eq!(keys.header("vary"), None);
}

#[tokio::test]
async fn lines_come_in_pages_too_and_can_be_written_as_they_are() {
    let names: Vec<String> = (0..10).map(|nth| format!("k{nth} é/\u{7f}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let door = door_with(&names).await;
    let mut client = door.client().await;
    let mut target = "/t/store?limit=3&reverse=true".to_owned();
    let mut lines = Vec::new();
    loop {
        let page = client.ask("GET", &target, &[LINES], "").await;
        assert_eq!(page.header("content-type"), Some("application/x-ndjson"));
        lines.extend(page.text().lines().map(str::to_owned));
        let Some(link) = page.header("link") else { break };
        target = link.split_once('>').unwrap().0.trim_start_matches('<').to_owned();
    }
    assert_eq!(lines.len(), names.len());
    let copy = ("Content-Type", "application/x-ndjson");
    let written = client.ask("POST", "/copy/batch", &[copy], &lines.join("\n")).await;
    assert_eq!(written.text().matches("\"status\":200").count(), names.len());
    let (one, other) = (door.ask("GET", "/t/store").await, door.ask("GET", "/copy/store").await);
    assert_eq!(one.body, other.body);
}

#[tokio::test]
async fn tables_that_hold_a_record_are_listed() {
    let door = Door::open().await;
    assert_eq!(door.ask("GET", "/tables").await.text(), "[]");
    for target in ["/b/key/x", "/B/key/x", "/a/key/x", "/a/key/y", "/gone/key/x"] {
        door.put(target, "1").await;
    }
    assert_eq!(door.ask("DELETE", "/gone/key/x").await.status, 200);
    door.store.insert(RecordName::parse("expired", "x").unwrap(), "1", Some(1));
    let tables = door.ask("GET", "/tables").await;
    assert_eq!((tables.status, tables.text()), (200, r#"["B","a","b"]"#));
    assert_eq!(tables.header("content-type"), Some("application/json"));
    assert_eq!(tables.header("cache-control"), Some("no-store"));
    assert_eq!(door.ask("HEAD", "/tables").await.status, 200);
    door.ask("GET", "/tables?limit=1").await.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn many_tables_are_streamed() {
    let door = Door::open().await;
    let names: Vec<String> = (0..3 * CHUNK_RECORDS_MAX).map(|nth| format!("t{nth:06}")).collect();
    for name in &names {
        door.store.insert(RecordName::parse(name, "k").unwrap(), "1", None);
    }
    let tables = door.ask("GET", "/tables").await;
    assert!(tables.whole);
    assert_eq!(serde_json::from_slice::<Vec<String>>(&tables.body).unwrap(), names);
}
