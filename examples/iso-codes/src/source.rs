//! The records, as Debian's `iso-codes` package has them in its JSON files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the package puts its files.
pub const FOLDER: &str = "/usr/share/iso-codes/json";

/// A file, the table that it fills, and the member that is the key.
const SOURCES: [(&str, &str, &str); 8] = [
    ("3166-1", "countries", "alpha_2"),
    ("4217", "currencies", "alpha_3"),
    ("3166-1", "flags", "flag"),
    ("3166-3", "former-countries", "alpha_4"),
    ("639-3", "languages", "alpha_3"),
    ("639-5", "language-families", "alpha_3"),
    ("15924", "scripts", "alpha_4"),
    ("3166-2", "subdivisions", "code"),
];

/// Records by table and key, each with the text of its value.
pub type Tables = BTreeMap<&'static str, BTreeMap<String, String>>;

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such file, most likely.
    #[error("{}: {error}; the files come with: apt-get install iso-codes", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        error: io::Error,
    },
    /// It is not the file that we know.
    #[error("{}: not a list of codes that each have {key:?}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The member that each record must have.
        key: &'static str,
    },
}

/// Reads all tables. Edition 0 is the records as they are; any other adds its number to each of them, so
/// that there is something to change.
///
/// # Errors
/// The files are absent, or not those of the package.
pub fn read(folder: &Path, edition: u32) -> Result<Tables, SourceError> {
    SOURCES
        .iter()
        .map(|&(standard, table, key)| {
            let path = folder.join(format!("iso_{standard}.json"));
            let records = read_file(&path, standard)
                .map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
            let records: Option<_> =
                records.into_iter().map(|record| keyed(record, key, edition)).collect();
            Ok((table, records.ok_or(SourceError::Unknown { path, key })?))
        })
        .collect()
}

fn read_file(path: &Path, standard: &str) -> io::Result<Vec<Value>> {
    let mut file: BTreeMap<String, Vec<Value>> =
        serde_json::from_reader(BufReader::new(File::open(path)?))?;
    Ok(file.remove(standard).unwrap_or_default())
}

/// The key, and the canonical text: no blanks, members in the order of their names.
fn keyed(mut record: Value, key: &str, edition: u32) -> Option<(String, String)> {
    let code = record.get(key)?.as_str()?.to_owned();
    if edition > 0 {
        record.as_object_mut()?.insert("edition".to_owned(), edition.into());
    }
    Some((code, record.to_string()))
}
