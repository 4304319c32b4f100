//! The node's folder: its lock, its identity, its neighbours (`FORMAT.md`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use dynarust_core::NodeId;

use crate::journal::disk::sync_parent;
use crate::open_error::OpenError;

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 2;
/// The oldest that it brings over.
const FORMAT_OLDEST: u32 = 1;
const FORMAT_TITLE: &str = "dynarust-store";

/// Whose folder it is, in which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) format: u32,
    /// Whose it was, while it is being made another node's ([`crate::renew`]).
    pub(crate) formerly: Option<NodeId>,
}

impl Identity {
    /// Whether what says that it is this node's may lie in the folder.
    pub(crate) fn is_of(&self, node: NodeId) -> bool {
        self.node == node || self.formerly == Some(node)
    }
}

/// A folder that this process holds the lock of, until this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        let denied = |error: io::Error| OpenError::Folder { path: path.to_owned(), error };
        let journal = path.join("journal");
        let made = !journal.is_dir();
        fs::create_dir_all(&journal).map_err(denied)?;
        if made {
            // Each folder on the way may be new; where one may not be opened, it is not ours.
            journal.ancestors().take_while(|above| sync_parent(above).is_ok()).for_each(drop);
        }
        Self::take(path, OpenOptions::new().write(true).create(true).truncate(false))
    }

    /// Locks a folder that must be there, and writes nothing.
    pub(crate) fn lock_existing(path: &Path) -> Result<Self, OpenError> {
        Self::take(path, OpenOptions::new().read(true))
    }

    fn take(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        let denied = |error: io::Error| OpenError::Folder { path: path.join("LOCK"), error };
        let lock = options.open(path.join("LOCK")).map_err(denied)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(denied(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.path.join("base.sqlite")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    pub(crate) fn note(&self) -> PathBuf {
        self.path.join("CLUSTER")
    }

    /// A name that is free, for what `salvage` puts aside.
    pub(crate) fn aside(&self, what: &str) -> PathBuf {
        (1..)
            .map(|nth| self.path.join(format!("{what}.salvaged-{nth}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| self.path.join(format!("{what}.salvaged")))
    }

    /// Whose folder it is; `None` where it has not been made a node's yet.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, OpenError> {
        let path = self.path.join("FORMAT");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::Folder { path, error }),
        };
        let mut lines = text.lines();
        let format = lines
            .next()
            .and_then(|line| line.strip_prefix(FORMAT_TITLE))
            .and_then(|number| number.trim().parse::<u32>().ok());
        let mut id = |title| {
            let id = lines.next().and_then(|line| line.strip_prefix(title))?;
            u64::from_str_radix(id, 16).ok().map(NodeId)
        };
        let (node, formerly) = (id("node "), id("formerly "));
        match (format, node) {
            (Some(found), _) if found > FORMAT => {
                Err(OpenError::NewerFormat { path, found, newest: FORMAT })
            }
            (Some(format @ FORMAT_OLDEST..), Some(node)) => {
                Ok(Some(Identity { node, format, formerly }))
            }
            _ => Err(OpenError::UnknownFormat { path }),
        }
    }

    /// Makes it a node's, in the present format, durably; `formerly` is whose it was, and what lies in it
    /// may still say.
    pub(crate) fn set_identity(
        &self,
        node: NodeId,
        formerly: Option<NodeId>,
    ) -> Result<(), OpenError> {
        let path = self.path.join("FORMAT");
        let new = self.path.join("FORMAT.new");
        let set = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            write!(file, "{FORMAT_TITLE} {FORMAT}\nnode {node}\n")?;
            if let Some(formerly) = formerly {
                writeln!(file, "formerly {formerly}")?;
            }
            file.sync_all()?;
            fs::rename(&new, &path)?;
            sync_parent(&path)?;
            sync_parent(&self.path)
        };
        set().map_err(|error| OpenError::Folder { path: path.clone(), error })
    }

    /// Other nodes' folders beside this one.
    pub(crate) fn neighbours(&self) -> Vec<PathBuf> {
        let Some(parent) = self.path.parent() else {
            return Vec::new();
        };
        let Ok(entries) = fs::read_dir(parent) else {
            return Vec::new();
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name() != self.path.file_name())
            .filter(|path| path.join("FORMAT").is_file())
            .collect();
        found.sort();
        found
    }
}
