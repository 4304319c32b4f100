//! What a simulation is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// See the module. All of it follows from the seed and the form, unless somebody says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What all that is left to chance comes from.
    pub seed: u64,
    /// How long.
    pub form: Form,
    /// Only these of the plan's faults happen, by their numbers; all where nothing is said.
    pub faults: Option<Vec<usize>>,
    /// The text of the trace is kept.
    pub keeps_trace: bool,
}

/// How long a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub enum Form {
    /// Half a minute of simulated faults.
    Short,
    /// Ten minutes of them.
    Long,
}

impl Form {
    /// As it is given on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }

    /// For how long things go wrong.
    #[must_use]
    pub fn faults_last(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(20),
            Self::Long => Duration::from_secs(600),
        }
    }
}
