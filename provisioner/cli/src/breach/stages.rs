//! What is done around the plan of the new generation: cutting the old ones off before it, hardening after it.

use std::collections::BTreeSet;

use containment::{Limits, Outcome as Closing, State, Summary};
use executor::Run;
use executor::lock::Owner;
use executor::scheduler::{End, Outcome};
use jiff::Timestamp;
use planner::{Finding, Generation, Incident, Plan, hardening};
use serde::{Deserialize, Serialize};

use crate::commands::contain;
use crate::evidence::{self, gate};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::incident::{self, Declared};
use crate::paths;
use crate::printer::Printer;
use crate::session::{Session, barriers, collectors};

/// File in the run's folder.
pub const FILE: &str = "breach.json";
/// Open items that a failure names.
const TOLD: usize = 10;
/// Bytes it may have.
const LARGEST: usize = 64 << 20;

/// What the stages around the plan did; kept with the run, so that a resumed one knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The incident as it was written down.
    pub incident: String,
    /// How long each stage took.
    pub stages: Vec<Stage>,
    /// What of the old generations was cut off.
    pub contained: Vec<Contained>,
    /// What could not be looked at when cutting off.
    pub unread: Vec<String>,
    /// What is kept of the old generations; absent until that was tried.
    pub evidence: Option<Evidence>,
    /// Items of the old generations that were open at the end; absent until then.
    pub open: Option<Vec<String>>,
    /// What is weak in the finished generation; absent until it is finished.
    pub hardening: Option<Vec<Finding>>,
}

/// Evidence of the old generations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The bundle.
    pub id: Option<String>,
    /// Where it is kept.
    pub url: Option<String>,
    /// What is not in it, and why.
    pub missing: Vec<String>,
    /// Why there is none.
    pub failed: Option<String>,
}

/// One stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// Which.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// Seconds.
    pub seconds: f64,
}

/// One thing that was cut off.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contained {
    /// The place.
    pub place: String,
    /// What it is.
    pub what: String,
    /// What was done.
    pub action: String,
    /// How it ended: `closed`, `already`, or why it did not.
    pub outcome: String,
}

/// What is kept with the run; nothing where it is no breach.
pub fn read(run: &Run) -> Result<Option<Report>, Failure> {
    let path = run.folder.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    serde_json::from_slice(&paths::read_bounded(&path, LARGEST)?)
        .map(Some)
        .map_err(|error| {
            Failure::of(format!("`{}` can't be read", path.display()), &error).hint(
                "move it away; the stages are then done again, which changes nothing that is done",
            )
        })
}

fn keep(run: &Run, report: &Report) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Failure::of("what was cut off has no JSON form", &error))?;
    paths::private_file(&run.folder.join(FILE), &format!("{text}\n"))
}

/// Before anything of the new generation is made: the incident is written down and the old generations are cut off. Done again by a
/// resumed run, since what was open then may be open still.
pub async fn before(
    session: &Session,
    plan: &Plan,
    run: &Run,
    printer: &Printer,
) -> Result<(), Failure> {
    let Some(incident) = &plan.incident else {
        return Ok(());
    };
    let mut report = read(run)?.unwrap_or_default();
    if plan.target.generation.is_drill() {
        return surveyed(session, run, report, printer).await;
    }
    report.incident = declared(session, plan, incident).await?.id;
    keep(run, &report)?;
    let began = Timestamp::now();
    let except = [plan.target.generation.clone()];
    let barriers = barriers::open(&session.blueprint, &except, began).await;
    let summary = contain::close(session.name(), &barriers, began, printer).await?;
    report.stage("contain", began);
    report.unread = unread(&summary);
    for closed in contained(&summary) {
        report.add(closed);
    }
    keep(run, &report)?;
    let began = Timestamp::now();
    report.evidence = Some(evidence(session, incident, printer).await);
    report.stage("evidence", began);
    keep(run, &report)
}

/// Evidence of the old generations, once for an incident. That it can't be kept holds up destroying them, and not the rebuild.
async fn evidence(session: &Session, incident: &Incident, printer: &Printer) -> Evidence {
    let blueprint = &session.blueprint;
    let generations: BTreeSet<Generation> = incident.generations.iter().cloned().collect();
    if generations.is_empty() {
        return Evidence::default();
    }
    let collected = async {
        if let Some(id) = gate::kept_already(blueprint, &generations, incident.began).await? {
            printer.note(&format!("evidence is kept already: {id}"));
            return Ok(Evidence {
                id: Some(id),
                ..Evidence::default()
            });
        }
        let places = collectors::open(blueprint, &generations, true).await?;
        let made = evidence::make(blueprint, &generations, &places, printer).await?;
        printer.note(&format!(
            "evidence is kept in {} until {}",
            made.url, made.held_until
        ));
        Ok::<_, Failure>(Evidence {
            missing: made
                .summary
                .missing()
                .map(|absent| format!("{}: {}", absent.name, absent.reason))
                .collect(),
            id: Some(made.id),
            url: Some(made.url),
            failed: None,
        })
    };
    match collected.await {
        Ok(evidence) => evidence,
        Err(failure) => {
            let why = failure.line();
            printer.warn(&format!(
                "no evidence is kept, so the old generations can't be destroyed; `rebuild evidence collect` tries again: {why}"
            ));
            Evidence {
                failed: Some(why),
                ..Evidence::default()
            }
        }
    }
}

