//! The files of a disk by name, and which changes of names are not on stable storage.
//!
//! There is one folder, whatever it is called: behind a power cut a node starts in another.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;

use super::file::File;
use super::tally::Lost;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Files {
    names: BTreeMap<OsString, Arc<Mutex<File>>>,
    /// Since the directory was synced, oldest first.
    changes: Vec<Change>,
}

/// What some names stood for before they were changed at once.
type Change = Vec<(OsString, Option<Arc<Mutex<File>>>)>;

impl Files {
    pub(super) fn list(&self, folder: &Path) -> Vec<PathBuf> {
        self.names.keys().map(|name| folder.join(name)).collect()
    }

    pub(super) fn get(&self, path: &Path) -> io::Result<Arc<Mutex<File>>> {
        self.names.get(name(path)).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create(&mut self, path: &Path) -> Arc<Mutex<File>> {
        let file = Arc::<Mutex<File>>::default();
        let before = self.names.insert(name(path).to_owned(), Arc::clone(&file));
        self.changes.push(vec![(name(path).to_owned(), before)]);
        file
    }

    /// The same files on another disk, each synced.
    pub(super) fn copied(&self) -> Self {
        let copied = |file: &Arc<Mutex<File>>| Arc::new(Mutex::new(file.lock().copied()));
        let names = self.names.iter().map(|(name, file)| (name.clone(), copied(file)));
        Self { names: names.collect(), changes: Vec::new() }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (name(from), name(to));
        let file = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        let before = self.names.insert(to.to_owned(), Arc::clone(&file));
        self.changes.push(vec![(from.to_owned(), Some(file)), (to.to_owned(), before)]);
        Ok(())
    }

    pub(super) fn sync_names(&mut self) {
        self.changes.clear();
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let file = self.names.remove(name(path)).ok_or(io::ErrorKind::NotFound)?;
        self.changes.push(vec![(name(path).to_owned(), Some(file))]);
        Ok(())
    }

    /// What is on stable storage, and some of what is not.
    pub(super) fn power_cut(&mut self, random: &mut StdRng) -> Lost {
        let mut lost = Lost::default();
        let stand = random.random_range(0..=self.changes.len());
        for change in self.changes.drain(..).skip(stand).rev() {
            lost.names_undone += 1;
            for (name, before) in change.into_iter().rev() {
                match before {
                    Some(file) => drop(self.names.insert(name, file)),
                    None => drop(self.names.remove(&name)),
                }
            }
        }
        self.names.values().for_each(|file| file.lock().power_cut(random, &mut lost));
        lost
    }
}

/// A path without a name is nobody's.
fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}
