//! The inputs that are kept of a fuzz target, for the tests that go through them. Each crate whose
//! properties are fuzzed takes in this file.

use std::path::Path;

/// Says which input it was, where going through them ends with a panic.
struct Named<'a>(&'a Path);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

/// Holds each kept input of the target against its property.
pub(crate) fn go_through(target: &str, property: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for path in paths {
        let _named = Named(&path);
        property(&std::fs::read(&path).unwrap());
    }
}
