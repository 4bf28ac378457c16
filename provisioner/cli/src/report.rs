//! What a run leaves for people and auditors: the report in three forms and the drafts of the messages, beside its journal.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use approval::Authority;
use executor::scheduler::{End, Outcome};
use executor::{Entry, Record, Run};
use planner::duration::spoken;
use planner::{Action, Layer, Plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tera::{Context, Tera};

use crate::breach::{self, Stage};
use crate::failure::Failure;
use crate::first_backup;
use crate::follow_ups::Left;
use crate::paths;
use crate::seal::{self, SealedReport};
use crate::session::Session;

/// Bytes a template may have.
const LARGEST: usize = 1 << 20;
/// File in the run's folder that says on whose word it was begun.
const AUTHORITY: &str = "authority.json";
const CHECKLIST: &str = "templates/reports/checklist.yaml";
const FRAMEWORKS: &str = "templates/reports/frameworks.yaml";
/// File in the run's folder, and its template.
const PAGES: [(&str, &str); 4] = [
    ("report.md", "templates/reports/report.md.tera"),
    ("report.html", "templates/reports/report.html.tera"),
    (
        "message-internal.md",
        "templates/communications/internal.md.tera",
    ),
    (
        "message-external.md",
        "templates/communications/external.md.tera",
    ),
];

/// How a run ended, in one word.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome.end {
        End::Complete => "complete",
        End::Failed => "failed",
        End::Interrupted(_) => "interrupted",
    }
}

/// An item of the checklist as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    item: String,
    /// Who does it, for items the tool can't tick.
    #[serde(default)]
    by: Option<String>,
    /// Beginnings of the addresses whose steps prove it.
    #[serde(default)]
    steps: Vec<String>,
}

/// A practice as it is written down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Practice {
    framework: String,
    id: String,
    practice: String,
    /// Which part of the report shows it.
    shown: String,
    /// Beginnings of the addresses whose steps prove it; without any, the complete run does.
    #[serde(default)]
    steps: Vec<String>,
    /// Only asked of a rebuild after a breach.
    #[serde(default)]
    breach: bool,
    /// Only held when nothing of the old environment was open at the end.
    #[serde(default)]
    closed: bool,
}

#[derive(Debug, Serialize)]
struct Practiced {
    framework: String,
    id: String,
    practice: String,
    shown: String,
    held: bool,
}

/// An item of the checklist after a run.
#[derive(Debug, PartialEq, Serialize)]
pub struct Ticked {
    /// What has to hold.
    pub item: String,
    /// Who sees to it.
    pub by: String,
    /// Steps of the run show that it holds.
    pub done: bool,
}

#[derive(Debug, Serialize)]
struct Objective {
    achieved: String,
    achieved_seconds: Option<u64>,
    objective: String,
    objective_seconds: u64,
    met: bool,
}

/// Writes all forms into the run's folder, and seals them.
pub fn write(
    session: &Session,
    plan: &Plan,
    run: &Run,
    records: &[Record],
    outcome: &Outcome,
) -> Result<SealedReport, Failure> {
    let root = &session.blueprint.root;
    let items = checklist(root)?;
    let objectives = session.blueprint.environment.document.planner_policy();
    let authority = authority(run)?;
    let around = breach::read(run)?;
    let ticked = tick(items, plan, outcome);
    let first_backup = first_backup::told(plan, records, outcome);
    let contacts = &session.blueprint.environment.document.contacts;
    let left = Left {
        checklist: &ticked,
        findings: &plan.findings,
        breach: around.as_ref(),
        first_backup: first_backup.as_ref(),
        contacts,
    };
    let context = json!({
        "plan": plan,
        "authority": authority,
        "outcome": word(outcome),
        "timeline": timeline(plan, records),
        "rpo": rpo(plan, objectives.rpo_seconds),
        "rto": rto(plan, records, outcome, objectives.rto_seconds),
        "created": created(plan, outcome),
        "findings": plan.findings,
        "failures": outcome.failures.iter().map(|failure| json!({"step": failure.step, "why": failure.why})).collect::<Vec<_>>(),
        "checklist": ticked,
        "first_backup": first_backup,
        "follow_ups": left.follow_ups(),
        "stages": stages(plan, records, around.as_ref()),
        "breach": around,
        "frameworks": practices(root, plan, outcome, around.as_ref())?,
        "rotation": rotation(plan, records),
        "contacts": contacts,
    });
    for (name, template) in PAGES {
        let text = render(root, name, template, &context)?;
        store(&run.folder.join(name), &text)?;
    }
    let text = serde_json::to_string_pretty(&context)
        .map_err(|error| Failure::of("the report has no JSON form", &error))?;
    store(&run.folder.join("report.json"), &format!("{text}\n"))?;
    let mut files = vec!["plan.json", "journal.jsonl", "report.json"];
    files.extend(PAGES.map(|(name, _)| name));
    if !authority.is_null() {
        files.push(AUTHORITY);
    }
    files.extend(
        [breach::FILE, "message-begun.md", "message-contained.md"]
            .into_iter()
            .filter(|name| run.folder.join(name).exists()),
    );
    seal::seal(plan, run, &files)
}

