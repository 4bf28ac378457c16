//! `rebuild apply`, `resume` and `destroy`: plans that exist, and the one that takes a generation down.

use executor::Runs;

use crate::args::{ApplyCommand, ConsentArgs, DestroyCommand, GlobalArgs, ResumeCommand};
use crate::consent;
use crate::enact;
use crate::evidence::gate;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paths;
use crate::prepare::Which;
use crate::printer::Printer;
use crate::session::Session;

/// `rebuild apply PLAN`.
pub async fn apply(
    command: ApplyCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    enact::must_be_able_to_ask(command.yes, printer)?;
    let plan = consent::saved(&command.plan)?;
    let name = plan.target.environment.clone();
    let mut session = Session::open(&root, &name, printer).await?;
    enact::offer(
        &mut session,
        &plan,
        None,
        (&command.consent, command.yes),
        printer,
    )
    .await
}

/// `rebuild resume`.
pub async fn resume(
    command: ResumeCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    let blocked = |error: &dyn std::error::Error| {
        Failure::of("the last run can't be gone on with", error)
            .hint("run the main command again: it looks at what is there and makes a new plan")
    };
    let unfinished = Runs::new(paths::runs(&command.env)?)
        .last_unfinished(&command.env)
        .map_err(|error| blocked(&error))?;
    let Some(summary) = unfinished else {
        // A misspelt environment has no runs either.
        environment::load(&root, &command.env)
            .map_err(|errors| crate::hints::of_environment(&command.env, &errors))?;
        printer.note(&format!(
            "no run of {} waits to be gone on with",
            command.env
        ));
        return Ok(Exit::Done);
    };
    enact::must_be_able_to_ask(command.yes, printer)?;
    let plan = summary.run.plan().map_err(|error| blocked(&error))?;
    printer.note(&format!(
        "run {} of generation {}: {} of {} steps done",
        summary.run.id, summary.generation, summary.done, summary.steps
    ));
    let mut session = Session::open(&root, &command.env, printer).await?;
    enact::confirm(&plan, command.yes, printer)?;
    enact::resume(&mut session, &plan, &summary.run, printer).await
}

/// `rebuild destroy`.
pub async fn destroy(
    command: DestroyCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    if command.out.is_none() {
        enact::must_be_able_to_ask(command.yes, printer)?;
    }
    let mut session = Session::open(&root, &command.env, printer).await?;
    let which = Which::Asked(command.generation.clone());
    let (_, seen) = enact::destruction(&mut session, &which).await?;
    let plan = gate::stand(&session, session.blueprint.destroy(&seen)?).await?;
    if let Some(file) = &command.out {
        return enact::save(&plan, file, printer);
    }
    let nobody = ConsentArgs::default();
    enact::offer(&mut session, &plan, None, (&nobody, command.yes), printer).await
}
