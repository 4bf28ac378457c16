//! `rebuild backups …`.

mod all;
mod cluster;
mod identities;
mod input;
mod known_good;
mod list;
mod shard;
mod show;
mod verify;

use crate::args::{BackupsCommand, BudgetArgs, GlobalArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paths;
use crate::printer::Printer;
use crate::session::{self, Blueprint};
use crate::sources::budget::Budget;

/// Runs the command.
pub async fn run(
    command: BackupsCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    match command {
        BackupsCommand::Verify(command) if command.run.is_some() => {
            shard::run(command, global, printer).await
        }
        BackupsCommand::Verify(command) if command.all => all::run(command, global, printer).await,
        BackupsCommand::Verify(command) => verify::run(command, global, printer).await,
        BackupsCommand::List(command) => list::run(&command.env, global, printer).await,
        BackupsCommand::Identities(command) => identities::run(command, global, printer).await,
        BackupsCommand::KnownGood(command) => known_good::run(command, global, printer).await,
    }
}

async fn blueprint(
    name: &str,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Blueprint, Failure> {
    let root = paths::project(global.project.as_deref())?;
    session::blueprint(&root, name, printer).await
}

fn budget(args: BudgetArgs) -> Budget {
    Budget {
        memory: u64::from(args.memory) << 20,
        connections: usize::from(args.connections),
    }
}
