//! What a put and a delete share: the one way into the store, and how a write is refused.

use dynarust_core::Version;
use dynarust_store::{Write, WriteError, Written};

use crate::Node;

/// Why a write was not acknowledged. Nothing changed, but where [`WriteError::Stopped`] says
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedWrite {
    /// The condition did not hold. Nothing changed; read the key again, and decide anew.
    #[error("the record is not at the version that the condition asks for")]
    VersionMismatch {
        /// The live version; none where the key is absent.
        current: Option<Version>,
    },
    /// A delete found no live record. Nothing changed.
    #[error("there is no such record")]
    Absent,
    /// The store did not take it; [`WriteError`] says what that means.
    #[error(transparent)]
    Store(#[from] WriteError),
}

impl Node {
    /// The call submits the write; the future waits for what became of it.
    pub(crate) fn write(
        &self,
        write: Write,
    ) -> impl Future<Output = Result<Version, RefusedWrite>> + Send + use<'_> {
        let written = self.store.write(write);
        async move {
            match written.await? {
                Written::Done(version) => Ok(version),
                Written::Refused(current) => Err(RefusedWrite::VersionMismatch { current }),
                Written::Absent => Err(RefusedWrite::Absent),
            }
        }
    }
}
