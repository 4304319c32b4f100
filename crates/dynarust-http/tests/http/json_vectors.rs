//! The JSON parsing test suite, as values of records (DYNARUST_VECTORS/json-parsing).

use std::path::PathBuf;

use crate::client::JSON;
use crate::door::Door;

fn vectors() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("DYNARUST_VECTORS") {
        return Some(PathBuf::from(folder).join("json-parsing"));
    }
    let in_ci = std::env::var_os("CI").is_some_and(|it| it == "true");
    assert!(!in_ci, "DYNARUST_VECTORS is not set");
    eprintln!("skipped: DYNARUST_VECTORS is not set");
    None
}

#[tokio::test]
async fn what_rfc_8259_calls_json_is_taken_and_nothing_else() {
    let Some(folder) = vectors() else { return };
    let door = Door::open().await;
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".json") {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let body = [b"{\"value\":", text.as_slice(), b"}"].concat();
        let mut client = door.client().await;
        let head = format!(
            "PUT /t/key/k HTTP/1.1\r\nHost: a\r\n{}: {}\r\nContent-Length: {}\r\n\r\n",
            JSON.0,
            JSON.1,
            body.len()
        );
        client.send([head.as_bytes(), &body].concat()).await;
        let answer = client.answer("PUT").await;
        match name.as_bytes()[0] {
            b'y' => {
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                let trimmed = text.trim_ascii();
                let got = door.ask("GET", "/t/key/k").await;
                assert_eq!(got.body, [b"{\"value\":", trimmed, b"}"].concat(), "{name}");
            }
            b'n' => answer.assert_problem(400, "invalid_json"),
            _ => assert!(matches!(answer.status, 200 | 400), "{name}: {answer:?}"),
        }
        cases += 1;
    }
    assert!(cases > 300, "{cases}");
}
