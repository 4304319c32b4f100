//! Simulates clusters: one seed, or many.

use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use clap::Parser;
use dynarust_sim::{Form, Many, REGRESSIONS, RunError, Settings, Summary, run, shrink};

/// Whole clusters of DynaRust in one process, from a seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The one seed to simulate.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Seeds to simulate, from the first to before the last: 1..1000.
    #[arg(long, value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// Seeds that nobody has simulated before, as many as there is time for.
    #[arg(long, conflicts_with_all = ["seed", "seeds"], requires = "seconds")]
    fresh: bool,
    /// The seeds that once found something.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "fresh"])]
    regressions: bool,
    /// How long each is.
    #[arg(long, value_enum, default_value = "short")]
    form: Form,
    /// Only these faults of the plan happen, by their numbers: 3,7.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    faults: Option<Vec<usize>>,
    /// Begins no further seed after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Begins no further seed behind the first that fails.
    #[arg(long, conflicts_with = "seed")]
    until_failure: bool,
    /// Seeds at a time.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Writes the trace to this file.
    #[arg(long, requires = "seed")]
    trace: Option<std::path::PathBuf>,
    /// Writes the history of clients to this file, as lines of JSON.
    #[arg(long, requires = "seed")]
    history: Option<std::path::PathBuf>,
    /// Says what the nodes log (RUST_LOG).
    #[arg(long)]
    logs: bool,
    /// Tells what came of it as JSON.
    #[arg(long, requires = "seed")]
    json: bool,
    /// Says which faults a failure needs.
    #[arg(long, requires = "seed", conflicts_with_all = ["json", "trace", "history"])]
    shrink: bool,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("seeds are given as 1..1000")?;
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
    Ok(number(from)?..number(to)?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.logs {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .without_time()
            .init();
    }
    let outcome = match (arguments.seed, arguments.seeds.clone()) {
        (Some(seed), _) => one(&arguments, seed),
        (None, Some(seeds)) => Ok(many(&arguments, arguments.form, seeds)),
        (None, None) if arguments.regressions => Ok(again(&arguments)),
        (None, None) if arguments.fresh => Ok(many(&arguments, arguments.form, fresh())),
        (None, None) => Ok(many(&arguments, arguments.form, 1..11)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    // Nobody reads it any more, then.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn settings(arguments: &Arguments, seed: u64) -> Settings {
    Settings {
        seed,
        form: arguments.form,
        faults: arguments.faults.clone(),
        keeps_trace: arguments.trace.is_some(),
    }
}

fn one(arguments: &Arguments, seed: u64) -> Result<bool, RunError> {
    let settings = settings(arguments, seed);
    if arguments.shrink {
        return Ok(shrunk(&settings));
    }
    let report = match run(settings.clone()) {
        Ok(report) => report,
        Err(RunError::Panicked { why, .. }) => {
            let summary = Summary::of_failure(seed, settings.form, format!("panicked: {why}"));
            told(arguments, &summary, &settings);
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if let (Some(path), Some(trace)) = (&arguments.trace, &report.trace) {
        fs::write(path, trace).map_err(RunError::Folder)?;
    }
    if let Some(path) = &arguments.history {
        fs::write(path, report.history.to_lines()).map_err(RunError::Folder)?;
    }
    told(arguments, &report.summary, &settings);
    Ok(report.summary.is_well())
}

fn told(arguments: &Arguments, summary: &Summary, settings: &Settings) {
    if arguments.json {
        say(&serde_json::to_string(summary).unwrap_or_default());
    } else {
        tell(summary, settings);
    }
}

/// Whether there is nothing that fails.
fn shrunk(settings: &Settings) -> bool {
    let Some(shrunk) = shrink(settings) else {
        say(&format!("seed {} does not fail", settings.seed));
        return true;
    };
    say("faults that are needed:");
    shrunk.events.iter().for_each(|event| say(&format!("  {event}")));
    let faults = shrunk.events.iter().map(|event| event.number).collect();
    tell(&shrunk.summary, &Settings { faults: Some(faults), ..settings.clone() });
    false
}

fn tell(summary: &Summary, settings: &Settings) {
    say(summary.to_string().trim_end());
    if !summary.is_well() {
        let commit = option_env!("DYNARUST_COMMIT").map_or_else(commit, str::to_owned);
        say(&format!("  commit {commit}; again: {}", settings.command()));
    }
}

/// Of the working directory.
fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let text = text.and_then(|text| String::from_utf8(text).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn many(arguments: &Arguments, form: Form, seeds: Range<u64>) -> bool {
    let began = Instant::now();
    let within = arguments.seconds.map(Duration::from_secs);
    say(&format!("from seed {} on", seeds.start));
    let many = Many {
        seeds,
        form,
        within,
        at_a_time: arguments.threads,
        until_failure: arguments.until_failure,
    };
    let sum = many.run(|summary| {
        if !summary.is_well() {
            tell(summary, &Settings::of(summary.seed, summary.form));
        }
    });
    say(&format!("{sum}in {:.0} s", began.elapsed().as_secs_f64()));
    sum.is_well()
}

/// All that come behind this moment, in millionths of a second.
fn fresh() -> Range<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()..u64::MAX
}

/// The seeds that once found something.
fn again(arguments: &Arguments) -> bool {
    let wells = REGRESSIONS.iter().map(|regression| {
        say(&format!("seed {}: {}", regression.seed, regression.found));
        many(arguments, regression.form, regression.seed..regression.seed + 1)
    });
    wells.fold(true, |all, well| all & well)
}