/// How long each stage took: those around the plan, and the plan's layers from the first step begun to the last one done.
fn stages(plan: &Plan, records: &[Record], around: Option<&breach::Report>) -> Vec<Value> {
    let layer: HashMap<&str, Layer> = plan
        .steps
        .iter()
        .map(|step| (step.id.as_str(), step.layer))
        .collect();
    let mut spans: BTreeMap<Layer, (jiff::Timestamp, jiff::Timestamp)> = BTreeMap::new();
    for record in records {
        let (Entry::Started { step } | Entry::Done { step, .. }) = &record.entry else {
            continue;
        };
        if let Some(layer) = layer.get(step.as_str()) {
            let span = spans.entry(*layer).or_insert((record.at, record.at));
            span.1 = record.at;
        }
    }
    let mut all: Vec<(jiff::Timestamp, Value)> = spans
        .into_iter()
        .map(|(layer, (began, ended))| {
            let seconds = ended.duration_since(began).as_secs_f64();
            (
                began,
                json!({"name": layer, "began": began, "seconds": seconds}),
            )
        })
        .collect();
    all.extend(
        around
            .iter()
            .flat_map(|around| &around.stages)
            .map(|stage| {
                let Stage {
                    name,
                    began,
                    seconds,
                } = stage;
                (
                    *began,
                    json!({"name": name, "began": began, "seconds": seconds}),
                )
            }),
    );
    all.sort_by_key(|(began, _)| *began);
    all.into_iter().map(|(_, stage)| stage).collect()
}

/// What became of each old credential: compared with its successor, and tried.
fn rotation(plan: &Plan, records: &[Record]) -> Vec<Value> {
    let done: HashMap<&str, &planner::reference::Outputs> = records
        .iter()
        .filter_map(|record| match &record.entry {
            Entry::Done { step, outputs, .. } => Some((step.as_str(), outputs)),
            _ => None,
        })
        .collect();
    let tried = |step: &planner::Step| {
        matches!(
            step.address.qualified_kind().as_str(),
            "check.rotated" | "check.refused" | "check.sealed"
        )
    };
    plan.steps
        .iter()
        .filter(|step| tried(step))
        .map(|step| {
            let outputs = done.get(step.id.as_str());
            json!({
                "check": step.address.kind(), "name": step.address.name(), "held": outputs.is_some(), "outputs": outputs,
            })
        })
        .collect()
}

/// Keeps on whose word the run was begun, for its report.
pub fn keep_authority(run: &Run, authority: &Authority) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(authority)
        .map_err(|error| Failure::of("the approvals have no JSON form", &error))?;
    store(&run.folder.join(AUTHORITY), &format!("{text}\n"))
}

/// On whose word the run was begun; null where the environment asks for nobody's.
pub fn authority(run: &Run) -> Result<Value, Failure> {
    let path = run.folder.join(AUTHORITY);
    if !path.exists() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&paths::read_bounded(&path, LARGEST)?)
        .map_err(|error| Failure::of(format!("`{}` is no JSON", path.display()), &error))
}

fn read(root: &Path, path: &str) -> Result<String, Failure> {
    paths::read_text(&root.join(path), LARGEST)
}

fn checklist(root: &Path) -> Result<Vec<Item>, Failure> {
    serde_yaml::from_str(&read(root, CHECKLIST)?).map_err(|error| {
        Failure::of(format!("`{CHECKLIST}` is no checklist"), &error).hint("correct the file")
    })
}

pub fn render(root: &Path, name: &str, path: &str, context: &Value) -> Result<String, Failure> {
    let failed = |error: &tera::Error| {
        Failure::of(format!("`{path}` can't be rendered"), error)
            .hint("correct the template; the run itself is over and its journal is kept")
    };
    let mut tera = Tera::default();
    // Tera's own would read the process's environment.
    tera.register_function("get_env", |_: &HashMap<String, Value>| {
        Err(tera::Error::msg(
            "templates can't read the process's environment",
        ))
    });
    tera.add_raw_template(name, &read(root, path)?)
        .map_err(|error| failed(&error))?;
    let context = Context::from_value(context.clone()).map_err(|error| failed(&error))?;
    tera.render(name, &context).map_err(|error| failed(&error))
}

fn store(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            Failure::of(format!("`{}` can't be written", path.display()), &error).hint(
                "the run itself is over and its journal is kept; make room in the state folder",
            )
        })
}

