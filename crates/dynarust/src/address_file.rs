//! The file `ADDRESS` in a node's folder: where the node listens that runs there (`FORMAT.md` of the
//! store). `DynaRust health` reads it, and so may any script.
//!
//! Invariants:
//! - It is written and removed by the process that holds the folder's lock, and by no other.
//! - Whoever reads it finds one whole address.
//! - It is there while the node is open to clients. A killed node leaves it behind: only an answer
//!   from the address shows that somebody is there.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const NAME: &str = "ADDRESS";

/// The file of a node that runs. Removed when this is dropped.
#[derive(Debug)]
pub(crate) struct AddressFile {
    path: PathBuf,
}

impl AddressFile {
    /// Says in `folder` where its node listens. It is not synced: after a power cut nobody listens.
    pub(crate) fn write(folder: &Path, address: SocketAddr) -> io::Result<Self> {
        let path = path(folder);
        let new = folder.join("ADDRESS.new");
        fs::write(&new, format!("{address}\n"))?;
        fs::rename(&new, &path)?;
        Ok(Self { path })
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the file could not be removed");
        }
    }
}

/// Where the file is, if it is there.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// What the file of this folder says; `None` where there is none.
pub(crate) fn read(folder: &Path) -> io::Result<Option<SocketAddr>> {
    let text = match fs::read_to_string(path(folder)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let address = text.trim_end().parse();
    address.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it holds no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        let address: SocketAddr = "[::1]:6660".parse().unwrap();
        // What an earlier, killed node left is written over.
        fs::write(path(folder.path()), "127.0.0.1:1\n").unwrap();
        let file = AddressFile::write(folder.path(), address).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(address));
        drop(file);
        assert_eq!(read(folder.path()).unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "6660", "localhost:6660", "127.0.0.1:6660\n127.0.0.1:6661\n"] {
            fs::write(path(folder.path()), text).unwrap();
            assert!(read(folder.path()).is_err(), "{text:?}");
        }
    }
}
