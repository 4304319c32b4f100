//! Real data, end to end: the program of `examples/iso-codes` loads, checks and follows the world's codes,
//! and the node is killed in the middle of it.

use std::path::Path;

use iso_codes::api::Api;
use iso_codes::source::{self, Tables};
use iso_codes::{check, follow, load};

use crate::node::{Launch, Node, verify, wait_for};

#[test]
fn iso_codes_are_loaded_checked_and_followed_over_kills() {
    let folder = Path::new(source::FOLDER);
    if !folder.exists() && std::env::var("CI").is_err() {
        eprintln!("!! SKIPPED: iso_codes needs Debian's package iso-codes");
        return;
    }
    let [plain, changed] = [0, 2].map(|edition| source::read(folder, edition).unwrap());
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let api = Api::new(&launch.address().to_string());
    let mut node = launch.start();
    let node = std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow::follow(&api, &changed, |_| {}).unwrap());
        for tables in [&plain, &changed] {
            let loading = scope.spawn(|| load::load(&api, tables, 8).unwrap());
            // The tables are written in order, so this one's beginning is the middle of all.
            let (key, text) = tables["languages"].iter().nth(3000).unwrap();
            wait_for("half of the records", || is_there(&node, key, text).then_some(()));
            node.kill9();
            node = launch.start();
            assert!(loading.join().unwrap() > 13_000);
            assert_as_in_the_files(&api, tables);
        }
        assert!(follower.join().unwrap() > 13_000);
        node
    });
    node.terminate();
    verify(launch.folder());
    let _node = launch.start();
    assert_as_in_the_files(&api, &changed);
}

fn is_there(node: &Node, key: &str, text: &str) -> bool {
    let answer = node.client().read("languages", key).unwrap();
    answer.status == 200 && answer.value() == text
}

fn assert_as_in_the_files(api: &Api, tables: &Tables) {
    let report = check::check(api, tables).unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert!(report.records > 13_000, "{}", report.records);
}
