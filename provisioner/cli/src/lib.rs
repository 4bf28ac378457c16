//! The command line of `rebuild`: arguments, composition root, printing, hints.
//!
//! Nothing below this crate prints or gives advice; nothing in this crate decides what a rebuild is.

mod args;
mod breach;
mod carry;
mod commands;
mod consent;
mod cut_over;
mod enact;
mod evidence;
mod exit;
mod failure;
mod first_backup;
mod follow_ups;
mod generation;
mod hints;
mod history;
mod incident;
mod memory;
mod notices;
mod paths;
mod prepare;
mod printer;
mod progress;
mod recovery;
mod report;
mod seal;
mod session;
mod sources;

use std::process::ExitCode;

use crate::args::Cli;
use crate::exit::Exit;
use crate::printer::Printer;

/// Parses the arguments, runs the command, prints its failure. Exit codes are listed in `rebuild --help`.
pub fn main() -> ExitCode {
    memory::keep_to_itself();
    let cli = match Cli::parsed() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // Clap's own code for wrong usage is 2, which here means "changes pending".
            return if error.use_stderr() {
                Exit::Error.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let printer = Printer {
        format: cli.global.format,
        quiet: cli.global.quiet,
    };
    match commands::run(cli, &printer) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit.into()
        }
    }
}
