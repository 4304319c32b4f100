//! Disks that rot, and lose files: at a minority of the nodes nothing of it reaches a client.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::crowd::{Crowd, TABLES};
use super::stage::{EQUAL_WITHIN, HEALED_WITHIN, Scene, play};
use super::verdict::Promises;
use crate::cluster::agreement::view_of;
use crate::cluster::nodes::{Cluster, Plan};

const SHORT: Duration = Duration::from_secs(5);

/// How many records rot at once, at most. Each is mended by itself, and a list waits for all of its own.
const ROTTEN_MAX: usize = 60;

/// What each record's value begins with.
const NEEDLE: &[u8] = br#"{"first":"#;

/// One rotten copy of three (NATS 2.12): no reader sees it, it spreads to nobody, and it is mended.
#[test]
fn one_rotten_minority_copy() {
    let cluster = Plan::default().start(3);
    play("one rotten copy", cluster, &Crowd::default(), Promises::Majority, |scene| {
        for rotten in (0..3).cycle() {
            if !scene.goes_on(SHORT) {
                break;
            }
            scene.rest(500..1_500);
            // After a clean stop all is in the base.
            scene.cluster.terminate(rotten);
            let base = scene.cluster.folder(rotten).join("base.sqlite");
            let flipped = flip_values(&base, &mut scene.dice);
            assert!(flipped > 5, "hardly rotten: {flipped}");
            scene.count("rotten copies");
            scene.cluster.start_one(rotten);
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
            until_mended(scene.cluster, rotten);
        }
    });
}

/// All of its lists are whole: before the next one rots, or the same record might at both.
fn until_mended(cluster: &Cluster, node: usize) {
    cluster.within(HEALED_WITHIN, "a copy that is mended", || {
        let mut client = cluster.client(node);
        TABLES.iter().try_for_each(|table| view_of(&mut client, table, "one").map(drop))
    });
}

/// Flips one bit in each third value of a file, or in as many as are to rot; says in how many.
fn flip_values(file: &Path, dice: &mut StdRng) -> usize {
    let text = std::fs::read(file).unwrap();
    let file = OpenOptions::new().write(true).open(file).unwrap();
    let places = text.windows(NEEDLE.len()).enumerate();
    let places = places.filter(|(_, window)| *window == NEEDLE).map(|(at, _)| at + NEEDLE.len());
    // What is left of a value that was replaced may end there, and behind it is what holds the page together.
    let places: Vec<usize> = places.filter(|&at| text[at].is_ascii_digit()).collect();
    let count = places.len();
    let rots = |dice: &mut StdRng| dice.random_range(0..count) < ROTTEN_MAX.min(count / 3);
    let chosen: Vec<usize> = places.into_iter().filter(|_| rots(dice)).collect();
    for &at in &chosen {
        // A digit becomes another.
        file.write_all_at(&[text[at] ^ 1], at as u64).unwrap();
    }
    chosen.len()
}

/// What a disk may lose.
const LOSSES: [&str; 5] =
    ["base.sqlite", "the journal", "the first segment", "FORMAT", "a byte of the journal"];

/// A node that was killed comes back to a folder of which something is gone: each of [`LOSSES`] once, at least. It
/// refuses by name to start, and is begun anew; or it starts, and others mend what it lacks.
#[test]
fn lost_files_of_a_minority() {
    let cluster = Plan::default().start(3);
    play("lost files", cluster, &Crowd::default(), Promises::Forgetful, |scene| {
        let losses = (0..3).cycle().zip(LOSSES.into_iter().cycle());
        for (round, (loser, loss)) in losses.enumerate() {
            if round >= LOSSES.len() && !scene.goes_on(SHORT) {
                break;
            }
            scene.rest(500..1_000);
            scene.cluster.kill9(loser);
            lose(&scene.cluster.folder(loser), loss);
            scene.count(loss);
            if let Err(refusal) = scene.cluster.try_start(loser) {
                eprintln!("without {loss}: {}", refusal.stderr.lines().last().unwrap_or_default());
                assert!(refusal.stderr.contains("DynaRust"), "{}", refusal.stderr);
                scene.count("refused starts");
                begin_anew(scene, loser);
            }
            scene.cluster.until_members_within(HEALED_WITHIN, 3);
            scene.cluster.until_caught_up();
            until_it_lacks_nothing(scene.cluster, loser);
        }
    });
}

/// Its copies are those of another, but for what is written at this moment: before the next one loses something, or
/// a majority might lack the same.
pub(super) fn until_it_lacks_nothing(cluster: &Cluster, node: usize) {
    let copies = |node, table| view_of(&mut cluster.client(node), table, "one");
    cluster.within(EQUAL_WITHIN, "a copy that lacks nothing", || {
        TABLES.iter().try_for_each(|table| {
            let other = (node + 1) % 3;
            let [before, own, after] =
                [copies(other, table)?, copies(node, table)?, copies(other, table)?];
            let rests = |key: &&String| before.get(*key) == after.get(*key);
            let mut resting = before.keys().chain(own.keys()).filter(rests);
            match resting.find(|key| own.get(*key) != before.get(*key)) {
                Some(key) => Err(format!("{key}: {:?}, not {:?}", own.get(key), before.get(key))),
                None => Ok(()),
            }
        })
    });
}

fn lose(folder: &Path, loss: &str) {
    match loss {
        "the journal" => std::fs::remove_dir_all(folder.join("journal")).unwrap(),
        "the first segment" => std::fs::remove_file(&segments(folder)[0]).unwrap(),
        "a byte of the journal" => {
            // In the first frame, which others follow.
            crate::journal_file::flip(&segments(folder)[0], 64 + 56 + 8, 1);
        }
        file => std::fs::remove_file(folder.join(file)).unwrap(),
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("journal")).unwrap();
    let mut segments: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|it| it == "journal"));
    segments.sort();
    segments
}

/// As the operator does it whose node's folder is beyond help.
fn begin_anew(scene: &mut Scene<'_>, node: usize) {
    super::members::replace(scene.cluster, node);
}
