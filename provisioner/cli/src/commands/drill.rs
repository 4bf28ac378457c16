//! `rebuild drill`: the same code into a generation that is thrown away, timed stage by stage and compared with the drills before it.

use std::collections::BTreeMap;
use std::fmt::Write;

use executor::Runs;
use jiff::Timestamp;
use planner::duration::spoken;
use planner::{Generation, Inventory, Rotate, Scenario};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::{DrillCommand, GlobalArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::prepare::{self, Occasion, Order, Wanted, Which};
use crate::printer::{Format, Printer};
use crate::session::Session;
use crate::sources::gate;
use crate::{carry, consent, enact, generation, hints, paths};

/// Drills that a new one is compared with.
const COMPARED: usize = 5;
/// Bytes of a report and of a drill's record.
const LARGEST: usize = 128 << 20;

/// What is kept of a drill.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Drill {
    /// When it began.
    at: Timestamp,
    /// What was drilled.
    scenario: Scenario,
    /// The generation that was built and removed.
    generation: Generation,
    /// `complete`, or how it ended.
    outcome: String,
    /// Seconds from the plan to the last check; absent when it did not come so far.
    seconds: Option<u64>,
    /// The objective, seconds; 0 for none.
    objective_seconds: u64,
    /// Seconds by stage, in the order they began in.
    stages: Vec<(String, f64)>,
    /// Whether everything it made is gone again.
    removed: bool,
    /// Folder of the report.
    report: String,
}

/// Runs the command.
pub async fn run(
    command: DrillCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let root = paths::project(global.project.as_deref())?;
    environment::load(&root, &command.env)
        .map_err(|errors| hints::of_environment(&command.env, &errors))?;
    enact::must_be_able_to_ask(command.yes, printer)?;
    let mut session = Session::open(&root, &command.env, printer).await?;
    let chosen = generation::drill(session.now())?;
    let plan = planned(&mut session, &command, &chosen, printer).await?;
    let (plan, pinned) = (plan.plan, plan.pinned);
    enact::show(&plan, printer);
    enact::refuse_blocked(&plan)?;
    let document = &session.blueprint.environment.document;
    let authority = consent::given(document, &plan, &command.consent, Timestamp::now(), printer)?;
    enact::confirm(&plan, command.yes, printer)?;
    let built = enact::apply(&mut session, &plan, pinned, authority.as_ref(), printer).await;
    let removed = removed(&mut session, &chosen, printer).await;
    let drill = told(&session, &command, &chosen, removed.is_ok())?;
    let former = former(&command)?;
    kept(&command, &drill)?;
    match printer.format {
        Format::Json => printer
            .json(&serde_json::json!({ "event": "drilled", "drill": drill, "former": former })),
        Format::Text => printer.data(&table(&drill, &former)),
    }
    removed?;
    built
}

async fn planned(
    session: &mut Session,
    command: &DrillCommand,
    chosen: &Generation,
    printer: &Printer,
) -> Result<prepare::Prepared, Failure> {
    let backup = match (&command.from_backup, command.scenario) {
        (Some(asked), _) => asked.clone(),
        (None, Scenario::Breach) => format!("known-good:before={}", session.now()),
        (None, _) => "latest".to_owned(),
    };
    let occasion = match command.scenario {
        Scenario::Breach => Occasion::Breach {
            told: gate::told(&backup, None, None)?,
            // Nothing that stands is doubted, let alone cut off.
            old: Some(Vec::new()),
        },
        scenario => Occasion::Of(scenario),
    };
    let order = Order {
        which: Which::Exactly(chosen.clone()),
        wanted: Wanted::Asked(backup),
        rotate: Rotate::None,
        occasion,
    };
    let (prepared, _) = prepare::plan(session, order, printer).await?;
    beside_what_is_live(session, &prepared.inventory)?;
    Ok(prepared)
}

