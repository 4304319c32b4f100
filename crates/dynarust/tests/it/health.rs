//! `DynaRust health`: what an operator, or a container's engine, hears of a node without knowing more
//! than where it was started.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::node::{Launch, Node, Port, run_in, run_in_with, spawn_in, spawn_on, wait_for};

/// What `DynaRust health` with these words, run in this folder, ended with and said.
fn health(folder: &Path, words: &[&str]) -> (i32, String) {
    let words: Vec<&str> = ["health"].iter().chain(words).copied().collect();
    let output = run_in(folder, &words);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap().trim_end().to_owned();
    assert_eq!(said.lines().count(), 1, "not one line: {said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn a_node_that_runs_is_ready_however_it_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    let folder = launch.folder().to_str().unwrap();
    let address = launch.address().to_string();
    let ready = (0, format!("{address} is ready"));
    assert_eq!(health(home.path(), &[&address]), ready);
    assert_eq!(health(home.path(), &["--data-dir", folder]), ready);
    let environment = [("DYNARUST_DATA_DIR", folder)];
    assert_eq!(run_in_with(home.path(), &["health"], &environment).status.code(), Some(0));
    let port = launch.address().port();
    assert_eq!(health(home.path(), &[&format!("0.0.0.0:{port}")]), ready);
    assert_eq!(health(home.path(), &[&format!("localhost:{port}")]).0, 0);
    let written = std::fs::read_to_string(launch.folder().join("ADDRESS")).unwrap();
    assert_eq!(written, format!("{address}\n"));
    node.terminate();
}

#[test]
fn a_node_that_was_stopped_does_not_run() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let folder = launch.folder().to_str().unwrap();
    let asked = || health(home.path(), &["--data-dir", folder]);
    assert_eq!(asked().0, 1, "before its first start");
    launch.start().terminate();
    assert!(!launch.folder().join("ADDRESS").exists(), "a clean stop removes it");
    let (code, said) = asked();
    assert!(code == 1 && said.contains("no node runs in") && said.contains(folder), "{said}");
    // A killed one leaves its address behind, and nobody there.
    launch.start().kill9();
    assert!(launch.folder().join("ADDRESS").exists());
    let (code, said) = asked();
    assert!(code == 1 && said.contains("does not run: nobody listens on"), "{said}");
    let (code, said) = health(home.path(), &[&launch.address().to_string()]);
    assert!(code == 1 && said.contains("nobody listens on"), "{said}");
    let node = launch.start();
    assert_eq!(asked().0, 0);
    node.terminate();
}

/// A second start on the folder is refused, and must not touch the running node's file.
#[test]
fn a_refused_start_leaves_the_file_alone() {
    let home = tempfile::tempdir().unwrap();
    let first = Launch::new(&home.path().join("data"));
    let node = first.start();
    Launch::new(first.folder()).try_start().expect_err("the folder is taken");
    let folder = first.folder().to_str().unwrap();
    assert_eq!(health(home.path(), &["--data-dir", folder]).0, 0);
    node.terminate();
}

#[test]
fn port_0_and_every_interface_become_an_address_that_answers() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let node = spawn_on(listen, &data, &home.path().join("log"));
        let file = data.join("ADDRESS");
        let written = wait_for("the file ADDRESS", || std::fs::read_to_string(&file).ok());
        let written: SocketAddr = written.trim_end().parse().unwrap();
        assert_ne!(written.port(), 0);
        assert_eq!(written.ip().to_string(), listen.split(':').next().unwrap());
        let expected = format!("127.0.0.1:{} is ready", written.port());
        let asked = || health(home.path(), &["--data-dir", data.to_str().unwrap()]);
        assert_eq!(asked(), (0, expected));
        node.terminate();
        assert_eq!(asked().0, 1);
    }
}

#[test]
fn without_arguments_all_nodes_of_the_working_directory_must_be_ready() {
    let home = tempfile::tempdir().unwrap();
    let (code, said) = health(home.path(), &[]);
    assert!(code == 1 && said.contains("DynaRust health 127.0.0.1:6660"), "{said}");
    let ports = [Port::lease(), Port::lease()];
    let start = |port: &Port| {
        let node = spawn_in(home.path(), port, &home.path().join(format!("{}.log", port.number)));
        wait_for("a node that is ready", || node.is_ready().then_some(()));
        node
    };
    let first = start(&ports[0]);
    assert_eq!(health(home.path(), &[]), (0, format!("{} is ready", ports[0].address())));
    let second = start(&ports[1]);
    let mut both = [ports[0].address().to_string(), ports[1].address().to_string()];
    both.sort();
    assert_eq!(health(home.path(), &[]), (0, format!("{} are ready", both.join(", "))));
    second.kill9();
    let (code, said) = health(home.path(), &[]);
    let killed = format!("storage.db/{} does not run", ports[1].number);
    assert!(code == 1 && said.contains(&killed), "{said}");
    // One that was stopped on purpose is not asked for.
    let again: Node = start(&ports[1]);
    again.terminate();
    assert_eq!(health(home.path(), &[]), (0, format!("{} is ready", ports[0].address())));
    first.terminate();
    assert_eq!(health(home.path(), &[]).0, 1);
}

#[test]
fn who_is_no_node_is_not_taken_for_one() {
    let home = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let (code, said) = health(home.path(), &[&address]);
    assert!(code == 1 && said.contains("gave no answer within 5s"), "{said}");
    assert_eq!(health(home.path(), &["nonsense"]).0, 2);
    assert_eq!(health(home.path(), &["--data-dir", ""]).0, 2);
    let folder = home.path().to_str().unwrap();
    std::fs::write(home.path().join("ADDRESS"), "127.0.0.1").unwrap();
    let (code, said) = health(home.path(), &["--data-dir", folder]);
    assert!(code == 1 && said.contains("ADDRESS: it holds no address"), "{said}");
}
