//! The plug pulled under load: nothing that was acknowledged as `sync` is gone.
//!
//! The folder lies on an ext4 in a file, which is shut down so that nothing more reaches the disk:
//! what was not synced by then never was. The same with the syncs taken out (by `strace`, which lets
//! each of them succeed without the kernel's doing) must lose something: else the test proves nothing.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::client::{JSON, put_body, record_path};
use crate::herd::Herd;
use crate::mount::{Mount, can_mount};
use crate::node::{Launch, verify};
use crate::seed::{dice, rounds};

const DISK_MEBIBYTES: u32 = 512;

/// Every way to ask the kernel for stable storage succeeds, and does nothing.
const WITHOUT_SYNC: [&str; 9] = [
    "strace",
    "-D",
    "-f",
    "--seccomp-bpf",
    "--quiet=all",
    "-e",
    "trace=fsync,fdatasync,sync_file_range,sync,syncfs,msync",
    "-e",
    "inject=fsync,fdatasync,sync_file_range,sync,syncfs,msync:retval=0",
];

/// The full form is `DYNARUST_POWER_CUT_ROUNDS=50`.
#[test]
fn synced_writes_and_deletes_survive_a_power_cut() {
    if !can_mount("power_cut") {
        return;
    }
    let mut dice = dice("power_cut");
    let mut disk = Mount::ext4(DISK_MEBIBYTES);
    let launch = Launch::new(&disk.path().join("data"));
    let mut herd = Herd::new(16, "sync", &mut dice);
    for round in 0..rounds("DYNARUST_POWER_CUT_ROUNDS", 3) {
        let lost = power_cut(&launch, &mut disk, &mut herd, &mut dice).unwrap();
        assert!(lost.is_empty(), "round {round}: {lost:#?}");
    }
    assert!(herd.writes() > 300, "hardly a load: {}", herd.writes());
}

#[test]
fn without_its_syncs_a_node_loses_writes() {
    if !can_mount("power_cut") {
        return;
    }
    let mut dice = dice("power_cut");
    let mut disk = Mount::ext4(DISK_MEBIBYTES);
    let launch = Launch::new(&disk.path().join("data")).wrapped_in(&WITHOUT_SYNC);
    let mut herd = Herd::new(16, "sync", &mut dice);
    let mut lost = |_| match power_cut(&launch, &mut disk, &mut herd, &mut dice) {
        Ok(lost) => !lost.is_empty(),
        Err(refused) => {
            eprintln!("does not even start: {refused}");
            true
        }
    };
    assert!(
        (0..5).any(&mut lost),
        "the power cuts of this test lose nothing, so they prove nothing"
    );
}

/// `relaxed` loses at most `--relaxed-flush-ms`: what was acknowledged well before is there.
#[test]
fn relaxed_writes_survive_a_power_cut_once_flushed() {
    if !can_mount("power_cut") {
        return;
    }
    let mut disk = Mount::ext4(DISK_MEBIBYTES);
    let launch = Launch::new(&disk.path().join("data")).flag("--relaxed-flush-ms=50");
    let node = launch.start();
    let mut client = node.client();
    let path = record_path("t", "k");
    let relaxed = format!("{path}?durability=relaxed");
    client.call("PUT", &relaxed, &[JSON], &put_body("1")).unwrap().expect(200);
    // The promise is about time, so time is what has to pass: 40 times what was promised.
    std::thread::sleep(Duration::from_secs(2));
    disk.shut_down();
    node.kill9();
    disk.mount_again();
    let node = launch.start();
    assert_eq!(node.client().get(&path).unwrap().expect(200).value(), "1");
}

/// One round: load, the plug, the power back. Says what is missing, or why the node did not start.
fn power_cut(
    launch: &Launch,
    disk: &mut Mount,
    herd: &mut Herd,
    dice: &mut StdRng,
) -> Result<Vec<String>, String> {
    let node = launch.try_start().map_err(|refusal| refusal.stderr)?;
    let moment = Duration::from_millis(dice.random_range(100..1500));
    herd.work_until(launch.address(), || {
        std::thread::sleep(moment);
        disk.shut_down();
        node.kill9();
    });
    disk.mount_again();
    let node = launch.try_start().map_err(|refusal| refusal.stderr)?;
    let lost = herd.differences(&mut node.client());
    node.kill9();
    if lost.is_empty() {
        verify(launch.folder());
    }
    Ok(lost)
}
