//! The commands for the folder of a node that is stopped: `verify` and `salvage`.

use std::io::{self, Write as _};
use std::path::Path;

use dynarust_store::salvage::{self, Salvaged};
use dynarust_store::verify::{self, Report};
use dynarust_store::{Finding, OpenError, Part};

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfflineError {
    /// The folder could not be used; it is as it was.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder was read, and something in it is wrong; the report tells what.
    #[error("{folder} is damaged: {way_on}")]
    Damaged {
        /// As it was given.
        folder: String,
        /// What to do.
        way_on: String,
    },
}

impl OfflineError {
    fn of(folder: &Path, findings: &[Finding]) -> Result<(), Self> {
        let Some(worst) = findings.iter().map(|finding| finding.part).max() else { return Ok(()) };
        let folder = folder.display().to_string();
        let way_on = match worst {
            Part::Record => "write or delete the keys named above while the node runs".to_owned(),
            Part::Sums => format!("`DynaRust salvage {folder}` makes them anew"),
            Part::Note => format!(
                "bring it back from a copy, or put the file aside by `DynaRust salvage {folder}`"
            ),
            Part::Journal => format!(
                "bring it back from a copy, or go on without what is lost by `DynaRust salvage {folder}`"
            ),
            Part::Base => "bring it back from a copy".to_owned(),
        };
        Err(Self::Damaged { folder, way_on })
    }
}

/// Checks a folder, prints what is in it.
///
/// # Errors
/// [`OfflineError`].
pub(crate) fn verify(folder: &Path) -> Result<(), OfflineError> {
    let report = verify::verify(folder)?;
    print(&report_lines(&report));
    OfflineError::of(folder, &report.problems)
}

/// Saves what is sound, prints what is not.
///
/// # Errors
/// [`OfflineError`].
pub(crate) fn salvage(folder: &Path) -> Result<(), OfflineError> {
    let salvaged = salvage::salvage(folder)?;
    print(&salvaged_lines(&salvaged));
    OfflineError::of(folder, &salvaged.problems)
}

fn report_lines(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!(
            "base: {} records, {} of them deleted, {} expired; {} feed entries",
            report.records, report.tombstones, report.expired, report.feed_entries
        ),
        format!(
            "journal: {} frames, {} records that the base does not have yet",
            report.journal_frames, report.journal_records
        ),
    ];
    if report.torn_bytes > 0 {
        lines.push(format!(
            "journal: {} bytes of an unfinished write at its end, which the next start cuts off; no \
             damage",
            report.torn_bytes
        ));
    }
    lines.extend(report.problems.iter().map(|line| format!("DAMAGE: {line}")));
    if report.problems.is_empty() {
        lines.push("all is well".to_owned());
    }
    lines
}

fn salvaged_lines(salvaged: &Salvaged) -> Vec<String> {
    let mut lines =
        vec![format!("{} records of the journal were brought into the base", salvaged.records)];
    lines.extend(salvaged.damages.iter().map(|line| format!("MISSING: {line}")));
    lines.extend(salvaged.problems.iter().map(|line| format!("DAMAGE: {line}")));
    if let Some(path) = &salvaged.set_aside {
        lines.push(format!("the old journal is in {}", path.display()));
    }
    if let Some(path) = &salvaged.note_set_aside {
        lines.push(format!(
            "the node's positions in its peers' feeds are forgotten, and its cluster with them: have it join \
             again; what it knew is in {}",
            path.display()
        ));
    }
    lines
}

fn print(lines: &[String]) {
    // A closed pipe is no reason to complain.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
}
