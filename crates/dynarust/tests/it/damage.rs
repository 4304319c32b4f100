//! Torn and rotten files: a torn tail costs nothing, and all other damage is named, never served, never
//! taken for emptiness.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;

use rand::RngExt;
use serde_json::value::RawValue;
use tempfile::TempDir;

use crate::client::{Answer, Client, JSON, put_body, record_path};
use crate::journal_file::{Frame, flip, frames, overwrite, truncate};
use crate::node::{Launch, Refusal, run_in, verify};
use crate::seed::dice;

/// A damage done to the file of a frame, knowing the frame.
type Damage = fn(&Frame);
/// A damage done to the base.
type BaseDamage = fn(&Path);

fn value(number: usize) -> String {
    format!("{{\"number\":{number},\"text\":\"{}\"}}", "lorem ".repeat(number % 40))
}

fn key(number: usize) -> String {
    format!("k{number:03}")
}

fn fresh_launch() -> (TempDir, Launch) {
    let home = tempfile::tempdir().unwrap();
    // Nothing that is relaxed is synced before the test says so.
    let launch = Launch::new(&home.path().join("data")).flag("--relaxed-flush-ms=60000");
    (home, launch)
}

fn write(client: &mut Client, numbers: std::ops::Range<usize>, durability: &str) {
    for number in numbers {
        let path = format!("{}?durability={durability}", record_path("t", &key(number)));
        client.call("PUT", &path, &[JSON], &put_body(&value(number))).unwrap().expect(200);
    }
}

fn assert_there(client: &mut Client, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let answer = client.read("t", &key(number)).unwrap().expect(200);
        assert_eq!(answer.value(), value(number), "{}", key(number));
    }
}

