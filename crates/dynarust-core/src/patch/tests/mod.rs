mod bounds;
mod oracle;
mod text;
mod vectors;

use super::{Patch, PatchError, PatchForm};

const BYTES_MAX: usize = 1 << 20;

fn merge(value: &str, patch: &str) -> Result<String, PatchError> {
    Patch::new(PatchForm::Merge, patch.to_owned())?.apply(value, BYTES_MAX)
}

fn json(value: &str, patch: &str) -> Result<String, PatchError> {
    Patch::new(PatchForm::Json, patch.to_owned())?.apply(value, BYTES_MAX)
}
