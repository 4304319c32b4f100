//! Whole tables in bounded memory, whoever reads them, and however they stop.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::client::{Client, JSON, put_body, record_path};
use crate::node::{Launch, Node, wait_for};

const RECORDS: usize = 600;
const VALUE_BYTES: usize = 100_000;

/// A node whose cache is small against its one table of 60 MB.
fn node_with_a_large_table() -> (tempfile::TempDir, Launch, Node) {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data")).flag("--cache-bytes=8M");
    let node = launch.start();
    let mut client = node.client();
    let value = put_body(&format!("\"{}\"", "x".repeat(VALUE_BYTES)));
    for number in 0..RECORDS {
        let path = record_path("t", &format!("{number:04}"));
        let path = format!("{path}?durability=relaxed");
        client.call("PUT", &path, &[JSON], &value).unwrap().expect(200);
    }
    (home, launch, node)
}

#[test]
fn a_table_is_read_in_bounded_memory() {
    let (_home, launch, node) = node_with_a_large_table();
    let before = node.resident_bytes();
    std::thread::scope(|scope| {
        let read = || {
            let answer = Client::new(launch.address()).get("/t/store").unwrap().expect(200);
            assert!(answer.body.len() > RECORDS * VALUE_BYTES);
        };
        let readers: Vec<_> = (0..6).map(|_| scope.spawn(read)).collect();
        let mut most = before;
        while readers.iter().any(|reader| !reader.is_finished()) {
            most = most.max(node.resident_bytes());
            std::thread::yield_now();
        }
        let grown = most - before;
        // Six tables of 60 MB were sent.
        assert!(grown < 40 << 20, "{} MiB more for six readers of a whole table", grown >> 20);
    });
}

#[test]
fn a_reader_that_goes_away_costs_nothing_further() {
    let (_home, launch, node) = node_with_a_large_table();
    let before = node.open_files();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(launch.address()).unwrap();
        socket.write_all(b"GET /t/store HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut beginning = [0; 1000];
        socket.read_exact(&mut beginning).unwrap();
        assert!(beginning.starts_with(b"HTTP/1.1 200"));
    }
    wait_for("what the readers left to be closed", || {
        (node.open_files() <= before + 4).then_some(())
    });
    node.client().read("t", "0000").unwrap().expect(200);
}
