//! Batches whose items go to several owners.

use std::fmt::Write as _;

use super::nodes::Cluster;
use crate::client::record_path;

const TABLE: &str = "batches";

/// Of the items of one key each takes effect behind the one before, whichever ways they go: a plain put is
/// coordinated where it comes in, a delete by the first owner.
#[test]
fn items_of_one_key_take_effect_in_order() {
    let cluster = Cluster::start(3);
    for node in cluster.all() {
        let mut lines = String::new();
        for number in 0..50 {
            let key = format!("{node}-{number}");
            for item in ["\"value\":1", "\"deleted\":true", "\"value\":2"] {
                writeln!(lines, "{{\"key\":\"{key}\",{item}}}").unwrap();
            }
        }
        let ndjson = ("content-type", "application/x-ndjson");
        let path = format!("/{TABLE}/batch");
        let mut client = cluster.client(node);
        let answer = client.call("POST", &path, &[ndjson], &lines).unwrap().expect(200);
        let answers = String::from_utf8_lossy(&answer.body);
        assert_eq!(answers.lines().count(), 150);
        assert!(answers.lines().all(|line| line.contains("\"status\":200")), "{answers}");
        for number in 0..50 {
            let got = client.get(&record_path(TABLE, &format!("{node}-{number}"))).unwrap();
            assert_eq!(got.expect(200).value(), "2");
        }
    }
}
