//! The documents are true: the README's examples run as typed and print what it says, and every link
//! leads to a file.
//!
//! The examples are the blocks of its section "The API by example", run in order against one node, each with
//! bash in one working directory. A `sh` block is what somebody types. The block behind it is what
//! they see: all that it prints on its standard output, or, where the block is `sse`, what a live
//! stream prints first. Such a stream stays open; each further `sse` block is what it prints next,
//! and behind the last one it is cut. `…` stands for anything within a line.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal};

use crate::node::{Launch, PATIENCE, run_in};

const README: &str = include_str!("../../../../README.md");
const SECTION: &str = "## The API by example";
/// Where the README's node listens.
const ADDRESS: &str = "127.0.0.1:6660";

/// A fenced block of the README.
struct Block<'a> {
    line: usize,
    kind: &'a str,
    text: String,
}

/// A live stream that is open, as a process of bash and what it prints.
struct Stream {
    process: Child,
    lines: mpsc::Receiver<String>,
}

/// The fenced blocks of the section, in order.
fn blocks() -> Vec<Block<'static>> {
    let mut blocks: Vec<Block<'static>> = Vec::new();
    let mut inside = false;
    let lines = README.lines().enumerate();
    for (at, line) in lines
        .skip_while(|(_, line)| *line != SECTION)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with("## "))
    {
        match (line.strip_prefix("```"), inside) {
            (Some(kind), false) => {
                inside = true;
                blocks.push(Block { line: at + 1, kind, text: String::new() });
            }
            (Some(_), true) => inside = false,
            (None, true) => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    blocks
}

fn bash(script: &str, folder: &Path) -> Command {
    // Whoever runs the tests may have it ignored, and then bash would too.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT", "bash", "-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Runs what is typed to its end, and compares what it prints with the block behind it.
fn run(block: &Block<'_>, expected: Option<&Block<'_>>, address: &str, folder: &Path) {
    let Block { line, text, .. } = block;
    let output = bash(&text.replace(ADDRESS, address), folder)
        .stderr(Stdio::piped())
        .output()
        .expect("bash runs");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "README.md:{line} ended with {}\n{text}{printed}{complaint}",
        output.status
    );
    let expected = expected.map_or("", |block| &block.text).replace(ADDRESS, address);
    let fits = printed.trim_end().lines().count() == expected.trim_end().lines().count()
        && expected.lines().zip(printed.lines()).all(|(expected, line)| like(expected, line));
    assert!(fits, "README.md:{line}\n{text}expected\n{expected}\nprinted\n{printed}");
}

impl Stream {
    fn open(block: &Block<'_>, address: &str, folder: &Path) -> Self {
        let mut process = bash(&block.text.replace(ADDRESS, address), folder)
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .expect("bash runs");
        let printed = BufReader::new(process.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                // Blank lines end events, and comments are heartbeats: the README shows only the first.
                if !line.is_empty() && !line.starts_with(':') && sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { process, lines }
    }

    fn expect(&self, block: &Block<'_>) {
        let expected = block.text.lines().enumerate().filter(|(_, line)| !line.is_empty());
        for (at, expected) in expected {
            let place = block.line + 1 + at;
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("README.md:{place}: the stream does not print {expected}: {error}")
            });
            assert!(
                like(expected, &line),
                "README.md:{place}: the stream printed {line} where {expected} stands"
            );
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // As Ctrl-C does it: to the whole group. Already ended: an error that says so.
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).unwrap();
        let _ended = rustix::process::kill_process_group(group, Signal::INT);
        let _reaped = self.process.wait();
    }
}

/// Whether `line` is `pattern`, where each `…` stands for anything.
fn like(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.trim_end().strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else {
            return false;
        };
        rest = behind;
    }
    true
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(like("a", "a") && like("…", "") && like("a…c…e", "abcde") && like("a…", "abc"));
    assert!(!like("a", "ab") && !like("a…c", "abcd") && !like("a…c", "ba") && !like("…b…d", "ad"));
}

/// Whether such a block shows what an open stream prints.
fn shows_a_stream(kind: &str) -> bool {
    matches!(kind, "sse" | "ndjson")
}

/// Whether one of these blocks is more of a stream that is already open.
fn goes_on(rest: &[Block<'_>]) -> bool {
    let next = rest.iter().position(|block| shows_a_stream(block.kind));
    next.is_some_and(|at| at == 0 || rest[at - 1].kind != "sh")
}

#[test]
fn every_example_prints_what_the_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let node = Launch::new(&folder.path().join("data"));
    let _running = node.start();
    let address = node.address().to_string();
    let blocks = blocks();
    let mut stream = None;
    let mut rest = blocks.as_slice();
    while let Some((block, behind)) = rest.split_first() {
        rest = behind;
        let output = behind.first().filter(|block| block.kind != "sh");
        match (block.kind, output.map(|output| output.kind)) {
            ("sh", Some(kind)) if shows_a_stream(kind) => {
                stream = Some(Stream::open(block, &address, folder.path()))
            }
            ("sh", _) => {
                run(block, output, &address, folder.path());
                rest = rest.get(usize::from(output.is_some())..).unwrap_or_default();
            }
            (kind, _) if shows_a_stream(kind) => {
                stream.as_ref().expect("a stream is open").expect(block);
                stream = stream.filter(|_| goes_on(rest));
            }
            (kind, _) => {
                panic!("README.md:{}: a block of `{kind}` behind none of `sh`", block.line)
            }
        }
    }
    let examples = blocks.iter().filter(|block| block.kind == "sh").count();
    assert!(examples > 10, "only {examples} examples: has the section another name?");
}

/// The files that a document links to, each with where the link stands.
fn links(document: &Path, text: &str) -> Vec<(PathBuf, String)> {
    let folder = document.parent().unwrap();
    text.lines()
        .enumerate()
        .flat_map(|(at, line)| line.split("](").skip(1).map(move |rest| (at, rest)))
        .filter_map(|(at, rest)| Some((at, rest.split_once(')')?.0)))
        .filter(|(_, target)| !target.contains("://") && !target.starts_with('#'))
        .map(|(at, target)| {
            let file = target.split('#').next().unwrap_or_default();
            let place = format!("{}:{}", document.display(), at + 1);
            (folder.join(file), place)
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["", "docs", "docs/adr", "crates/dynarust-store"];
    let documents = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let links: Vec<_> = documents
        .flat_map(|document| links(&document, &std::fs::read_to_string(&document).unwrap()))
        .collect();
    let broken: Vec<_> = links.iter().filter(|(file, _)| !file.exists()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(links.len() > 10, "only {} links were found", links.len());
}

/// The long flags that a text names.
fn flags(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| !character.is_ascii_lowercase() && character != '-')
        .filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
        .collect()
}

#[test]
fn every_flag_is_in_the_readme() {
    let help = run_in(&std::env::temp_dir(), &["--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let mut expected = flags(&help);
    assert!(expected.remove("--help") && expected.remove("--version"));
    let (_, configuration) = README.split_once("\n## Configuration\n").unwrap();
    let (configuration, _) = configuration.split_once("\n## ").unwrap();
    let rows: String = configuration.lines().filter(|line| line.starts_with("| `--")).collect();
    assert_eq!(flags(&rows), expected);
}
