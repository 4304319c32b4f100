//! What a node takes of its machine: resident memory, file handles, disk.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::BenchError;

/// How much more than the highest of the beginning the end may take, as a factor and beside it.
const GROWTH_MAX: f64 = 1.2;
const MEGABYTE: f64 = 1_000_000.0;
/// Bytes of a block, as `stat` counts them.
const BLOCK_BYTES: u64 = 512;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Subject {
    process: Option<PathBuf>,
    folder: Option<PathBuf>,
}

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Memory,
    Handles,
    Disk,
}

/// All that was seen, in order.
#[derive(Debug, Default)]
pub(super) struct Samples {
    taken: Vec<(Duration, Size, f64)>,
    last: Duration,
}

/// The beginning and the end of one size.
#[derive(Debug)]
pub(super) struct Growth {
    size: Size,
    first_highest: f64,
    end: f64,
    end_highest: f64,
}

impl Subject {
    /// # Errors
    /// There is no such process or folder.
    pub(super) fn new(pid: Option<u32>, folder: Option<PathBuf>) -> Result<Subject, BenchError> {
        let process = pid.map(|pid| PathBuf::from(format!("/proc/{pid}")));
        let subject = Subject { process, folder };
        Samples::default().take(&subject, Duration::ZERO)?;
        Ok(subject)
    }
}

impl Samples {
    /// Looks at it now.
    pub(super) fn take(&mut self, subject: &Subject, at: Duration) -> Result<(), BenchError> {
        let unseen = |path: &Path| {
            let what = path.display().to_string();
            move |source| BenchError::Unseen { what, source }
        };
        if let Some(process) = &subject.process {
            let memory = resident_bytes(process).map_err(unseen(process))?;
            let handles = fs::read_dir(process.join("fd")).map_err(unseen(process))?.count();
            self.taken.push((at, Size::Memory, memory as f64 / MEGABYTE));
            self.taken.push((at, Size::Handles, handles as f64));
        }
        if let Some(folder) = &subject.folder {
            let disk = disk_bytes(folder).map_err(unseen(folder))?;
            self.taken.push((at, Size::Disk, disk as f64 / MEGABYTE));
        }
        self.last = at;
        Ok(())
    }

    /// The first such span against the last.
    pub(super) fn growth(&self, span: Duration) -> Vec<Growth> {
        let sizes = [Size::Memory, Size::Handles, Size::Disk].into_iter();
        sizes.filter_map(|size| self.growth_of(size, span)).collect()
    }

    fn growth_of(&self, size: Size, span: Duration) -> Option<Growth> {
        let within = |from: Duration, to: Duration| {
            let mut found: Vec<f64> = self
                .taken
                .iter()
                .filter(|(at, taken, _)| *taken == size && (from..=to).contains(at))
                .map(|(_, _, value)| *value)
                .collect();
            found.sort_by(f64::total_cmp);
            found
        };
        let first = within(Duration::ZERO, span);
        let end = within(self.last.saturating_sub(span), self.last);
        Some(Growth {
            size,
            first_highest: *first.last()?,
            end: *end.get(end.len() / 2)?,
            end_highest: *end.last()?,
        })
    }
}

impl Growth {
    pub(super) fn facts(&self) -> [(&'static str, f64); 3] {
        let [first, end, highest] = match self.size {
            Size::Memory => [
                "memory in MB, first minutes, highest",
                "memory in MB, last minutes, median",
                "memory in MB, last minutes, highest",
            ],
            Size::Handles => [
                "file handles, first minutes, highest",
                "file handles, last minutes, median",
                "file handles, last minutes, highest",
            ],
            Size::Disk => [
                "disk in MB, first minutes, highest",
                "disk in MB, last minutes, median",
                "disk in MB, last minutes, highest",
            ],
        };
        [(first, self.first_highest), (end, self.end), (highest, self.end_highest)]
    }

    pub(super) fn complaint(&self) -> Option<String> {
        let (name, beside) = match self.size {
            Size::Memory => ("memory", 8.0),
            Size::Handles => ("file handles", 20.0),
            Size::Disk => ("disk", 16.0),
        };
        let bound = self.first_highest * GROWTH_MAX + beside;
        let Growth { first_highest, end, .. } = self;
        (*end > bound).then(|| format!("{name} grew from {first_highest:.0} to {end:.0}"))
    }
}

fn resident_bytes(process: &Path) -> io::Result<u64> {
    let status = fs::read_to_string(process.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// As `du` counts; what goes meanwhile takes nothing.
fn disk_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += disk_bytes(&entry.path()).unwrap_or(0),
            Ok(metadata) => bytes += metadata.blocks() * BLOCK_BYTES,
            Err(_) => {}
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_held_against_the_beginning() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let grown = |end: f64| {
            let mut samples = Samples { last: minutes(30), ..Samples::default() };
            for (at, value) in [(1, 50.0), (2, 60.0), (15, 500.0), (29, end), (30, end)] {
                samples.taken.push((minutes(at), Size::Memory, value));
            }
            let growth = samples.growth(minutes(2));
            assert_eq!(growth.len(), 1, "only what was sampled");
            growth[0].complaint()
        };
        assert_eq!(grown(80.0), None);
        assert_eq!(grown(80.1).unwrap(), "memory grew from 60 to 80");
    }

    #[test]
    fn this_process_takes_memory_handles_and_disk() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let subject = Subject::new(Some(std::process::id()), Some(folder.to_owned())).unwrap();
        let mut samples = Samples::default();
        samples.take(&subject, Duration::ZERO).unwrap();
        assert!(samples.taken.iter().all(|(_, _, value)| *value > 0.0), "{samples:?}");
        assert_eq!(samples.taken.len(), 3);
        Subject::new(None, Some(folder.join("nothing here"))).unwrap_err();
    }
}
