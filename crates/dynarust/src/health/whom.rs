//! Whom `health` asks: what was meant on the command line, and the nodes that this is.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::address_file;
use crate::config::{self, DEFAULT_DATA_DIR};
use crate::usage::UsageError;

/// What the command line means.
#[derive(Debug)]
pub(crate) enum Target {
    /// Whoever listens here: host and port.
    Address(String),
    /// The node of this folder.
    Folder(PathBuf),
    /// All nodes of the working directory.
    Here,
}

impl Target {
    /// An address is nearer than a folder, which may stand in the environment for all commands.
    ///
    /// # Errors
    /// [`UsageError`]: the one that counts is none.
    pub(crate) fn new(
        address: Option<String>,
        data_dir: Option<PathBuf>,
    ) -> Result<Self, UsageError> {
        match (address, data_dir) {
            (Some(address), _) => {
                config::port("ADDRESS", &address)?;
                Ok(Self::Address(address))
            }
            (None, Some(folder)) => Ok(Self::Folder(config::given_data_dir(folder)?)),
            (None, None) => Ok(Self::Here),
        }
    }

    /// The nodes to ask; at least one.
    ///
    /// # Errors
    /// [`WhomError`]: there is none.
    pub(crate) fn nodes(&self) -> Result<Vec<Whom>, WhomError> {
        match self {
            Self::Address(address) => Ok(vec![of_address(address)]),
            Self::Folder(folder) => {
                let node = of_folder(folder)?.ok_or_else(|| WhomError::NotRunning {
                    folder: folder.clone(),
                    file: address_file::path(folder),
                })?;
                Ok(vec![node])
            }
            Self::Here => beside_each_other(Path::new(DEFAULT_DATA_DIR)),
        }
    }
}

/// A node to ask.
#[derive(Debug)]
pub(crate) struct Whom {
    /// Host and port, as they are connected to.
    pub(crate) address: String,
    /// The folder that told the address.
    pub(crate) folder: Option<PathBuf>,
}

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhomError {
    /// A node stopped, or never ran there.
    #[error("no node runs in {folder}: there is no {file}", folder = folder.display(), file = file.display())]
    NotRunning {
        /// The node's folder.
        folder: PathBuf,
        /// The file that a running node has there.
        file: PathBuf,
    },
    /// The working directory has no running node.
    #[error(
        "no node runs in {DEFAULT_DATA_DIR} of this directory: say where to ask, such as \
         `DynaRust health 127.0.0.1:6660`, or whose folder it is with --data-dir"
    )]
    NothingHere,
    /// The operating system refused, or the file is not a node's.
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

fn of_address(address: &str) -> Whom {
    let address = match address.parse::<SocketAddr>() {
        Ok(address) => reachable(address).to_string(),
        // A name; the system resolves it.
        Err(_) => address.to_owned(),
    };
    Whom { address, folder: None }
}

fn of_folder(folder: &Path) -> Result<Option<Whom>, WhomError> {
    let read = address_file::read(folder).map_err(|error| {
        let path = address_file::path(folder);
        WhomError::Unreadable { path, error }
    })?;
    Ok(read.map(|address| Whom {
        address: reachable(address).to_string(),
        folder: Some(folder.to_owned()),
    }))
}

/// Every node that says that it runs in a folder of `parent`.
fn beside_each_other(parent: &Path) -> Result<Vec<Whom>, WhomError> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(WhomError::NothingHere);
        }
        Err(error) => return Err(WhomError::Unreadable { path: parent.to_owned(), error }),
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.sort();
    let nodes: Result<Vec<Option<Whom>>, WhomError> =
        folders.iter().map(|folder| of_folder(folder)).collect();
    let nodes: Vec<Whom> = nodes?.into_iter().flatten().collect();
    if nodes.is_empty() { Err(WhomError::NothingHere) } else { Ok(nodes) }
}

/// Where a node that listens on this address is reached from its own machine.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let host = match listening.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        let asked = |address: &str| of_address(address).address;
        assert_eq!(asked("0.0.0.0:6660"), "127.0.0.1:6660");
        assert_eq!(asked("[::]:6660"), "[::1]:6660");
        assert_eq!(asked("[fd00::1]:6660"), "[fd00::1]:6660");
        assert_eq!(asked("10.1.2.3:6660"), "10.1.2.3:6660");
        assert_eq!(asked("localhost:6660"), "localhost:6660");
    }

    #[test]
    fn an_address_is_nearer_than_a_folder() {
        let target = |address: Option<&str>, folder: Option<&str>| {
            Target::new(address.map(str::to_owned), folder.map(PathBuf::from))
        };
        assert!(matches!(target(Some("a:1"), Some("x")), Ok(Target::Address(it)) if it == "a:1"));
        assert!(matches!(target(None, Some("x")), Ok(Target::Folder(it)) if it == Path::new("x")));
        assert!(matches!(target(None, None), Ok(Target::Here)));
        for wrong in ["", "6660", "127.0.0.1", "http://127.0.0.1:6660", "::1:6660"] {
            assert!(target(Some(wrong), Some("x")).is_err(), "{wrong:?}");
        }
        assert!(target(None, Some("")).is_err());
    }

    #[test]
    fn all_that_run_beside_each_other_are_asked_and_only_those() {
        let parent = tempfile::tempdir().unwrap();
        assert!(matches!(beside_each_other(parent.path()), Err(WhomError::NothingHere)));
        let nowhere = parent.path().join("nowhere");
        assert!(matches!(beside_each_other(&nowhere), Err(WhomError::NothingHere)));
        for (name, address) in
            [("6661", Some("[::]:6661\n")), ("6660", Some("0.0.0.0:6660\n")), ("stopped", None)]
        {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            if let Some(address) = address {
                fs::write(address_file::path(&folder), address).unwrap();
            }
        }
        fs::write(parent.path().join("a file"), "").unwrap();
        let nodes = beside_each_other(parent.path()).unwrap();
        let addresses: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
        assert_eq!(addresses, ["127.0.0.1:6660", "[::1]:6661"]);
        fs::write(address_file::path(&parent.path().join("stopped")), "nonsense").unwrap();
        assert!(matches!(beside_each_other(parent.path()), Err(WhomError::Unreadable { .. })));
    }
}
