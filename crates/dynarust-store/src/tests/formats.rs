//! Folders of every released format, as an earlier program left them when it was killed.

use std::path::Path;

use dynarust_core::{RecordName, TableName};

use super::rot::copy;
use crate::port::Store;
use crate::{LocalStore, StoreConfig};

#[tokio::test(flavor = "multi_thread")]
async fn format_1_opens() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures/format-1"), folder.path());
    assert_eq!(crate::verify::verify(folder.path()).unwrap().problems, vec![]);
    for _ in 0..2 {
        let store = LocalStore::open(&StoreConfig::new(folder.path().to_owned())).unwrap();
        let expected = [
            ("default", "mykey", Some("\"newer\"")),
            ("default", "journaled", Some("[true]")),
            ("default", "gone", None),
            ("other", "été/k", None),
            ("other", "x", Some("0")),
        ];
        for (table, key, value) in expected {
            let name = RecordName::parse(table, key).unwrap();
            let stored = store.get(name).await.unwrap().unwrap();
            assert_eq!(stored.record.tombstone, value.is_none(), "{key}");
            assert_eq!(stored.record.value, value.unwrap_or_default(), "{key}");
        }
        let tables = store.tables(None, 10, 0).await.unwrap().tables;
        assert_eq!(tables.iter().map(TableName::as_str).collect::<Vec<_>>(), ["default", "other"]);
        store.close().await;
    }
    let report = crate::verify::verify(folder.path()).unwrap();
    assert_eq!((report.problems, report.records, report.tombstones), (vec![], 5, 2));
    let format = std::fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert!(format.starts_with("dynarust-store 2\n"), "{format}");
}