/// In a cluster where the namespace is the same for every generation, a drill would change what is live.
fn beside_what_is_live(session: &Session, inventory: &Inventory) -> Result<(), Failure> {
    let overlay = &session.blueprint.environment.document.what.overlay;
    let shared = overlay
        .as_ref()
        .is_some_and(|overlay| !overlay.namespace_suffix);
    let live = inventory
        .objects
        .iter()
        .find(|object| object.address.provider() == "kubernetes");
    match live {
        Some(object) if shared => Err(Failure::new("a drill would change what is live")
            .because(format!(
                "every generation of {} uses the same namespace, and generation {} is in it",
                session.name(),
                object.generation
            ))
            .hint("drill in an environment with a cluster of its own, or set `what.overlay.namespace_suffix`")
            .exit(Exit::Refused)),
        _ => Ok(()),
    }
}

/// Removes what the drill made, however far it came.
async fn removed(
    session: &mut Session,
    chosen: &Generation,
    printer: &Printer,
) -> Result<(), Failure> {
    let (_, seen) = enact::destruction(session, &Which::Exactly(chosen.clone())).await?;
    let plan = session.blueprint.destroy(&seen)?;
    if !plan.has_changes() {
        return Ok(());
    }
    let name = session.name().to_owned();
    match enact::apply(session, &plan, None, None, printer).await {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.hint(format!(
            "remove what is left of the drill with `rebuild destroy --env {name} --generation {chosen}`"
        ))),
    }
}

/// What the report of the drill's run says.
fn told(
    session: &Session,
    command: &DrillCommand,
    chosen: &Generation,
    removed: bool,
) -> Result<Drill, Failure> {
    let listed = Runs::new(paths::runs(session.name())?)
        .list()
        .map_err(|error| Failure::of("the drill's own run can't be found", &error))?;
    let run = listed.into_iter().find(|(run, summary)| {
        let of_drill = summary
            .as_ref()
            .is_ok_and(|summary| summary.generation == *chosen);
        // The run that removes it has a report as well, of a plan to destroy.
        of_drill
            && run
                .plan()
                .is_ok_and(|plan| plan.scenario != Scenario::Destroy)
    });
    let report: Option<(Value, String)> = match run {
        Some((run, _)) => {
            let path = run.folder.join("report.json");
            let read = paths::read_bounded(&path, LARGEST)?;
            let value = serde_json::from_slice(&read).map_err(|error| {
                Failure::of(format!("`{}` is no report", path.display()), &error)
            })?;
            Some((value, run.folder.display().to_string()))
        }
        None => None,
    };
    let text = |pointer: &str| {
        report
            .as_ref()
            .and_then(|(report, _)| Some(report.pointer(pointer)?.as_str()?.to_owned()))
    };
    let stages = report
        .iter()
        .flat_map(|(report, _)| report["stages"].as_array())
        .flatten()
        .filter_map(|stage| {
            Some((
                stage["name"].as_str()?.to_owned(),
                stage["seconds"].as_f64()?,
            ))
        })
        .collect();
    let seconds = report
        .as_ref()
        .and_then(|(report, _)| report.pointer("/rto/achieved_seconds")?.as_u64());
    Ok(Drill {
        at: session.now(),
        scenario: command.scenario,
        generation: chosen.clone(),
        outcome: text("/outcome").unwrap_or_else(|| "not begun".to_owned()),
        seconds,
        objective_seconds: u64::from(
            session
                .blueprint
                .environment
                .document
                .objectives
                .rto
                .seconds(),
        ),
        stages,
        removed,
        report: report.map(|(_, folder)| folder).unwrap_or_default(),
    })
}

fn folder(command: &DrillCommand) -> Result<std::path::PathBuf, Failure> {
    Ok(paths::state()?.join("drills").join(&command.env))
}

