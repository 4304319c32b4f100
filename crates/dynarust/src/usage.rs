//! Reading the command line; what is wrong with it, in one line.

use clap::Parser;
use clap::error::ErrorKind;

use crate::arguments::Arguments;

/// The command was wrong; nothing was done.
#[derive(Debug, thiserror::Error)]
#[error("{0}; `DynaRust --help` tells more")]
pub(crate) struct UsageError(pub(crate) String);

/// The arguments; `None` where only help or the version was asked for, which is printed.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn read() -> Result<Option<Arguments>, UsageError> {
    let error = match Arguments::try_parse() {
        Ok(arguments) => return Ok(Some(arguments)),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no reason to complain.
            let _ = error.print();
            Ok(None)
        }
        _ => Err(UsageError(one_line(&error.render().to_string()))),
    }
}

/// What clap says before its first empty line, in one.
fn one_line(text: &str) -> String {
    let said = text.strip_prefix("error: ").unwrap_or(text);
    let said = said.split("\n\n").next().unwrap_or(said);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_says_it_in_one_line() {
        let said =
            "error: these were not provided:\n  <A>\n\nUsage: x <A>\n\nFor more, try --help.\n";
        assert_eq!(one_line(said), "these were not provided: <A>");
    }
}