/// A drill looks at what would be cut off, and cuts nothing off.
async fn surveyed(
    session: &Session,
    run: &Run,
    mut report: Report,
    printer: &Printer,
) -> Result<(), Failure> {
    let began = Timestamp::now();
    let barriers = barriers::open(&session.blueprint, &[], began).await;
    let mut items = 0;
    for (place, survey) in containment::survey(&barriers, Limits::default()).await {
        items += survey.items.len();
        report
            .unread
            .extend(survey.unread.iter().map(|why| format!("{place}: {why}")));
    }
    printer.note(&format!(
        "a breach would cut off {items} items; a drill does not"
    ));
    report.stage("contain", began);
    keep(run, &report)
}

async fn declared(
    session: &Session,
    plan: &Plan,
    incident: &Incident,
) -> Result<Declared, Failure> {
    let wanted = Declared {
        id: incident::id(incident.began),
        environment: plan.target.environment.clone(),
        began: incident.began,
        declared: Timestamp::now(),
        generations: incident.generations.clone(),
        by: Owner::current().to_string(),
    };
    incident::declare(&session.control(), wanted).await
}

/// After the plan is done: whether everything is still cut off, and what is weak in what was made. Returns what is open.
pub async fn after(
    session: &mut Session,
    plan: &Plan,
    run: &Run,
    outcome: &Outcome,
    printer: &Printer,
) -> Result<Vec<String>, Failure> {
    if plan.incident.is_none() || outcome.end != End::Complete {
        return Ok(Vec::new());
    }
    let mut report = read(run)?.unwrap_or_default();
    if !plan.target.generation.is_drill() {
        let began = Timestamp::now();
        report.open = Some(still_open(session, plan, printer).await);
        report.stage("prove", began);
    }
    let open = report.open.clone().unwrap_or_default();
    let began = Timestamp::now();
    let scope = session.blueprint.scope(&plan.target.generation)?;
    let (_, inventory) = session.observe(scope).await?;
    let policy = session.blueprint.environment.document.planner_policy();
    let mut weak = hardening::findings(&inventory, &plan.target.generation, &policy);
    weak.extend(
        session
            .weaknesses(&plan.target.generation, &inventory)
            .await,
    );
    for finding in &weak {
        printer.warn(&format!(
            "{}: {} [{}]",
            finding.subject, finding.message, finding.code
        ));
    }
    report.hardening = Some(weak);
    report.stage("harden", began);
    keep(run, &report)?;
    Ok(open)
}

/// That the new generation is complete is no answer to a breach while something of the old ones is open, or could not be looked at.
pub fn all_closed(plan: &Plan, open: &[String]) -> Result<(), Failure> {
    let Some(first) = open.first() else {
        return Ok(());
    };
    let target = &plan.target;
    let mut failure = Failure::new(format!(
        "generation {} is as planned, and the old environment is not wholly cut off",
        target.generation
    ))
    .because(first)
    .exit(Exit::Refused);
    for one in open.iter().take(TOLD).skip(1) {
        failure = failure.because(one);
    }
    if let Some(more) = open.len().checked_sub(TOLD).filter(|more| *more > 0) {
        failure = failure.because(format!("and {more} more, in the run's {FILE}"));
    }
    Err(failure.hint(format!(
        "close it, by hand or with `rebuild contain --env {} --except {}`; then run the same command again: it looks at all of it once more",
        target.environment, target.generation
    )))
}

/// Items of the old generations that are open although they were cut off, and what could not be looked at.
pub async fn still_open(session: &Session, plan: &Plan, printer: &Printer) -> Vec<String> {
    let began = Timestamp::now();
    let except = [plan.target.generation.clone()];
    let barriers = barriers::open(&session.blueprint, &except, began).await;
    let mut open = Vec::new();
    for (place, survey) in containment::survey(&barriers, Limits::default()).await {
        let items = survey.items.iter().filter(|item| item.state == State::Open);
        open.extend(items.map(|item| format!("{place}: {}", item.what)));
        open.extend(survey.unread.iter().map(|why| format!("{place}: {why}")));
    }
    for one in &open {
        printer.warn(&format!("of the old environment still open: {one}"));
    }
    open
}

impl Report {
    fn stage(&mut self, name: &str, began: Timestamp) {
        self.stages.push(Stage {
            name: name.to_owned(),
            began,
            seconds: Timestamp::now().duration_since(began).as_secs_f64(),
        });
    }

    /// What an earlier attempt closed stays told as closed.
    fn add(&mut self, closed: Contained) {
        let known = self
            .contained
            .iter_mut()
            .find(|known| known.place == closed.place && known.what == closed.what);
        match known {
            Some(known) if closed.outcome == "already" && known.outcome == "closed" => {}
            Some(known) => *known = closed,
            None => self.contained.push(closed),
        }
    }
}

fn unread(summary: &Summary) -> Vec<String> {
    let of_part = |part: &containment::Part| -> Vec<String> {
        part.unread
            .iter()
            .map(|why| format!("{}: {why}", part.name))
            .collect()
    };
    summary.parts.iter().flat_map(of_part).collect()
}

fn contained(summary: &Summary) -> impl Iterator<Item = Contained> + '_ {
    summary.parts.iter().flat_map(|part| {
        part.items.iter().map(|(item, outcome)| Contained {
            place: part.name.clone(),
            what: item.what.clone(),
            action: item.action.clone(),
            outcome: match outcome {
                Closing::Closed => "closed".to_owned(),
                Closing::Already => "already".to_owned(),
                Closing::Failed { why } => why.clone(),
            },
        })
    })
}
