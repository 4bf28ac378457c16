//! `rebuild plan`, and the main command, which goes on from there.

use std::path::Path;

use planner::recovery::Asked;
use planner::{Rotate, Scenario};

use crate::args::{GlobalArgs, PlanArgs, PlanCommand, RebuildArgs};
use crate::enact;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::incident;
use crate::paths::{self, private_file};
use crate::prepare::{self, Occasion, Order, Wanted, Which};
use crate::printer::{Format, Printer};
use crate::session::{self, Session};
use crate::sources::gate;

/// `rebuild plan`: shows, writes the file if one is wanted, changes nothing.
pub async fn plan(
    command: PlanCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    let plan = match &command.recorded {
        Some(file) => {
            let recorded = prepare::read_recorded(file)?;
            let blueprint = session::blueprint(&root, environment(&command.plan)?, printer).await?;
            blueprint.plan(&recorded, rotate(&command.plan.rotate))?
        }
        None => {
            let mut session = open(&root, &command.plan, printer).await?;
            let (prepared, recorded) = prepared(&mut session, &command.plan, printer).await?;
            if let Some(file) = &command.record {
                let text = serde_json::to_string_pretty(&recorded)
                    .map_err(|error| Failure::of("the recording has no JSON form", &error))?;
                private_file(file, &format!("{text}\n"))?;
            }
            prepared.plan
        }
    };
    let text = planner::file::text(&plan)
        .map_err(|error| Failure::of("the plan has no JSON form", &error))?;
    if let Some(file) = &command.out {
        private_file(file, &text)?;
    }
    match printer.format {
        Format::Json => printer.data(&text),
        Format::Text => printer.data(&printer.preview(&plan)),
    }
    if let Some(file) = &command.out {
        printer.note(&format!("apply it with `rebuild apply {}`", file.display()));
    }
    Ok(if plan.is_blocked() {
        Exit::Refused
    } else if plan.has_changes() {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// `rebuild --env X --from-backup B`: plan, preview, confirm, apply, validate, report.
pub async fn rebuild(
    command: RebuildArgs,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    // What is wrong with the environment counts more than that nobody can be asked about it.
    let name = environment(&command.plan)?;
    environment::load(&root, name).map_err(|errors| hints::of_environment(name, &errors))?;
    enact::must_be_able_to_ask(command.yes, printer)?;
    let mut session = open(&root, &command.plan, printer).await?;
    let (prepared, _) = prepared(&mut session, &command.plan, printer).await?;
    enact::offer(
        &mut session,
        &prepared.plan,
        prepared.pinned,
        (&command.consent, command.yes),
        printer,
    )
    .await
}

async fn open(root: &Path, arguments: &PlanArgs, printer: &Printer) -> Result<Session, Failure> {
    Session::open(root, environment(arguments)?, printer).await
}

async fn prepared(
    session: &mut Session,
    arguments: &PlanArgs,
    printer: &Printer,
) -> Result<(prepare::Prepared, prepare::Recorded), Failure> {
    let wanted = wanted(arguments)?;
    let (which, occasion) = match arguments.scenario {
        Scenario::Breach => {
            let asked = required(&arguments.from_backup, "--from-backup")?;
            let told = gate::told(asked, arguments.incident, arguments.dwell.as_deref())?;
            let old = incident::old(&session.control(), session.name(), told.began).await?;
            let which = match (arguments.generation.as_str(), &old) {
                ("current", Some(old)) => Which::Beside(old.clone()),
                ("current", None) => Which::Asked("new".to_owned()),
                (asked, _) => Which::Asked(asked.to_owned()),
            };
            (which, Occasion::Breach { told, old })
        }
        scenario if arguments.incident.is_some() || arguments.dwell.is_some() => {
            return Err(Failure::new("--incident and --dwell say when a breach was")
                .because(format!("the scenario is `{}`", scenario.name()))
                .hint("give `--scenario breach` as well, or leave them out"));
        }
        scenario => (
            Which::Asked(arguments.generation.clone()),
            match scenario {
                Scenario::Node => Occasion::Node(failed(arguments)),
                scenario => Occasion::Of(scenario),
            },
        ),
    };
    let order = Order {
        which,
        wanted,
        rotate: rotate(&arguments.rotate),
        occasion,
    };
    prepare::plan(session, order, printer).await
}

/// Which backup, and whether what else is given fits the scenario.
fn wanted(arguments: &PlanArgs) -> Result<Wanted, Failure> {
    let node = arguments.scenario == Scenario::Node;
    if !node && (!arguments.pod.is_empty() || arguments.node.is_some()) {
        return Err(
            Failure::new("--pod and --node are of the scenario `node` alone")
                .because(format!("this is `{}`", arguments.scenario))
                .hint("add `--scenario node`, or leave them out"),
        );
    }
    match &arguments.from_backup {
        Some(_) if arguments.scenario == Scenario::Database => Err(Failure::new(
            "the scenario `database` takes no backup of the chain",
        )
        .because("the environment names the dump or the instance, under `database`")
        .hint("leave out --from-backup")),
        None if arguments.scenario == Scenario::Database => Ok(Wanted::Own),
        Some(_) if node => Err(Failure::new("the scenario `node` takes no backup")
            .because("it replaces what runs, and brings no data back")
            .hint("leave out --from-backup; for lost data use `--scenario data-loss`")),
        None if node => Ok(Wanted::Own),
        _ => Ok(Wanted::Asked(
            required(&arguments.from_backup, "--from-backup")?.to_owned(),
        )),
    }
}

/// What is replaced.
fn failed(arguments: &PlanArgs) -> Asked {
    match &arguments.node {
        Some(node) => Asked::Node(node.clone()),
        None if arguments.pod.is_empty() => Asked::Failed,
        None => Asked::Pods(arguments.pod.iter().cloned().collect()),
    }
}

fn environment(arguments: &PlanArgs) -> Result<&str, Failure> {
    required(&arguments.env, "--env")
}

/// Clap asks for it already; this is for the compiler.
fn required<'a>(given: &'a Option<String>, flag: &str) -> Result<&'a str, Failure> {
    given
        .as_deref()
        .ok_or_else(|| Failure::new(format!("{flag} is missing")).hint("see `rebuild --help`"))
}

fn rotate(names: &[String]) -> Rotate {
    if names.is_empty() {
        Rotate::None
    } else if names.iter().any(|name| name == "all") {
        Rotate::All
    } else {
        Rotate::Names(names.iter().cloned().collect())
    }
}