/// What happened, when.
fn timeline(plan: &Plan, records: &[Record]) -> Vec<Value> {
    let mut events = vec![json!({"time": plan.created, "event": "planned"})];
    if let Some(backup) = &plan.backup {
        events.push(json!({
            "time": plan.created,
            "event": format!("backup {} verified: {} blocks, head {}", backup.id, backup.blocks, backup.head),
        }));
    }
    events.extend(records.iter().filter_map(|record| {
        let event = match &record.entry {
            Entry::Run { generation, .. } => format!("applying began, generation {generation}"),
            Entry::Resumed {} => "resumed".to_owned(),
            Entry::Started { .. } => return None,
            Entry::Done { step, .. } => format!("done: {step}"),
            Entry::Failed { step, why, .. } => format!("failed: {step}: {why}"),
            Entry::Interrupted { .. } => "interrupted".to_owned(),
            Entry::Finished {
                done,
                failed,
                not_run,
            } => format!("finished: {done} done, {failed} failed, {not_run} not run"),
        };
        Some(json!({"time": record.at, "event": event}))
    }));
    events
}

fn rpo(plan: &Plan, objective: u64) -> Objective {
    let achieved = plan.backup.as_ref().map(|_| plan.estimates.rpo_seconds);
    objectively(achieved, objective)
}

/// From the making of the plan to the last record: what the service was down for as far as this tool can know. It serves while its first
/// backup is taken.
fn rto(plan: &Plan, records: &[Record], outcome: &Outcome, objective: u64) -> Objective {
    let serving: HashSet<&str> = plan
        .steps
        .iter()
        .filter(|step| step.layer < Layer::Backup)
        .map(|step| step.id.as_str())
        .collect();
    let waits_for_backup = serving.len() < plan.steps.len();
    let took = records
        .iter()
        .rev()
        .find(|record| match &record.entry {
            Entry::Done { step, .. } => serving.contains(step.as_str()),
            _ => !waits_for_backup,
        })
        .filter(|_| outcome.end == End::Complete)
        .and_then(|last| u64::try_from(last.at.as_second() - plan.created.as_second()).ok());
    objectively(took, objective)
}

fn objectively(achieved: Option<u64>, objective: u64) -> Objective {
    Objective {
        achieved: achieved.map_or_else(|| "not reached".to_owned(), spoken),
        achieved_seconds: achieved,
        objective: spoken(objective),
        objective_seconds: objective,
        met: achieved.is_some_and(|achieved| objective == 0 || achieved <= objective),
    }
}

fn created(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let done: HashSet<&str> = outcome.done.iter().map(String::as_str).collect();
    plan.steps
        .iter()
        .filter(|step| {
            matches!(step.action, Action::Create | Action::Replace | Action::Seed)
                && done.contains(step.id.as_str())
        })
        .map(|step| step.address.to_string())
        .collect()
}

/// Whether each resource ended as wanted, by address.
fn held(plan: &Plan, outcome: &Outcome) -> BTreeMap<String, bool> {
    let done: HashSet<&str> = outcome.done.iter().map(String::as_str).collect();
    let mut held: BTreeMap<String, bool> = plan
        .unchanged
        .iter()
        .map(|address| (address.to_string(), true))
        .collect();
    for step in &plan.steps {
        let holds = done.contains(step.id.as_str()) && step.action != Action::Delete;
        held.entry(step.address.to_string())
            .and_modify(|all| *all &= holds)
            .or_insert(holds);
    }
    held
}

/// Whether everything whose address begins with one of these ended as wanted, and there is such a thing.
fn proven(held: &BTreeMap<String, bool>, steps: &[String]) -> bool {
    let mut proofs = held
        .iter()
        .filter(|(address, _)| steps.iter().any(|start| address.starts_with(start)))
        .peekable();
    proofs.peek().is_some() && proofs.all(|(_, holds)| *holds)
}

/// Which practices of which frameworks the run shows.
fn practices(
    root: &Path,
    plan: &Plan,
    outcome: &Outcome,
    around: Option<&breach::Report>,
) -> Result<Vec<Practiced>, Failure> {
    let listed: Vec<Practice> =
        serde_yaml::from_str(&read(root, FRAMEWORKS)?).map_err(|error| {
            Failure::of(format!("`{FRAMEWORKS}` is no list of practices"), &error)
                .hint("correct the file")
        })?;
    let held = held(plan, outcome);
    let open = around.and_then(|around| around.open.as_ref());
    let closed = open.is_some_and(Vec::is_empty);
    Ok(listed
        .into_iter()
        .filter(|practice| !practice.breach || plan.incident.is_some())
        .map(|practice| Practiced {
            held: (closed || !practice.closed)
                && if practice.steps.is_empty() {
                    outcome.end == End::Complete
                } else {
                    proven(&held, &practice.steps)
                },
            framework: practice.framework,
            id: practice.id,
            practice: practice.practice,
            shown: practice.shown,
        })
        .collect())
}

fn tick(items: Vec<Item>, plan: &Plan, outcome: &Outcome) -> Vec<Ticked> {
    let held = held(plan, outcome);
    items
        .into_iter()
        .map(|item| Ticked {
            done: proven(&held, &item.steps),
            by: item.by.unwrap_or_else(|| "rebuild".to_owned()),
            item: item.item,
        })
        .collect()
}
