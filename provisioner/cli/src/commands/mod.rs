//! One file a command.

mod backups;
mod shell;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs what was asked for.
pub fn run(cli: Cli, printer: &Printer) -> Result<Exit, Failure> {
    match cli.command {
        Some(Command::Backups(command)) => backups::run(command, printer),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man) => shell::man(),
        _ => Err(Failure::new("not there yet")),
    }
}