/// The start must be refused: one line that names these, no panic.
fn assert_refused(launch: &Launch, words: &[&str]) -> String {
    let Refusal { status, stderr } = launch.try_start().expect_err("the start must be refused");
    assert!(status.code().is_some_and(|code| code != 0), "{status}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    let lines = stderr.lines().filter(|line| words.iter().all(|word| line.contains(word)));
    assert_eq!(lines.count(), 1, "not said in one line: {stderr}");
    stderr
}

fn command(name: &str, folder: &Path) -> Output {
    run_in(Path::new("/"), &[name, folder.to_str().unwrap()])
}

fn verify_finds_fault(folder: &Path) {
    let output = command("verify", folder);
    assert!(!output.status.success(), "verify is content with a damaged folder");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

/// Writes that nobody was told are safe, and damage from there on: the node opens with all that were.
#[test]
fn a_torn_tail_costs_nothing_that_was_synced() {
    let damages: [(&str, Damage); 7] = [
        ("cut inside the first relaxed frame", |frame| {
            truncate(&frame.segment, frame.at + frame.bytes / 2);
        }),
        ("cut inside its header", |frame| truncate(&frame.segment, frame.at + 9)),
        ("cut before it", |frame| truncate(&frame.segment, frame.at)),
        ("one byte of it changed, whole frames behind it", |frame| {
            flip(&frame.segment, frame.at + frame.bytes / 2, 1);
        }),
        ("its header zeroed, whole frames behind it", |frame| {
            overwrite(&frame.segment, frame.at, &[0; 56]);
        }),
        ("all zeroed behind its first half", |frame| {
            let middle = frame.at + frame.bytes / 2;
            let length = std::fs::metadata(&frame.segment).unwrap().len();
            truncate(&frame.segment, middle);
            truncate(&frame.segment, length);
        }),
        ("scribbled over to the end", |frame| {
            let scribble: Vec<u8> = (0..100_000_u32).map(|byte| (byte * 31 % 251) as u8).collect();
            overwrite(&frame.segment, frame.at + 20, &scribble);
        }),
    ];
    for (what, damage) in damages {
        eprintln!("{what}");
        let (_home, launch) = fresh_launch();
        let node = launch.start();
        write(&mut node.client(), 0..30, "sync");
        write(&mut node.client(), 30..40, "relaxed");
        node.kill9();
        damage(&frame_of(launch.folder(), &key(30)));
        let node = launch.start();
        assert_there(&mut node.client(), 0..30);
        write(&mut node.client(), 40..60, "sync");
        node.kill9();
        verify(launch.folder());
        let node = launch.start();
        assert_there(&mut node.client(), (0..30).chain(40..60));
        node.terminate();
        verify(launch.folder());
    }
}

/// What stands behind the last frame was never acknowledged, whatever it is.
#[test]
fn garbage_behind_the_last_frame_costs_nothing() {
    let mut dice = dice("damage");
    let mut garbage = vec![0; 4096];
    dice.fill(&mut garbage[..]);
    let half_a_frame = |last: &Frame| {
        let text = std::fs::read(&last.segment).unwrap();
        let (at, bytes) = (last.at as usize, last.bytes as usize);
        text[at..at + bytes].to_vec()
    };
    for what in ["garbage", "the last frame once more", "cut off"] {
        let (_home, launch) = fresh_launch();
        let node = launch.start();
        write(&mut node.client(), 0..30, "sync");
        node.kill9();
        let last = frames(launch.folder()).pop().unwrap();
        let end = last.at + last.bytes;
        match what {
            "garbage" => overwrite(&last.segment, end, &garbage),
            "cut off" => truncate(&last.segment, end),
            _ => overwrite(&last.segment, end, &half_a_frame(&last)),
        }
        verify(launch.folder());
        let node = launch.start();
        assert_there(&mut node.client(), 0..30);
        node.kill9();
    }
}

/// The frame that holds this key.
fn frame_of(folder: &Path, key: &str) -> Frame {
    let frames = frames(folder);
    let holds = |frame: &&Frame| frame.keys.iter().any(|held| held == key);
    frames.iter().rfind(holds).unwrap_or_else(|| panic!("no frame of {key}: {frames:#?}")).clone()
}

/// In the middle of the journal something that was synced is gone: that must not pass in silence.
#[test]
fn damage_in_the_middle_of_the_journal_is_named_and_salvaged() {
    let damages: [(&str, Damage); 4] = [
        ("a byte of its payload", |frame| flip(&frame.segment, frame.at + frame.bytes - 30, 1)),
        ("its length", |frame| flip(&frame.segment, frame.at + 5, 1)),
        ("its ordinal", |frame| flip(&frame.segment, frame.at + 8, 1)),
        ("all of it zeroed", |frame| {
            overwrite(&frame.segment, frame.at, &vec![0; usize::try_from(frame.bytes).unwrap()]);
        }),
    ];
    for (what, damage) in damages {
        eprintln!("{what}");
        let (_home, launch) = fresh_launch();
        let node = launch.start();
        write(&mut node.client(), 0..40, "sync");
        node.kill9();
        let frame = frame_of(launch.folder(), &key(20));
        assert_eq!(frame.keys, [key(20)], "one write at a time is one frame a write");
        damage(&frame);
        let name = frame.segment.file_name().unwrap().to_str().unwrap();
        let offset = frame.at.to_string();
        let said = assert_refused(&launch, &[name, &offset, "salvage"]);
        assert_eq!(assert_refused(&launch, &[name]), said, "the second try says the same");
        verify_finds_fault(launch.folder());
        let salvage = command("salvage", launch.folder());
        let told = [salvage.stdout, salvage.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(salvage.status.success(), "salvage: {}: {told}", salvage.status);
        assert!(told.contains(name), "salvage names what is missing: {told}");
        verify(launch.folder());
        let node = launch.start();
        let mut client = node.client();
        assert_there(&mut client, (0..40).filter(|number| *number != 20));
        let damaged = client.read("t", &key(20)).unwrap();
        // It may have been in the base already.
        assert!(damaged.status == 404 || damaged.value() == value(20), "{damaged:?}");
        write(&mut client, 20..21, "sync");
        node.terminate();
        assert_there(&mut launch.start().client(), 0..40);
    }
}

#[test]
fn salvage_of_a_sound_folder_changes_nothing() {
    let (_home, launch) = fresh_launch();
    let node = launch.start();
    write(&mut node.client(), 0..40, "sync");
    node.kill9();
    let salvage = command("salvage", launch.folder());
    assert!(salvage.status.success(), "{}", String::from_utf8_lossy(&salvage.stderr));
    assert_there(&mut launch.start().client(), 0..40);
}

/// Where in a file this text stands; it must be there once.
fn find(file: &Path, text: &str) -> u64 {
    let content = std::fs::read(file).unwrap();
    let mut places = content.windows(text.len()).enumerate();
    let mut found = places.by_ref().filter(|(_, window)| *window == text.as_bytes());
    let (at, _) = found.next().unwrap_or_else(|| panic!("{text} is not in {}", file.display()));
    assert!(found.next().is_none(), "{text} is in {} twice", file.display());
    at as u64
}

#[test]
fn a_flipped_byte_in_a_value_is_that_keys_error_alone() {
    const NEEDLE: &str = "a needle in the haystack";
    let (_home, launch) = fresh_launch();
    let node = launch.start();
    write(&mut node.client(), 0..200, "sync");
    node.client().put("t", "k100", &format!("[\"{NEEDLE}\"]")).unwrap().expect(200);
    node.client().put("u", "k", "1").unwrap().expect(200);
    node.terminate();
    let base = launch.folder().join("base.sqlite");
    flip(&base, find(&base, NEEDLE) + 5, 1);
    verify_finds_fault(launch.folder());
    let node = launch.start();
    let mut client = node.client();
    let assert_corrupt = |answer: Answer| {
        let answer = answer.expect(500);
        assert_eq!(answer.code(), "corrupt_record");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    };
    assert_corrupt(client.read("t", "k100").unwrap());
    assert_corrupt(client.read("t", "k100").unwrap());
    let head = client.call("HEAD", &record_path("t", "k100"), &[], "").unwrap();
    assert_eq!(head.status, 500);
    assert_there(&mut client, (0..200).filter(|number| *number != 100));
    client.read("u", "k").unwrap().expect(200);
    assert_not_short(&mut client, "/t/store");
    // A part of the table without it is whole.
    let before = client.get("/t/store?end=k100").unwrap().expect(200);
    let before: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_slice(&before.body).unwrap();
    assert_eq!(before.len(), 100);
    client.put("t", "k100", &value(100)).unwrap().expect(200);
    assert_there(&mut client, 0..200);
    node.terminate();
    verify(launch.folder());
    let node = launch.start();
    assert_there(&mut node.client(), 0..200);
    let all = node.client().get("/t/store").unwrap().expect(200);
    let all: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_slice(&all.body).unwrap();
    assert_eq!(all.len(), 200);
}

/// A listing that would have to leave a record out is an error, or is cut; it never looks whole.
fn assert_not_short(client: &mut Client, path: &str) {
    match client.get(path) {
        Ok(answer) => assert_eq!(answer.expect(500).code(), "corrupt_record"),
        Err(cut) => eprintln!("{path} was cut: {cut:?}"),
    }
}

#[test]
fn a_corrupt_record_can_be_deleted() {
    let (_home, launch) = fresh_launch();
    let node = launch.start();
    write(&mut node.client(), 0..10, "sync");
    node.client().put("t", "rotten", "\"a needle\"").unwrap().expect(200);
    node.terminate();
    let base = launch.folder().join("base.sqlite");
    flip(&base, find(&base, "a needle"), 1);
    let node = launch.start();
    node.client().delete("t", "rotten").unwrap().expect(200);
    node.client().read("t", "rotten").unwrap().expect(404);
    node.terminate();
    verify(launch.folder());
}

#[test]
fn a_destroyed_base_is_never_taken_for_an_empty_one() {
    let damages: [(&str, BaseDamage); 5] = [
        ("garbage", |base| std::fs::write(base, "garbage ".repeat(100_000)).unwrap()),
        ("its first page is garbage", |base| overwrite(base, 0, &[7; 4096])),
        ("truncated to nothing", |base| truncate(base, 0)),
        ("deleted", |base| std::fs::remove_file(base).unwrap()),
        ("a folder in its place", |base| {
            std::fs::remove_file(base).unwrap();
            std::fs::create_dir(base).unwrap();
        }),
    ];
    for (what, damage) in damages {
        for clean in [true, false] {
            eprintln!("{what}, after a clean stop: {clean}");
            let (_home, launch) = fresh_launch();
            let node = launch.start();
            write(&mut node.client(), 0..200, "sync");
            if clean {
                node.terminate();
            } else {
                node.kill9();
            }
            damage(&launch.folder().join("base.sqlite"));
            let before = listing(launch.folder());
            assert_refused(&launch, &["base.sqlite"]);
            verify_finds_fault(launch.folder());
            assert_refused(&launch, &["base.sqlite"]);
            for file in before {
                assert!(launch.folder().join(&file).exists(), "{} is gone", file.display());
            }
        }
    }
}

/// The names in the folder of a node, the journal's too; SQLite's helper files may come and go.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let names = |folder: &Path| -> Vec<OsString> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let journal = names(&folder.join("journal")).into_iter();
    let journal = journal.map(|name| Path::new("journal").join(name));
    let mut all: Vec<PathBuf> =
        names(folder).into_iter().map(PathBuf::from).chain(journal).collect();
    all.retain(|name| name.extension().is_none_or(|extension| extension != "sqlite-shm"));
    all.retain(|name| name.extension().is_none_or(|extension| extension != "sqlite-wal"));
    all
}

/// Half of the base is gone: whatever still answers is right, and nothing is called absent.
#[test]
fn a_base_cut_in_half_never_answers_wrong() {
    let (_home, launch) = fresh_launch();
    let node = launch.start();
    write(&mut node.client(), 0..600, "sync");
    node.terminate();
    let base = launch.folder().join("base.sqlite");
    let bytes = std::fs::metadata(&base).unwrap().len();
    assert!(bytes > 3 * 4096, "the base is too small to be cut: {bytes}");
    truncate(&base, bytes / 2 / 4096 * 4096);
    verify_finds_fault(launch.folder());
    match launch.try_start() {
        Err(refusal) => assert!(refusal.stderr.contains("base.sqlite"), "{}", refusal.stderr),
        Ok(node) => {
            let mut client = node.client();
            for number in 0..600 {
                let answer = client.read("t", &key(number)).unwrap();
                let right =
                    answer.status == 500 || answer.clone().expect(200).value() == value(number);
                assert!(right, "{}: {answer:?}", key(number));
            }
        }
    }
}

#[test]
fn a_missing_format_is_no_new_folder() {
    let (_home, launch) = fresh_launch();
    let node = launch.start();
    write(&mut node.client(), 0..10, "sync");
    node.kill9();
    std::fs::remove_file(launch.folder().join("FORMAT")).unwrap();
    match launch.try_start() {
        Err(refusal) => assert!(refusal.stderr.contains("FORMAT"), "{}", refusal.stderr),
        Ok(node) => assert_there(&mut node.client(), 0..10),
    }
}
