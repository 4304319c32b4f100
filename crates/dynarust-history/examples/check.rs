//! Judges a history that was kept as lines of JSON, once more:
//!
//!     cargo run -p dynarust-history --example check -- FILE [calm|stormy]
//!
//! `stormy`, the default, holds it to what always holds; `calm` to all promises, as if nothing had gone wrong.

use std::io::Write;
use std::process::ExitCode;

use dynarust_history::{Calm, Circumstances, History, Stormy, check};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, circumstances): (&str, &dyn Circumstances) = match arguments.as_slice() {
        [file] => (file, &Stormy),
        [file, how] if how == "stormy" => (file, &Stormy),
        [file, how] if how == "calm" => (file, &Calm),
        _ => return Err("usage: check FILE [calm|stormy]".into()),
    };
    let history = History::of_lines(&std::fs::read_to_string(file)?)?;
    let violations = check(&history, circumstances);
    let mut out = std::io::stdout().lock();
    for violation in &violations {
        writeln!(out, "{violation}")?;
    }
    let (operations, streams) = (history.operations.len(), history.streams.len());
    writeln!(out, "{operations} operations, {streams} streams, {} violations", violations.len())?;
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
