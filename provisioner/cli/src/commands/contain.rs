//! `rebuild contain`: cuts an environment off, everywhere at once, without a backup, an approval or a working Vault.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use containment::{Barrier, Event, Limits, Log, Outcome, Record, State, Summary};
use executor::lock::Owner;
use planner::Generation;
use serde_json::json;

use crate::args::{ContainCommand, GlobalArgs};
use crate::evidence::generations;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::incident::{self, Declared};
use crate::printer::{Format, Printer};
use crate::session::{Blueprint, barriers, blueprint, collectors, control};
use crate::{carry, enact, paths};

/// Writing the incident down is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
pub async fn run(
    command: ContainCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    let blueprint = blueprint(&root, &command.env, printer).await?;
    let now = jiff::Timestamp::now();
    let barriers = barriers::open(&blueprint, &command.except, now).await;
    if command.dry_run {
        return preview(&barriers, printer).await;
    }
    if !command.yes {
        enact::must_be_able_to_ask(false, printer)?;
        preview(&barriers, printer).await?;
        enact::confirm_name(&command.env, "cut it off", printer)?;
    }
    // At once, and whatever comes of it: cutting off waits for nobody.
    let (summary, ()) = tokio::join!(
        close(&command.env, &barriers, now, printer),
        declare(&blueprint, &command.except, now, printer)
    );
    let summary = summary?;
    told(&summary, printer);
    if summary.is_closed() {
        return Ok(Exit::Done);
    }
    let mut failure = Failure::new(format!("{} is not wholly cut off", command.env));
    for part in &summary.parts {
        for why in &part.unread {
            failure = failure.because(format!("{}: {why}", part.name));
        }
        for (item, outcome) in &part.items {
            if let Outcome::Failed { why } = outcome {
                failure = failure.because(format!("{}: {why}", item.what));
            }
        }
    }
    Err(failure
        .hint("mend what is named, then run the same command again: what is closed stays closed"))
}

/// Writes down that the generations that are cut off are not trusted any more. What comes in its way is only warned of.
async fn declare(
    blueprint: &Blueprint,
    except: &[Generation],
    now: jiff::Timestamp,
    printer: &Printer,
) {
    let environment = blueprint.environment.name();
    let declared = async {
        let places = collectors::open(blueprint, &BTreeSet::new(), false).await?;
        let mut generations = generations(&places, printer).await;
        generations.retain(|generation| !except.contains(generation));
        let control = control(&blueprint.resolved).await;
        let known = incident::all(&control, environment).await?;
        if generations.is_empty() {
            return Err(Failure::new(
                "no generation is to be found that could be named",
            ));
        }
        let is_known = |generation| incident::of_generation(&known, generation).is_some();
        if generations.iter().all(is_known) {
            return Ok(());
        }
        let wanted = Declared {
            id: incident::id(now),
            environment: environment.to_owned(),
            began: now,
            declared: jiff::Timestamp::now(),
            generations: generations.into_iter().collect(),
            by: Owner::current().to_string(),
        };
        let incident = incident::declare(&control, wanted).await?;
        printer.note(&format!(
            "incident {}: {} is destroyed only after `rebuild evidence collect` and an approval",
            incident.id,
            incident
                .generations
                .iter()
                .map(Generation::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ));
        Ok::<_, Failure>(())
    };
    let ended = tokio::time::timeout(PATIENCE, declared).await;
    let why = match ended {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => failure.line(),
        Err(_) => format!("not done within {} s", PATIENCE.as_secs()),
    };
    printer.warn(&format!(
        "the incident is not written down, so nothing keeps these generations from being destroyed; contain again to do it: {why}"
    ));
}

/// Closes everything; the undo of each item is in the log before it is closed.
pub async fn close(
    environment: &str,
    barriers: &[Arc<dyn Barrier>],
    now: jiff::Timestamp,
    printer: &Printer,
) -> Result<Summary, Failure> {
    let folder = paths::state()?.join("contain").join(environment);
    let name = format!("{}.jsonl", now.strftime("%Y%m%dT%H%M%S%3fZ"));
    let path = folder.join(name);
    let unwritten = |error: &std::io::Error| {
        Failure::of(
            format!("`{}` can't be written, so nothing more is cut off", path.display()),
            error,
        )
        .hint("make room in the state folder, or point XDG_STATE_HOME elsewhere; then run the same command again")
    };
    carry::private_folder(&folder)?;
    let mut log = Log::create(&path).map_err(|error| unwritten(&error))?;
    log.append(&[Record::Began {
        at: now,
        environment: environment.to_owned(),
        by: Owner::current().to_string(),
    }])
    .map_err(|error| unwritten(&error))?;
    let tell = |event: Event<'_>| match event {
        Event::Surveyed { part, open } => printer.note(&format!("{part}: {open} open")),
        Event::Unread { part, why } => printer.warn(&format!("{part}: {why}")),
        Event::Ended { item, outcome, .. } => match outcome {
            Outcome::Failed { why } => printer.warn(&format!("still open: {}: {why}", item.what)),
            _ => printer.note(&format!("closed: {} ({})", item.what, item.action)),
        },
    };
    let summary = containment::contain(
        barriers,
        Limits::default(),
        log,
        &jiff::Timestamp::now,
        &tell,
    )
    .await
    .map_err(|error| unwritten(&error))?;
    printer.note(&format!("how to take each back: {}", path.display()));
    Ok(summary)
}

