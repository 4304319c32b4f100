//! Section 4: live streams, as far as their addresses, heads and text go.

use dynarust_node::streams::StreamsConfig;

use crate::client::Client;
use crate::door::Door;

#[tokio::test]
async fn the_head_of_a_stream() {
    let door = Door::open().await;
    for target in [
        "/t/subscribe/k",
        "/t/subscribe",
        "/t/subscribe?prefix=a",
        "/subscribe?key=t/k&key=t/l&prefix=t/p&table=u",
    ] {
        for method in ["GET", "HEAD"] {
            let mut client = door.client().await;
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let head = client.head().await;
            assert_eq!(head.status, 200, "{method} {target}");
            assert_eq!(head.header("content-type"), Some("text/event-stream"));
            assert_eq!(head.header("cache-control"), Some("no-store"));
            assert_eq!(head.header("x-accel-buffering"), Some("no"));
            assert_eq!(head.header("vary"), Some("Accept"));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_refused() {
    let door = Door::open().await;
    let cases = [
        ("/subscribe", "invalid_parameter"),
        ("/subscribe?state=true", "invalid_parameter"),
        ("/subscribe?key=k", "invalid_parameter"),
        ("/subscribe?key=t/", "invalid_key"),
        ("/subscribe?table=_t", "invalid_table"),
        ("/t/subscribe?state=maybe", "invalid_parameter"),
        ("/t/subscribe?prefix=a&prefix=b", "invalid_parameter"),
        ("/t/subscribe/k?prefix=a", "invalid_parameter"),
        ("/t/subscribe?key=t/k", "invalid_parameter"),
    ];
    for (target, code) in cases {
        door.ask("GET", target).await.assert_problem(400, code);
        assert_eq!(door.ask("HEAD", target).await.status, 400);
    }
}

#[tokio::test]
async fn too_many_streams_are_refused() {
    let none = StreamsConfig { streams_max: 0, ..StreamsConfig::default() };
    let door = Door::with_streams(none).await;
    let refused = door.ask("GET", "/t/subscribe").await;
    refused.assert_problem(503, "overloaded");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn one_address_has_so_many_streams_and_gets_them_back() {
    let door = Door::with_streams_per_address(2).await;
    let follow = async || {
        let mut client = door.client().await;
        client.send("GET /t/subscribe HTTP/1.1\r\nHost: a\r\n\r\n").await;
        (client.head().await.status, client)
    };
    let held = [follow().await, follow().await];
    assert_eq!(held.each_ref().map(|it| it.0), [200, 200]);
    let refused = door.ask("GET", "/t/subscribe").await;
    refused.assert_problem(503, "overloaded");
    drop(held);
    // As soon as the door has seen that they have gone.
    while follow().await.0 != 200 {}
}

/// The events of a stream, read one by one.
struct Events {
    client: Client,
    text: String,
    /// The id that it goes on behind, as it says itself.
    behind: Option<String>,
}

impl Events {
    async fn open(door: &Door, target: &str, headers: &str) -> Self {
        let mut client = door.client().await;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
        assert_eq!(client.head().await.status, 200);
        let mut events = Self { client, text: String::new(), behind: None };
        let opening = events.block().await.unwrap();
        let rest = opening.strip_prefix("retry: 2000").unwrap();
        events.behind = rest.strip_prefix("\nid: ").map(str::to_owned);
        assert_eq!(rest.is_empty(), events.behind.is_none(), "{opening}");
        events
    }

    /// What stands before the next empty line; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let part = self.client.chunk().await.expect("a whole stream");
            if part.is_empty() {
                return None;
            }
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }

    /// The next event: its name (none for a change), its id, its data.
    async fn next(&mut self) -> (String, String, serde_json::Value) {
        let block = self.block().await.expect("an event");
        let field = |name: &str| {
            let values = block.lines().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
            values.collect::<Vec<_>>().join("\n")
        };
        let data = serde_json::from_str(&field("data")).unwrap();
        (field("event"), field("id"), data)
    }
}

#[tokio::test]
async fn state_then_ready_then_changes() {
    let door = Door::open().await;
    let version = door.put("/t/key/a", "[1,\r\n\n2,\r3]").await;
    door.put("/u/key/a", "1").await;
    let mut events = Events::open(&door, "/t/subscribe", "").await;
    let (event, id, data) = events.next().await;
    assert_eq!((event.as_str(), id.is_empty()), ("", false));
    let expected =
        serde_json::json!({"table": "t", "key": "a", "value": [1, 2, 3], "version": version});
    assert_eq!(data, expected);
    let (event, ready_id, data) = events.next().await;
    assert_eq!((event.as_str(), data), ("ready", serde_json::json!({})));
    let version = door.put("/t/key/b", "null").await;
    let (_, _, data) = events.next().await;
    let expected = serde_json::json!({"table": "t", "key": "b", "value": null, "version": version});
    assert_eq!(data, expected);
    let deleted = door.ask("DELETE", "/t/key/b").await.json();
    let (_, _, data) = events.next().await;
    let expected = serde_json::json!({"table": "t", "key": "b", "deleted": true, "version": deleted["version"]});
    assert_eq!(data, expected);

    // The header wins over the parameter, and either resumes.
    let header = format!("Last-Event-ID: {ready_id}\r\n");
    let mut resumed = Events::open(&door, "/t/subscribe?last_event_id=x", &header).await;
    let (event, _, data) = resumed.next().await;
    assert_eq!((event.as_str(), &data["key"]), ("", &"b".into()));
    assert_eq!(resumed.next().await.0, "ready");
    assert_eq!([events.behind, resumed.behind], [None, Some(ready_id.clone())]);
    let target = format!("/t/subscribe?last_event_id={ready_id}");
    let mut resumed = Events::open(&door, &target, "").await;
    assert_eq!(resumed.next().await.2["key"], "b");
    let mut unknown = Events::open(&door, "/t/subscribe?last_event_id=x", "").await;
    assert_eq!(unknown.next().await.0, "reset");
    let mut without_state = Events::open(&door, "/t/subscribe?state=false", "").await;
    assert_eq!(without_state.next().await.0, "ready");
}

#[tokio::test]
async fn a_stream_is_told_that_the_node_closes() {
    let mut door = Door::open().await;
    let mut events = Events::open(&door, "/t/subscribe", "").await;
    assert_eq!(events.next().await.0, "ready");
    door.begin_close();
    let block = events.block().await.unwrap();
    assert!(block.contains("event: closing\n") && block.contains("retry: "), "{block}");
    assert_eq!(events.block().await, None);
    assert!(events.client.is_closed().await);
    door.closed().await;
}

/// What the kernel holds for a reader gets old there, while newer values wait in the node.
#[tokio::test]
async fn a_reader_that_paused_is_soon_at_the_newest_value() {
    const VALUE_BYTES: usize = 16 << 10;
    let door = Door::open().await;
    let mut events = Events::open(&door, "/t/subscribe/k", "").await;
    let mut writer = door.client().await;
    // Until none of twenty values in a row goes out any more.
    let (mut written, mut handed_out, mut kept_back) = (0, 0, 0);
    while kept_back < 20 {
        written += 1;
        let put = writer.put("/t/key/k", &format!("\"{written:VALUE_BYTES$}\"")).await;
        assert_eq!(put.status, 200);
        let stats = door.ask("GET", "/stats").await.json();
        let before =
            std::mem::replace(&mut handed_out, stats["streams"]["events"].as_u64().unwrap());
        kept_back = if handed_out == before { kept_back + 1 } else { 0 };
    }
    assert_eq!(events.next().await.0, "ready");
    let mut bytes = 0;
    loop {
        let value = events.next().await.2["value"].take();
        if value.as_str().unwrap().trim() == written.to_string() {
            break;
        }
        bytes += VALUE_BYTES;
    }
    assert!(bytes < 1 << 20, "{bytes} bytes of older values");
}

/// The lines of a stream, read one by one.
struct Lines {
    client: Client,
    text: String,
}

impl Lines {
    /// The next line; none at the end.
    async fn next(&mut self) -> Option<serde_json::Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let line = serde_json::from_str(line).unwrap();
                self.text = rest.to_owned();
                return Some(line);
            }
            let part = self.client.chunk().await.expect("a whole stream");
            if part.is_empty() {
                assert_eq!(self.text, "");
                return None;
            }
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }
}

#[tokio::test]
async fn lines_tell_the_same_events() {
    let mut door = Door::open().await;
    let version = door.put("/t/key/a", "[1,\r\n2]").await;
    let mut client = door.client().await;
    let request = "GET /t/subscribe HTTP/1.1\r\nHost: a\r\nAccept: application/x-ndjson\r\n\r\n";
    client.send(request).await;
    let head = client.head().await;
    assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
    let mut lines = Lines { client, text: String::new() };
    let state = lines.next().await.unwrap();
    let expected = serde_json::json!({
        "event": "change", "id": state["id"], "table": "t", "key": "a", "value": [1, 2], "version": version,
    });
    assert_eq!(state, expected);
    let ready = lines.next().await.unwrap();
    assert_eq!(ready["event"], "ready");
    let deleted = door.ask("DELETE", "/t/key/a").await.json();
    let change = lines.next().await.unwrap();
    assert_eq!((&change["deleted"], &change["version"]), (&true.into(), &deleted["version"]));

    // An id of one form resumes in the other.
    let header = format!("Last-Event-ID: {}\r\n", ready["id"].as_str().unwrap());
    let mut resumed = Events::open(&door, "/t/subscribe", &header).await;
    assert_eq!(resumed.next().await.2["deleted"], true);
    drop(resumed);

    door.begin_close();
    let closing = lines.next().await.unwrap();
    assert_eq!((&closing["event"], &closing["id"]), (&"closing".into(), &change["id"]));
    assert!(closing["retry"].is_u64());
    assert_eq!(lines.next().await, None);
    door.closed().await;
}
