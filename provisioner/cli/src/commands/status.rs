//! `rebuild status` and `rebuild generations`: what is there, by asking the clouds.

use std::collections::BTreeMap;
use std::fmt::Write;

use planner::{Inventory, Plan, Rotate, Scenario};
use serde_json::json;

use crate::args::{EnvironmentOnly, GlobalArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::generation::{self, Found};
use crate::paths;
use crate::prepare::{self, Occasion, Order, Wanted, Which};
use crate::printer::{Format, Printer};
use crate::session::Session;

/// `rebuild generations`.
pub async fn generations(
    command: EnvironmentOnly,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut session = open(&command, global, printer).await?;
    let which = Which::Asked("current".to_owned());
    let (_, inventory) = prepare::look(&mut session, &which).await?;
    let found = generation::all(&inventory);
    match printer.format {
        Format::Json => printer.json(&found),
        Format::Text if found.is_empty() => {
            printer.note(&format!("nothing of {} exists", command.env))
        }
        Format::Text => printer.data(&table(&found)),
    }
    Ok(Exit::Done)
}

/// `rebuild status`: the generation in force, and what differs from what the environment wants.
pub async fn status(
    command: EnvironmentOnly,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let mut session = open(&command, global, printer).await?;
    let which = Which::Asked("current".to_owned());
    let order = Order {
        which,
        wanted: Wanted::Own,
        rotate: Rotate::None,
        occasion: Occasion::Of(Scenario::FullLoss),
    };
    let (prepared, _) = prepare::plan(&mut session, order, printer).await?;
    let (plan, inventory) = (&prepared.plan, &prepared.inventory);
    let found = generation::all(inventory);
    let Some(current) = found
        .iter()
        .find(|found| found.generation == plan.target.generation)
    else {
        match printer.format {
            Format::Json => printer.json(&json!({
                "environment": command.env, "generation": null, "generations": found, "drift": [],
            })),
            Format::Text => printer.data(&format!("{}: nothing is there", command.env)),
        }
        return Ok(Exit::Done);
    };
    let drift: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| step.action.mutates())
        .collect();
    match printer.format {
        Format::Json => {
            let drift: Vec<_> = drift
                .iter()
                .map(|step| {
                    json!({ "action": step.action, "address": step.address, "changes": step.changes, "reason": step.reason })
                })
                .collect();
            printer.json(&json!({
                "environment": command.env, "generation": current, "generations": found, "objects": count(inventory, plan),
                "seeded_from": plan.backup, "drift": drift, "findings": plan.findings,
            }));
        }
        Format::Text => printer.data(&text(current, &found, plan, inventory, printer)),
    }
    Ok(if drift.is_empty() {
        Exit::Done
    } else {
        Exit::Changes
    })
}

fn text(
    current: &Found,
    all: &[Found],
    plan: &Plan,
    inventory: &Inventory,
    printer: &Printer,
) -> String {
    let mut out = format!(
        "{}: generation {}, {}, {} objects\n",
        plan.target.environment, current.generation, current.state, current.objects
    );
    // Writing to a String can't fail.
    for (kind, number) in count(inventory, plan) {
        let _ = writeln!(out, "  {kind:<40} {number:>4}");
    }
    match &plan.backup {
        Some(backup) => {
            let _ = writeln!(
                out,
                "seeded from {}, {} blocks, head {}",
                backup.id, backup.blocks, backup.head
            );
        }
        None => out.push_str("not seeded\n"),
    }
    let others: Vec<Found> = all
        .iter()
        .filter(|found| found.generation != current.generation)
        .cloned()
        .collect();
    if !others.is_empty() {
        let _ = write!(out, "other generations:\n{}", table(&others));
    }
    for held in plan
        .findings
        .iter()
        .filter(|finding| finding.code == "traffic.held")
    {
        let _ = writeln!(out, "{}: {}", held.subject, held.message);
    }
    if plan.has_changes() {
        let _ = write!(out, "drift:\n{}", printer.preview(plan));
    } else {
        out.push_str("no drift\n");
    }
    out
}

/// How many objects of each kind the plan's generation has.
fn count(inventory: &Inventory, plan: &Plan) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for object in inventory
        .objects
        .iter()
        .filter(|object| object.generation == plan.target.generation)
    {
        *kinds.entry(object.address.qualified_kind()).or_default() += 1;
    }
    kinds
}

fn table(found: &[Found]) -> String {
    found.iter().fold(String::new(), |mut out, found| {
        let _ = writeln!(
            out,
            "  {:<16} {:<10} {:>4} objects",
            found.generation, found.state, found.objects
        );
        out
    })
}

async fn open(
    command: &EnvironmentOnly,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Session, Failure> {
    let root = paths::project(global.project.as_deref())?;
    Session::open(&root, &command.env, printer).await
}
