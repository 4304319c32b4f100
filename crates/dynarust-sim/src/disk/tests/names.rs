//! Names of files: they change in order, and for good once the directory is synced.

use std::path::Path;

use super::super::SimDisk;
use super::disk;

fn cut(disk: &SimDisk) {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    disk.power_failed(from.path(), to.path()).unwrap();
}

/// Behind the last sync of the directory `c` was made, `a` removed, and `b`: what a cut leaves.
fn left(seed: u64) -> Vec<String> {
    let disk = disk(seed);
    let start = disk.start(|| {});
    let folder = Path::new("/j");
    for name in ["a", "b"] {
        start.create(&folder.join("new")).unwrap();
        start.rename(&folder.join("new"), &folder.join(name)).unwrap();
    }
    start.create(&folder.join("c")).unwrap();
    start.remove(&folder.join("a")).unwrap();
    start.remove(&folder.join("b")).unwrap();
    assert_eq!(start.list(folder).unwrap(), [folder.join("c")]);
    cut(&disk);
    let names = disk.start(|| {}).list(folder).unwrap();
    names.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn unsynced_changes_are_undone_from_the_newest_on() {
    let mut seen: Vec<_> = (0..40).map(left).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen, [vec!["a", "b"], vec!["a", "b", "c"], vec!["b", "c"], vec!["c"]]);
}

#[test]
fn a_name_is_not_given_where_the_sync_of_the_directory_fails() {
    let (mut given, mut undone) = (0, 0);
    for seed in 0..20 {
        let disk = disk(seed);
        let start = disk.start(|| {});
        let (new, path) = (Path::new("/j/new"), Path::new("/j/a"));
        let mut file = start.create(new).unwrap();
        file.write_at(b"1", 0).unwrap();
        file.sync().unwrap();
        disk.fail_sync();
        assert!(start.rename(new, path).is_err());
        cut(&disk);
        let start = disk.start(|| {});
        given += u64::from(start.read(path).is_ok_and(|bytes| bytes == b"1"));
        undone += u64::from(start.read(path).is_err());
    }
    assert!(given > 2 && undone > 2, "{given} {undone}");
}
