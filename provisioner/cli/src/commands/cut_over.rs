//! `rebuild cut-over`: leads users to a generation that stands and was validated, forth or back.

use planner::{Rotate, Scenario};

use crate::args::{CutOverCommand, GlobalArgs};
use crate::enact;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::paths;
use crate::prepare::{self, Occasion, Order, Wanted, Which};
use crate::printer::Printer;
use crate::session::Session;

/// Runs the command.
pub async fn run(
    command: CutOverCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    environment::load(&root, &command.env)
        .map_err(|errors| hints::of_environment(&command.env, &errors))?;
    if command.out.is_none() {
        enact::must_be_able_to_ask(command.yes, printer)?;
    }
    let mut session = Session::open(&root, &command.env, printer).await?;
    let asked = command
        .to
        .as_ref()
        .map_or("current", |generation| generation.as_str());
    let order = Order {
        which: Which::Asked(asked.to_owned()),
        wanted: Wanted::Own,
        rotate: Rotate::None,
        occasion: Occasion::Of(Scenario::CutOver),
    };
    let (prepared, _) = prepare::plan(&mut session, order, printer).await?;
    if let Some(file) = &command.out {
        return enact::save(&prepared.plan, file, printer);
    }
    let consent = (&command.consent, command.yes);
    enact::offer(&mut session, &prepared.plan, None, consent, printer).await
}
