//! What becomes of files that lie on a bad disk.
//!
//! ```text
//! eight bytes a change: which file, what, where (u24, little-endian), how many, with what, unused
//! ```

/// Files by name, and what they hold.
pub(super) type Files = Vec<(String, Vec<u8>)>;

/// The files as the changes leave them. Files can go, and none comes.
pub(super) fn rot(mut files: Files, script: &[u8]) -> Files {
    for [file, what, low, mid, high, count, with, _] in script.as_chunks().0 {
        if files.is_empty() {
            break;
        }
        let nth = usize::from(*file) % files.len();
        if *what == 0xff {
            files.remove(nth);
            continue;
        }
        let donor = files[usize::from(*with) % files.len()].1.clone();
        let bytes = &mut files[nth].1;
        let at = u32::from_le_bytes([*low, *mid, *high, 0]) as usize % (bytes.len() + 1);
        // From one byte to some pages.
        let count = usize::from(*count) + 1;
        let length = bytes.len();
        let end = |count: usize| (at + count).min(length);
        match what % 8 {
            0 | 1 => bytes[at..end(1)].iter_mut().for_each(|byte| *byte ^= with.max(&1)),
            2 => bytes[at..end(count * 16)].fill(0),
            3 => bytes[at..end(count)].fill(*with),
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..end(count))),
            6 => drop(bytes.splice(at..at, std::iter::repeat_n(*with, count))),
            // What lay there before, or another file's page.
            _ => {
                let end = end(count * 16).min(donor.len());
                if at < end {
                    bytes[at..end].copy_from_slice(&donor[at..end]);
                }
            }
        }
    }
    files
}
