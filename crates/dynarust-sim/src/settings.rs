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

impl Settings {
    /// All that the seed says, and no trace.
    #[must_use]
    pub fn of(seed: u64, form: Form) -> Self {
        Self { seed, form, faults: None, keeps_trace: false }
    }

    /// How to see it again: with assertions, where there were some.
    #[must_use]
    pub fn command(&self) -> String {
        let profile = if cfg!(debug_assertions) { "--profile sim" } else { "--release" };
        let mut command =
            format!("cargo run --locked {profile} -p dynarust-sim -- --seed {}", self.seed);
        if self.form == Form::Long {
            command += " --form long";
        }
        if let Some(faults) = &self.faults {
            command += " --faults ";
            command += &listed(faults);
        }
        command
    }
}

/// As the command takes them.
pub(crate) fn listed(faults: &[usize]) -> String {
    let faults: Vec<String> = faults.iter().map(usize::to_string).collect();
    faults.join(",")
}

/// How long a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub enum Form {
    /// Twenty seconds of simulated faults.
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
