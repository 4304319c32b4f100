//! The process and its operator: starts that are refused, one clear line; ends that are clean.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::Client;
use crate::node::{Launch, Node, Port, run_in, spawn_in, wait_for};

/// A refused start: one line on stderr that holds these words, another code than 0, nothing else.
fn assert_one_clear_line(status: std::process::ExitStatus, stderr: &str, words: &[&str]) {
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "not one line: {stderr}");
    for word in words.iter().chain(&["DynaRust"]) {
        let (text, word) = (stderr.to_lowercase(), word.to_lowercase());
        assert!(text.contains(&word), "no {word:?} in: {stderr}");
    }
    for noise in ["panicked", "backtrace", "unwrap", "Os {", "Error {"] {
        assert!(!stderr.contains(noise), "{stderr}");
    }
}

fn assert_refused(launch: &Launch, words: &[&str]) {
    let refusal = launch.try_start().expect_err("the start must be refused");
    assert_one_clear_line(refusal.status, &refusal.stderr, words);
}

fn assert_run_refused(arguments: &[&str], words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let output = run_in(home.path(), arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_one_clear_line(output.status, &stderr, words);
    let left = std::fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 0, "a refused start leaves nothing behind: {arguments:?}");
}

#[test]
fn wrong_usage() {
    assert_run_refused(&[], &["--help"]);
    assert_run_refused(&["nonsense"], &["nonsense"]);
    assert_run_refused(&["127.0.0.1:99999"], &["127.0.0.1:99999"]);
    assert_run_refused(&["127.0.0.1:7000", "--no-such-flag"], &["--no-such-flag"]);
    assert_run_refused(&["127.0.0.1:7000", "--durability=perhaps"], &["durability", "perhaps"]);
    assert_run_refused(&["127.0.0.1:7000", "--cache-bytes=-1"], &["cache-bytes"]);
    assert_run_refused(&["verify"], &["--help"]);
    assert_run_refused(&["verify", "no-such-folder"], &["no-such-folder"]);
}

