//! Ten thousand connections, opened and left: the node serves the next request meanwhile, and has its
//! memory and its file handles back afterwards.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{JSON, put_body};
use crate::node::{Launch, wait_for};

const CROWD: u64 = 10_000;
/// File handles of the test itself.
const OTHERS: u64 = 500;
/// What a node may keep of a crowd for the next one.
const KEPT_BYTES_MAX: u64 = 24 << 20;

/// What the members of a crowd have said when they leave.
const WORDS: &[&str] = &[
    "",
    "GET /t/key/k HT",
    "GET /t/key/k HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT /t/key/other HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
     Content-Length: 1000\r\n\r\n{\"value\":",
    "GET /t/key/k HTTP/1.1\nHost: a\n\n",
];

/// Raises the limit of open files as far as it goes, and tells it.
pub(crate) fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum
}

/// As many connections as the limit of open files is good for, up to [`CROWD`].
fn gather(address: SocketAddr) -> Vec<TcpStream> {
    let possible = raise_open_files().map_or(CROWD, |files| files.saturating_sub(OTHERS));
    let join = |nth: u64| {
        let mut member = TcpStream::connect(address).unwrap();
        let words = WORDS[usize::try_from(nth).unwrap() % WORDS.len()];
        member.write_all(words.as_bytes()).unwrap();
        member
    };
    (0..CROWD.min(possible)).map(join).collect()
}

#[test]
fn a_crowd_that_left_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let launch = Launch::new(folder.path());
    let (address, node) = (launch.address(), launch.start());
    let mut client = node.client();
    client.call("PUT", "/t/key/k", &[JSON], &put_body("1")).unwrap().expect(200);
    let (files, bytes) = (node.open_files(), node.resident_bytes());
    for _ in 0..2 {
        let crowd = gather(address);
        // Both who was there before and who comes now are served.
        assert_eq!(client.get("/t/key/k").unwrap().expect(200).value(), "1");
        assert_eq!(node.client().get("/t/key/k").unwrap().expect(200).value(), "1");
        drop(crowd);
        // One or two handles are the question's own.
        wait_for("the handles of a crowd", || (node.open_files() <= files + 2).then_some(()));
        wait_for("the memory of a crowd", || {
            (node.resident_bytes() <= bytes + KEPT_BYTES_MAX).then_some(())
        });
    }
    // What was half said has done nothing.
    client.get("/t/key/other").unwrap().expect(404);
    node.terminate();
}
