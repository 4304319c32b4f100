//! Live streams on any node: what is written on another comes through, whoever owns it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::Client;
use crate::events::Events;
use crate::mirror::{Mirror, Seen, table_of};
use crate::node::{run_in, wait_for};
use crate::streams::Stop;

use super::nodes::Cluster;

/// Three nodes hold everything, each. How soon it comes is measured elsewhere; here it comes.
#[test]
fn what_is_written_on_one_node_is_seen_on_all() {
    write_and_follow_everywhere(3);
}

/// Of five, nobody holds everything.
#[test]
fn what_is_written_is_seen_on_nodes_that_do_not_own_it() {
    write_and_follow_everywhere(5);
}

/// `DynaRust bench live --follow`: what is timed goes from one node to the other.
#[test]
fn the_load_may_follow_another_node_than_it_writes_to() {
    let cluster = Cluster::start(2);
    let [written, followed] = [0, 1].map(|node| cluster.address(node).to_string());
    let words = ["bench", "live", "--streams=10", "--rate=20", "--seconds=1", "--json"];
    let nodes = ["--address", &written, "--follow", &followed];
    let output = run_in(&std::env::temp_dir(), &[&words[..], &nodes].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let begun = |node| cluster.stats(node).unwrap()["streams"]["begun"].as_u64();
    assert_eq!((begun(0), begun(1)), (Some(0), Some(10)));
}

fn write_and_follow_everywhere(count: usize) {
    let cluster = Cluster::start(count);
    let mut streams: Vec<Events> = cluster
        .addresses()
        .into_iter()
        .map(|address| Events::open(address, "/live/subscribe"))
        .collect();
    for stream in &mut streams {
        stream.until_ready();
    }
    for number in 0..count * 4 {
        let (writer, key) = (number % count, format!("key {number}"));
        let written = cluster.client(writer).put("live", &key, &number.to_string()).unwrap();
        let version = written.expect(200).version();
        for stream in &mut streams {
            let change = stream.next_change();
            assert_eq!((&change.key, &change.version), (&key, &version));
        }
    }
    cluster.client(0).delete("live", "key 1").unwrap().expect(200);
    for stream in &mut streams {
        let change = stream.next_change();
        assert!(change.deleted && change.key == "key 1", "{change:?}");
    }
    // A stream that begins now has the same state, whichever node it asks.
    for address in cluster.addresses() {
        let table = table_of(&mut Client::new(address), "live");
        assert_eq!(table.len(), count * 4 - 1);
        Mirror::new(address, "/live/subscribe").follow_to(&table);
    }
}

/// Who told a part of what is followed dies: the stream goes on, and ends up with what is there.
#[test]
fn a_stream_outlives_the_owners_that_tell_it() {
    let mut cluster = Cluster::start(5);
    let keys: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
    let mut client = cluster.client(0);
    for key in &keys {
        client.put("live", key, "1").unwrap().expect(200);
    }
    let address = cluster.addresses()[0];
    let mut mirror = Mirror::new(address, "/live/subscribe");
    let mut stream = mirror.connect();
    mirror.follow_on(&mut stream, &records_of(&mut client, &keys));
    cluster.kill9(4);
    // Of some of these the node that was killed had told.
    // What was on its way to it is written anew.
    wait_for("a delete", || {
        let answer = client.delete("live", "key 0").unwrap();
        matches!(answer.status, 200 | 404).then_some(())
    });
    for key in &keys[1..] {
        wait_for("a write", || (client.put("live", key, "2").unwrap().status == 200).then_some(()));
    }
    mirror.follow_on(&mut stream, &records_of(&mut client, &keys[1..]));
    assert_eq!(mirror.resets, 0, "another owner had all that was told");
}

/// Every node goes on behind the ids of every other, while all of them are written to.
#[test]
fn readers_wander_from_node_to_node_and_miss_nothing() {
    for count in [3, 5] {
        let cluster = Cluster::start(count);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            // However this ends, the writers end.
            let ending = Stop(&over);
            for writer in 0..count {
                let (over, mut client) = (&over, cluster.client(writer));
                scope.spawn(move || {
                    for number in 0_u32.. {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let key = format!("key {}", (number * 7 + 1) % 40);
                        let done = match number % 5 {
                            4 => client.delete("live", &key),
                            _ => client.put("live", &key, &format!("[{writer},{number}]")),
                        };
                        assert!(matches!(done.unwrap().status, 200 | 404));
                    }
                });
            }
            let mut mirror = Mirror::new(cluster.address(0), "/live/subscribe");
            for hop in 0..100 {
                mirror.move_to(cluster.address(hop % count));
                mirror.follow_for(30);
            }
            drop(ending);
            assert_eq!(mirror.resets, 0, "of {count} nodes one did not go on");
            mirror.follow_to(&table_of(&mut cluster.client(0), "live"));
        });
    }
}

/// The records as a reader at that node sees them.
fn records_of(client: &mut Client, keys: &[String]) -> BTreeMap<String, Seen> {
    let mut read = |key: &String| {
        let answer = client.read("live", key).unwrap().expect(200);
        (key.clone(), Seen { value: answer.value().to_owned(), version: answer.etag() })
    };
    keys.iter().map(&mut read).collect()
}
