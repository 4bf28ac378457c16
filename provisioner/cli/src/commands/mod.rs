//! One file a command.

mod backups;
mod sandbox;
mod shell;

use crate::args::{Cli, Command, SandboxCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs what was asked for.
pub fn run(cli: Cli, printer: &Printer) -> Result<Exit, Failure> {
    match cli.command {
        Some(Command::Backups(command)) => backups::run(command, printer),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man) => shell::man(),
        // The supervisor must own its main thread: its children die with the thread that started them.
        Some(Command::Sandbox(SandboxCommand::Supervise { state, tools })) => {
            sandbox::supervise(state, tools)
        }
        Some(Command::Sandbox(command)) => block_on(sandbox::run(command, printer))?,
        _ => Err(Failure::new("this command is not part of this version yet")
            .hint("`rebuild --version` says which one this is; CHANGELOG.md says what it can do")),
    }
}

fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("the async runtime could not be started", &error))?;
    Ok(runtime.block_on(future))
}