#[test]
fn help_and_version_are_not_errors() {
    for arguments in [["--help"], ["--version"]] {
        let output = run_in(Path::new("/"), &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert!(String::from_utf8_lossy(&output.stdout).contains("DynaRust"), "{arguments:?}");
    }
}

#[test]
fn nobody_joins_without_a_secret() {
    assert_run_refused(
        &["127.0.0.1:7000", "127.0.0.1:7001"],
        &["join", "127.0.0.1:7001", "CLUSTER_SECRET"],
    );
}

#[test]
fn who_changes_a_cluster_names_its_secret() {
    assert_run_refused(&["leave", "127.0.0.1:7000"], &["CLUSTER_SECRET"]);
    assert_run_refused(&["remove", "0123456789abcdef", "127.0.0.1:7000"], &["CLUSTER_SECRET"]);
    assert_run_refused(&["remove", "127.0.0.1:7000"], &["NODE", "16 digits"]);
}

#[test]
fn an_address_in_use() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _taken = TcpListener::bind(launch.address()).unwrap();
    let refusal = launch.spawn();
    assert!(!refusal.ended().success());
    let status = launch.spawn().ended();
    assert_one_clear_line(status, &launch.said(), &[&launch.address().to_string(), "in use"]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert_refused(&Launch::new(&file), &[file.to_str().unwrap()]);
    let inside = file.join("data");
    assert_refused(&Launch::new(&inside), &[inside.to_str().unwrap()]);
    // Nobody makes folders here, not even root.
    assert_refused(&Launch::new(Path::new("/proc/dynarust")), &["/proc/dynarust"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn a_folder_that_another_process_holds() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let first = Launch::new(&folder);
    let node = first.start();
    node.client().put("t", "k", "1").unwrap().expect(200);
    let second = Launch::new(&folder);
    let words = [folder.to_str().unwrap(), "another"];
    assert_refused(&second, &words);
    // The first has not felt it.
    node.client().put("t", "k", "2").unwrap().expect(200);
    node.kill9();
    // A dead process holds nothing.
    let node = second.start();
    assert_eq!(node.client().read("t", "k").unwrap().expect(200).value(), "2");
}

#[test]
fn a_folder_of_a_newer_format() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    launch.start().terminate();
    let path = launch.folder().join("FORMAT");
    let format = std::fs::read_to_string(&path).unwrap();
    let number: u32 =
        format.split(|c: char| !c.is_ascii_digit()).find_map(|n| n.parse().ok()).unwrap();
    let newer = format.replace(&number.to_string(), &(number + 1).to_string());
    std::fs::write(&path, &newer).unwrap();
    let words = [launch.folder().to_str().unwrap(), &format!("format {}", number + 1), "release"];
    assert_refused(&launch, &words);
    let refusal = run_in(Path::new("/"), &["verify", launch.folder().to_str().unwrap()]);
    assert!(!refusal.status.success(), "verify of a newer format: {}", refusal.status);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer, "a refused folder is left alone");
    std::fs::write(&path, format).unwrap();
    launch.start();
}

#[test]
fn verify_and_salvage_leave_a_running_node_alone() {
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let _node = launch.start();
    for command in ["verify", "salvage"] {
        let output = run_in(Path::new("/"), &[command, launch.folder().to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_one_clear_line(output.status, &stderr, &[launch.folder().to_str().unwrap()]);
    }
}

/// SIGTERM and Ctrl-C: what was accepted is finished, and the next start finds it.
#[test]
fn an_end_by_signal_is_clean() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = tempfile::tempdir().unwrap();
        let launch = Launch::new(&home.path().join("data"));
        let node = launch.start();
        let address = launch.address();
        // Eight writers that never pause: whenever the signal comes, requests are under way.
        let writer = |number: usize| {
            let mut client = Client::new(address);
            let mut last = 0;
            for count in 1.. {
                match client.put("t", &number.to_string(), &count.to_string()) {
                    Ok(answer) if answer.status == 200 => last = count,
                    // A closing node may say so.
                    Ok(answer) => assert_eq!(answer.status, 503, "{answer:?}"),
                    Err(_) => break,
                }
            }
            (number, last)
        };
        let acknowledged: Vec<(usize, u32)> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..8).map(|number| scope.spawn(move || writer(number))).collect();
            let mut client = node.client();
            wait_for("writers at work", || {
                let keys = client.get("/t/keys").unwrap().expect(200);
                (serde_json::from_slice::<Vec<String>>(&keys.body).unwrap().len() == 8)
                    .then_some(())
            });
            drop(client);
            let began = std::time::Instant::now();
            node.signal(signal);
            let status = node.ended();
            let took = began.elapsed();
            assert_eq!(status.code(), Some(0), "{}", launch.said());
            assert!(took < Duration::from_secs(5), "{took:?}");
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let node = launch.start();
        for (number, last) in acknowledged {
            let found = node.client().read("t", &number.to_string()).unwrap().expect(200);
            let found: u32 = found.value().parse().unwrap();
            // A cut connection leaves one write unknown.
            assert!((last..=last + 1).contains(&found), "{number}: {found} after {last}");
        }
    }
}

/// A connection that says nothing, or half a request, must not hold up the end.
#[test]
fn idle_and_half_open_connections_do_not_hold_up_the_end() {
    use std::io::Write;
    let home = tempfile::tempdir().unwrap();
    let launch = Launch::new(&home.path().join("data"));
    let node = launch.start();
    let _idle = std::net::TcpStream::connect(launch.address()).unwrap();
    let mut half = std::net::TcpStream::connect(launch.address()).unwrap();
    half.write_all(b"PUT /t/key/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"va")
        .unwrap();
    let mut kept = node.client();
    kept.get("/livez").unwrap().expect(200);
    let took = node.terminate();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn two_nodes_in_one_working_directory_have_their_own_folders() {
    let home = tempfile::tempdir().unwrap();
    let ports = [Port::lease(), Port::lease()];
    let start = |port: &Port| {
        let node = spawn_in(home.path(), port, &home.path().join(format!("{}.log", port.number)));
        wait_for("a node that is ready", || node.is_ready().then_some(()));
        node
    };
    let nodes: Vec<Node> = ports.iter().map(start).collect();
    for (node, port) in nodes.iter().zip(&ports) {
        node.client().put("t", "port", &port.number.to_string()).unwrap().expect(200);
    }
    for (node, port) in nodes.into_iter().zip(&ports) {
        let own = node.client().read("t", "port").unwrap().expect(200);
        assert_eq!(own.value(), port.number.to_string());
        let folder = home.path().join("storage.db").join(port.number.to_string());
        assert!(folder.join("FORMAT").is_file(), "{}", folder.display());
        node.terminate();
    }
}
