//! One file a command.

mod apply;
mod approve;
mod backups;
pub mod contain;
mod cut_over;
mod doctor;
mod drill;
mod evidence;
mod overlays;
mod plan;
mod render;
mod report;
pub mod sandbox;
mod scenarios;
mod shell;
mod status;

use crate::args::{Cli, Command, SandboxCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs what was asked for.
pub fn run(cli: Cli, printer: &Printer) -> Result<Exit, Failure> {
    let Cli {
        command,
        rebuild,
        global,
    } = cli;
    let Some(command) = command else {
        return block_on(plan::rebuild(rebuild, &global, printer))?;
    };
    match command {
        Command::Backups(command) => block_on(backups::run(command, &global, printer))?,
        Command::Completions { shell } => shell::completions(shell),
        Command::Man => shell::man(),
        Command::Render(command) => render::run(command, printer),
        Command::Overlays(command) => overlays::run(command, &global, printer),
        // The supervisor must own its main thread: its children die with the thread that started them.
        Command::Sandbox(SandboxCommand::Supervise { state, tools }) => {
            sandbox::supervise(state, tools)
        }
        Command::Sandbox(command) => block_on(sandbox::run(command, printer))?,
        Command::Plan(command) => block_on(plan::plan(command, &global, printer))?,
        Command::Approve(command) => approve::run(command, printer),
        Command::Scenarios => Ok(scenarios::run(printer)),
        Command::Report(command) => report::run(command, printer),
        Command::Apply(command) => block_on(apply::apply(command, &global, printer))?,
        Command::Resume(command) => block_on(apply::resume(command, &global, printer))?,
        Command::Contain(command) => block_on(contain::run(command, &global, printer))?,
        Command::Evidence(command) => block_on(evidence::run(command, &global, printer))?,
        Command::CutOver(command) => block_on(cut_over::run(command, &global, printer))?,
        Command::Destroy(command) => block_on(apply::destroy(command, &global, printer))?,
        Command::Status(command) => block_on(status::status(command, &global, printer))?,
        Command::Generations(command) => block_on(status::generations(command, &global, printer))?,
        Command::Drill(command) => block_on(drill::run(command, &global, printer))?,
        Command::Doctor(command) => block_on(doctor::run(command, &global, printer))?,
    }
}

fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("the async runtime could not be started", &error))?;
    Ok(runtime.block_on(future))
}
