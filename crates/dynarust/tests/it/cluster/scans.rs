//! `store`, `keys` and `/tables` show the whole cluster's records, whichever node is asked, and while nodes
//! go.

use std::collections::BTreeMap;
use std::time::Duration;

use super::nodes::Cluster;
use crate::client::{Answer, Client};

/// Several chunks of a scan.
const KEYS: usize = 2600;

/// Deletes every fifth.
fn is_deleted(nth: usize) -> bool {
    nth.is_multiple_of(5)
}

fn key(nth: usize) -> String {
    format!("{nth:05}")
}

/// Writes all through different nodes, in batches, some of them twice, and deletes some.
fn fill(cluster: &Cluster) -> BTreeMap<String, u64> {
    let batch = |node: usize, lines: Vec<String>| {
        let type_ = ("content-type", "application/x-ndjson");
        let answer = cluster.client(node).call("POST", "/t/batch", &[type_], &lines.join("\n"));
        let answer = answer.unwrap().expect(200);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.lines().all(|line| line.contains("\"status\":200")), "{text}");
    };
    let numbers: Vec<usize> = (0..KEYS).collect();
    for (nth, part) in numbers.chunks(500).enumerate() {
        let put = |it: &usize| format!("{{\"key\":\"{}\",\"value\":{it}}}", key(*it));
        batch(nth % 5, part.iter().map(put).collect());
        let deletes = part.iter().filter(|it| is_deleted(**it));
        let delete = |it: &usize| format!("{{\"key\":\"{}\",\"deleted\":true}}", key(*it));
        batch((nth + 1) % 5, deletes.map(delete).collect());
    }
    let left = numbers.into_iter().filter(|it| !is_deleted(*it));
    left.map(|it| (key(it), it as u64)).collect()
}

fn keys(answer: &Answer) -> Vec<String> {
    serde_json::from_slice(&answer.body).unwrap()
}

/// The path of the page behind this one.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let (path, _) = link.strip_prefix('<')?.split_once('>')?;
    Some(path.to_owned())
}

/// All pages, and before each of them `before` with its number.
fn paged(client: &mut Client, first: &str, mut before: impl FnMut(usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = Some(first.to_owned());
    for nth in 0.. {
        let Some(there) = path else { break };
        before(nth);
        let answer = client.get(&there).unwrap().expect(200);
        found.extend(keys(&answer));
        path = next(&answer);
    }
    found
}

#[test]
fn all_is_listed_at_every_node_and_while_one_goes() {
    let mut cluster = Cluster::start(5);
    let written = fill(&cluster);
    cluster.client(2).put("solo", "k", "1").unwrap().expect(200);
    let forward: Vec<String> = written.keys().cloned().collect();
    let reverse: Vec<String> = forward.iter().rev().cloned().collect();
    for node in cluster.all() {
        let mut client = cluster.client(node);
        for consistency in ["available", "quorum", "all"] {
            let path = format!("/t/store?consistency={consistency}");
            let answer = client.get(&path).unwrap().expect(200);
            assert_eq!(answer.header("dynarust-replicas"), None, "a majority stands behind it");
            let store: BTreeMap<String, u64> = serde_json::from_slice(&answer.body).unwrap();
            assert!(store == written, "node {node} at {consistency}: {} records", store.len());
        }
        assert_eq!(keys(&client.get("/t/keys").unwrap().expect(200)), forward, "node {node}");
        assert_eq!(keys(&client.get("/tables").unwrap().expect(200)), ["solo", "t"]);
        let prefix = keys(&client.get("/t/keys?prefix=0010").unwrap().expect(200));
        assert_eq!(prefix.len(), 8, "{prefix:?}");
    }
    // What was written just now may be on its way to some of the owners.
    cluster.within(Duration::from_secs(5), "one copy of each", || {
        cluster.all().try_for_each(|node| {
            let answer = cluster.client(node).get("/t/keys?consistency=one").unwrap().expect(200);
            let found = keys(&answer).len();
            if found == forward.len() { Ok(()) } else { Err(format!("node {node}: {found}")) }
        })
    });
    let mut client = cluster.client(1);
    assert_eq!(paged(&mut client, "/t/keys?limit=700", |_| {}), forward);
    let found = paged(&mut client, "/t/keys?limit=300&reverse=true", |nth| {
        if nth == 2 {
            cluster.kill9(4);
            // Before the others have found out.
            let tables = cluster.client(0).get("/tables").unwrap().expect(200);
            assert_eq!(keys(&tables), ["solo", "t"]);
        }
    });
    assert_eq!(found, reverse);
    for node in cluster.running() {
        let mut client = cluster.client(node);
        assert_eq!(keys(&client.get("/t/keys?consistency=quorum").unwrap().expect(200)), forward);
        assert_eq!(keys(&client.get("/tables").unwrap().expect(200)), ["solo", "t"]);
    }
}

/// Where too few are there it is said before anything is listed, and never less than all is listed.
#[test]
fn too_few_are_told_before_the_first_byte() {
    let mut cluster = Cluster::start(3);
    for nth in 0..20 {
        cluster.client(0).put("t", &key(nth), "1").unwrap().expect(200);
    }
    cluster.until_equal("t");
    cluster.kill9(2);
    cluster.within(Duration::from_secs(5), "all three are not to be had", || {
        let answer = cluster.client(0).get("/t/store?consistency=all").unwrap();
        if answer.status == 503 { Ok(()) } else { Err(format!("{}", answer.status)) }
    });
    let answer = cluster.client(0).get("/t/keys?consistency=all&limit=5").unwrap().expect(503);
    assert_eq!(answer.code(), "not_enough_replicas");
    assert_eq!(keys(&cluster.client(0).get("/t/keys").unwrap().expect(200)).len(), 20);
    cluster.kill9(1);
    cluster.within(Duration::from_secs(5), "two are not to be had", || {
        let answer = cluster.client(0).get("/t/store?consistency=quorum").unwrap();
        if answer.status == 503 { Ok(()) } else { Err(format!("{}", answer.status)) }
    });
    let answer = cluster.client(0).get("/t/keys").unwrap().expect(200);
    assert_eq!((answer.header("dynarust-replicas"), keys(&answer).len()), (Some("1/3"), 20));
}