/// The last drills of the same scenario that came to their end, oldest first.
fn former(command: &DrillCommand) -> Result<Vec<Drill>, Failure> {
    let folder = folder(command)?;
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let read = paths::read_bounded(&path, LARGEST)?;
        // One that another release wrote in another form is not compared with.
        if let Ok(drill) = serde_json::from_slice::<Drill>(&read)
            && drill.scenario == command.scenario
            && drill.seconds.is_some()
        {
            all.push(drill);
        }
    }
    all.sort_by_key(|drill| drill.at);
    Ok(all.split_off(all.len().saturating_sub(COMPARED)))
}

fn kept(command: &DrillCommand, drill: &Drill) -> Result<(), Failure> {
    let folder = folder(command)?;
    carry::private_folder(&folder)?;
    let text = serde_json::to_string_pretty(drill)
        .map_err(|error| Failure::of("the drill has no JSON form", &error))?;
    let name = format!("{}.json", drill.generation);
    paths::private_file(&folder.join(name), &format!("{text}\n"))
}

/// Stage by stage, beside the last drill and the median of the last ones.
fn table(drill: &Drill, former: &[Drill]) -> String {
    let mut before: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (stage, seconds) in former.iter().flat_map(|drill| &drill.stages) {
        before.entry(stage).or_default().push(*seconds);
    }
    let mut out = format!(
        "drill of {} into {}: {}\n{:<16}{:>10}{:>10}{:>10}\n",
        drill.scenario, drill.generation, drill.outcome, "stage", "seconds", "last", "median"
    );
    let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
    for (stage, seconds) in &drill.stages {
        let known = before.get(stage.as_str());
        let last = known.and_then(|known| known.last().copied());
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "{stage:<16}{seconds:>10.1}{:>10}{:>10}",
            cell(last),
            cell(known.and_then(|known| median(known)))
        );
    }
    let whole = |drill: &Drill| {
        drill
            .seconds
            .map_or_else(|| "not reached".to_owned(), spoken)
    };
    let _ = writeln!(
        out,
        "whole: {}{}{}",
        whole(drill),
        former
            .last()
            .map_or_else(String::new, |last| format!(", last {}", whole(last))),
        match (drill.objective_seconds, drill.seconds) {
            (0, _) => String::new(),
            (objective, Some(took)) if took <= objective =>
                format!(", objective {} met", spoken(objective)),
            (objective, _) => format!(", objective {} MISSED", spoken(objective)),
        }
    );
    let _ = write!(
        out,
        "{}\nreport: {}",
        if drill.removed {
            "everything it made is removed"
        } else {
            "NOT everything it made is removed"
        },
        drill.report
    );
    out
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(generation: &str, seconds: Option<u64>, seed: f64) -> Drill {
        Drill {
            at: "2026-11-28T06:00:00Z".parse().unwrap(),
            scenario: Scenario::FullLoss,
            generation: generation.parse().unwrap(),
            outcome: "complete".to_owned(),
            seconds,
            objective_seconds: 60,
            stages: vec![("network".to_owned(), 2.0), ("seed".to_owned(), seed)],
            removed: true,
            report: "/runs/1".to_owned(),
        }
    }

    #[test]
    fn a_drill_is_compared_with_those_before_it() {
        let former = [
            drill("drill-1", Some(50), 3.0),
            drill("drill-2", Some(30), 1.0),
            drill("drill-3", Some(40), 9.0),
        ];
        assert_eq!(
            table(&drill("drill-4", Some(61), 4.25), &former),
            "drill of full-loss into drill-4: complete\n\
             stage              seconds      last    median\n\
             network                2.0       2.0       2.0\n\
             seed                   4.2       9.0       3.0\n\
             whole: 1 min 1 s, last 40 s, objective 1 min MISSED\n\
             everything it made is removed\n\
             report: /runs/1"
        );
        assert_eq!(
            table(&drill("drill-1", None, 4.25), &[]),
            "drill of full-loss into drill-1: complete\n\
             stage              seconds      last    median\n\
             network                2.0                    \n\
             seed                   4.2                    \n\
             whole: not reached, objective 1 min MISSED\n\
             everything it made is removed\n\
             report: /runs/1"
        );
    }
}
