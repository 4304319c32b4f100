//! File handles: a connection takes one, and a process may have only so many.

use crate::error::BenchError;

/// What the program needs beside its connections, each of which may have a timer, too.
const RESERVED: usize = 200;

/// Raises the limit as far as the system allows.
///
/// # Errors
/// [`BenchError::Handles`] where that is too few for so many connections.
pub(crate) fn raise(connections: usize) -> Result<(), BenchError> {
    let suggested = connections + RESERVED;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < suggested as u64 => {
            Err(BenchError::Handles { wanted: connections, limit, suggested })
        }
        // Where the system doesn't tell, a connection that cannot be opened will.
        Ok(_) | Err(_) => Ok(()),
    }
}