async fn preview(barriers: &[Arc<dyn Barrier>], printer: &Printer) -> Result<Exit, Failure> {
    let surveys = containment::survey(barriers, Limits::default()).await;
    let open = surveys
        .iter()
        .flat_map(|(_, survey)| &survey.items)
        .filter(|item| item.state == State::Open)
        .count();
    let whole = surveys.iter().all(|(_, survey)| survey.unread.is_empty());
    match printer.format {
        Format::Json => {
            let parts: Vec<_> = surveys
                .iter()
                .map(|(part, survey)| {
                    let unread: Vec<String> =
                        survey.unread.iter().map(ToString::to_string).collect();
                    json!({ "name": part, "items": survey.items, "unread": unread })
                })
                .collect();
            printer.json(&json!({ "event": "surveyed", "parts": parts }));
        }
        Format::Text => {
            let mut out = String::new();
            for (part, survey) in &surveys {
                // Writing to a String can't fail.
                let _ = writeln!(out, "{part}:");
                let mut items: Vec<_> = survey.items.iter().collect();
                items.sort_by(|a, b| (a.wave, &a.id).cmp(&(b.wave, &b.id)));
                for item in items {
                    let _ = match item.state {
                        State::Open => writeln!(out, "  - {}: {}", item.what, item.action),
                        State::Closed => writeln!(out, "    {}: closed already", item.what),
                    };
                }
                for error in &survey.unread {
                    let _ = writeln!(out, "  ! {error}");
                }
            }
            let _ = write!(out, "{open} to close");
            printer.data(&out);
        }
    }
    Ok(match (open, whole) {
        (_, false) => Exit::Error,
        (0, true) => Exit::Done,
        _ => Exit::Changes,
    })
}

fn told(summary: &Summary, printer: &Printer) {
    let closed = summary.count(|outcome| *outcome == Outcome::Closed);
    let already = summary.count(|outcome| *outcome == Outcome::Already);
    let failed = summary.count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    match printer.format {
        Format::Json => {
            let parts: Vec<_> = summary
                .parts
                .iter()
                .map(|part| {
                    let items: Vec<_> = part
                        .items
                        .iter()
                        .map(|(item, outcome)| json!({ "item": item, "ended": outcome }))
                        .collect();
                    json!({ "name": part.name, "items": items, "unread": part.unread })
                })
                .collect();
            printer.json(&json!({
                "event": "contained", "closed": closed, "already": already, "failed": failed, "parts": parts,
            }));
        }
        Format::Text => {
            let unread: usize = summary.parts.iter().map(|part| part.unread.len()).sum();
            printer.data(&format!(
                "{closed} closed, {already} closed before, {failed} still open, {unread} not looked at"
            ));
        }
    }
}
