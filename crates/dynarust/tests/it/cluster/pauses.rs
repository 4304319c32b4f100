//! A node that stands still and goes on, and does not know that it did.

use std::time::{Duration, Instant};

use super::agreement::long_form;
use super::nodes::{Cluster, PATIENCE};
use crate::client::Client;

/// What a node has for a write, and a little for a busy machine.
const DEADLINE: Duration = Duration::from_secs(3);

const KEYS: usize = 20;

fn key(number: usize) -> String {
    format!("key {number}")
}

/// The long form stands still for 1, 10 and 60 s.
#[test]
fn a_pause_neither_stalls_others_nor_shows_what_is_stale() {
    let pauses: &[u64] = if long_form().is_some() { &[1, 10, 60] } else { &[1, 4] };
    let mut cluster = Cluster::start(3);
    for (&seconds, paused) in pauses.iter().zip([2, 0, 1]) {
        pause(&mut cluster, paused, Duration::from_secs(seconds));
    }
}

fn pause(cluster: &mut Cluster, paused: usize, lasting: Duration) {
    let [first, second] = [(paused + 1) % 3, (paused + 2) % 3];
    let mut clients = [cluster.client(first), cluster.client(second)];
    for number in 0..KEYS {
        clients[0].put("t", &key(number), "\"before\"").unwrap().expect(200);
    }
    cluster.until_equal("t");
    cluster.stop(paused);
    let began = Instant::now();
    let mut versions = vec![String::new(); KEYS];
    for round in 0.. {
        for (number, version) in versions.iter_mut().enumerate() {
            let sent = Instant::now();
            let answer = clients[number % 2].put("t", &key(number), &round.to_string()).unwrap();
            // At its deadline a write may say that it does not know; a later one then gets through.
            if answer.status == 200 {
                *version = answer.version();
            } else {
                assert!(answer.status == 503, "{answer:?}");
            }
            assert!(began.elapsed() < lasting + PATIENCE * 5, "no end of this: {answer:?}");
            let took = sent.elapsed();
            assert!(took <= DEADLINE, "a write took {took:?} while node {paused} stood still");
        }
        let all = versions.iter().all(|version| !version.is_empty());
        if all && began.elapsed() >= lasting {
            break;
        }
    }
    // Asked while it stands: it answers when it wakes, before it can have heard what it missed.
    let (address, number) = (cluster.address(paused), versions.len() / 2);
    let asked = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..number)
            .map(|number| {
                scope.spawn(move || {
                    let mut client = Client::impatient(address, PATIENCE * 2);
                    client.read("t", &key(number)).unwrap()
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        cluster.cont(paused);
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    let mut client = cluster.client(paused);
    let later = (number..KEYS).map(|number| client.read("t", &key(number)).unwrap());
    for (answer, version) in asked.into_iter().chain(later).zip(&versions) {
        if answer.status != 503 {
            let seen = answer.expect(200).etag();
            assert!(seen >= *version, "stale: {seen}, and {version} was acknowledged");
        }
    }
    cluster.until_members_within(Duration::from_secs(10), 3);
    cluster.until_equal("t");
}
