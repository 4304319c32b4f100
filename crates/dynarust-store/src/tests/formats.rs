//! Folders of every released format, as an earlier program left them when it was killed.

use std::path::Path;
use std::sync::Arc;

use dynarust_core::{RecordName, RequestKey, TableName, UnixMillis};

use super::rot::copy;
use crate::port::{Answered, Store};
use crate::{LocalStore, StoreConfig, WallClock};

/// When the folder of format 2 was left.
const LEFT_AT: UnixMillis = 0x01a2_122f_58a0;

/// A clock that stands still.
struct Stopped;

impl WallClock for Stopped {
    fn now(&self) -> UnixMillis {
        LEFT_AT
    }
}

fn fixture(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures");
    copy(&fixtures.join(name), folder.path());
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
    folder
}

fn open(folder: &Path) -> LocalStore {
    let config = StoreConfig { clock: Arc::new(Stopped), ..StoreConfig::new(folder.to_owned()) };
    LocalStore::open(&config).unwrap()
}

/// What has no value is a tombstone, or has expired.
async fn check(store: &LocalStore, expected: &[(&str, &str, Option<&str>)]) {
    for (table, key, value) in expected {
        let stored = store.get(RecordName::parse(table, key).unwrap()).await.unwrap().unwrap();
        assert_eq!(stored.record.value, value.unwrap_or_default(), "{key}");
        assert_eq!(stored.record.holds_value(), value.is_some(), "{key}");
        assert_eq!(stored.record.expired, *key == "brief", "{key}");
    }
    let tables = store.tables(None, 10, LEFT_AT).await.unwrap().tables;
    let with_a_value = expected.iter().filter(|(_, _, value)| value.is_some());
    let mut wanted: Vec<_> = with_a_value.map(|(table, ..)| *table).collect();
    wanted.dedup();
    assert_eq!(tables.iter().map(TableName::as_str).collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn format_1_opens() {
    let folder = fixture("format-1");
    for _ in 0..2 {
        let store = open(folder.path());
        let expected = [
            ("default", "mykey", Some("\"newer\"")),
            ("default", "journaled", Some("[true]")),
            ("default", "gone", None),
            ("other", "été/k", None),
            ("other", "x", Some("0")),
        ];
        check(&store, &expected).await;
        store.close().await;
    }
    let report = crate::verify::verify(folder.path()).unwrap();
    assert_eq!((report.problems, report.records, report.tombstones), (vec![], 5, 2));
    let format = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert!(format.starts_with("dynarust-store 2\n"), "{format}");
}

#[tokio::test(flavor = "multi_thread")]
async fn format_2_opens() {
    let folder = fixture("format-2");
    for _ in 0..2 {
        let store = open(folder.path());
        let expected = [
            ("default", "mykey", Some("\"newer\"")),
            ("default", "long", Some("{\"lives\":true}")),
            ("default", "journaled", Some("[true]")),
            ("default", "later", Some("1")),
            ("default", "brief", None),
            ("default", "gone", None),
            ("other", "x", None),
        ];
        check(&store, &expected).await;
        for key in ["in-the-base", "in-the-journal"] {
            let request = RequestKey { key: key.into(), fingerprint: 0 };
            let answered = store.answered(request).await.unwrap();
            assert_eq!(answered, Some(Answered::KeyReused), "{key}");
        }
        store.close().await;
    }
    let report = crate::verify::verify(folder.path()).unwrap();
    assert_eq!((report.records, report.tombstones, report.expired), (7, 2, 1));
    assert_eq!(report.problems, vec![]);
}
