//! Where the process of a base ends that is driven by hand: between two of its steps, which are transactions
//! and checkpoints.

use super::error::BaseError;

/// How many steps there are until then; without end where nobody said.
#[derive(Debug, Default)]
pub(crate) struct StepsLeft(Option<u64>);

impl StepsLeft {
    pub(crate) fn set(&mut self, steps: Option<u64>) {
        self.0 = steps;
    }

    /// Whether the next step may be taken.
    pub(super) fn take(&mut self) -> Result<(), BaseError> {
        if let Some(steps) = &mut self.0 {
            *steps = steps
                .checked_sub(1)
                .ok_or_else(|| BaseError::Io("the process ends between two steps".into()))?;
        }
        Ok(())
    }
}
