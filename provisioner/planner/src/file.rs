//! The plan file: trusted only as far as its hash goes, and applied only while what it was made from still holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::canonical;
use crate::compare::UNREADY;
use crate::finding::Severity;
use crate::plan::{Action, FORMAT, Plan, Step};

/// Bytes a plan file may have.
pub const LARGEST: usize = 64 << 20;

/// Why a plan file is not used.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// Larger than [`LARGEST`].
    #[error("the plan has {0} bytes; at most {LARGEST} are read")]
    TooLarge(usize),
    /// Not JSON.
    #[error("the plan is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// Another version of the format.
    #[error("the plan has format {found}; this tool reads format {FORMAT}")]
    Format {
        /// What it says.
        found: String,
    },
    /// The hash is not that of the contents.
    #[error(
        "the plan was changed after it was made: its hash says {stated}, its contents have {computed}"
    )]
    Hash {
        /// The hash in the file.
        stated: String,
        /// The hash of the contents.
        computed: String,
    },
    /// Fields missing or of a wrong type.
    #[error("the plan does not have the form of one: {0}")]
    Shape(serde_json::Error),
}

/// The file's text: canonical JSON and a line end.
///
/// # Errors
/// Never for a plan made by the planner; serde's error otherwise.
pub fn text(plan: &Plan) -> Result<String, serde_json::Error> {
    Ok(canonical::text(&serde_json::to_value(plan)?) + "\n")
}

/// Reads a plan file.
///
/// # Errors
/// When it is too large, no JSON, of another format, changed, or not of the form of a plan.
pub fn verify(plan_json: &[u8]) -> Result<Plan, PlanFileError> {
    if plan_json.len() > LARGEST {
        return Err(PlanFileError::TooLarge(plan_json.len()));
    }
    let mut value: Value = serde_json::from_slice(plan_json).map_err(PlanFileError::NotJson)?;
    let format = value.get("format").cloned().unwrap_or(Value::Null);
    if format.as_u64() != Some(u64::from(FORMAT)) {
        return Err(PlanFileError::Format {
            found: format.to_string().chars().take(40).collect(),
        });
    }
    let stated = value.as_object_mut().and_then(|map| map.remove("hash"));
    let stated = stated
        .as_ref()
        .and_then(Value::as_str)
        .unwrap_or("")
        .to_owned();
    let computed = canonical::digest(&value);
    if stated != computed {
        return Err(PlanFileError::Hash {
            stated: stated.chars().take(80).collect(),
            computed,
        });
    }
    if let Some(map) = value.as_object_mut() {
        map.insert("hash".to_owned(), Value::from(stated.as_str()));
    }
    let plan: Plan = serde_json::from_value(value).map_err(PlanFileError::Shape)?;
    // Fields this version does not know would be lost on the way through.
    let again = plan.computed_hash().map_err(PlanFileError::Shape)?;
    if again != stated {
        return Err(PlanFileError::Hash {
            stated,
            computed: again,
        });
    }
    Ok(plan)
}

/// One way in which a plan no longer fits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What: `input templates/network.tera`, `step create ec2.vpc.main`, `place account`.
    pub what: String,
    /// How it differs.
    pub how: String,
}

/// Compares a plan with one made again now, from the same arguments and a fresh observation. Empty when it still holds.
///
/// The time, estimates and remarks that block nothing may differ, and what was only waited for may have become ready.
pub fn stale(plan: &Plan, fresh: &Plan) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ = |what: String, how: &str| {
        found.push(Difference {
            what,
            how: how.to_owned(),
        })
    };
    if plan.target.environment != fresh.target.environment
        || plan.target.generation != fresh.target.generation
    {
        differ(
            "target".to_owned(),
            &format!(
                "{} {} now",
                fresh.target.environment, fresh.target.generation
            ),
        );
    }
    maps(
        "place",
        &plan.target.places,
        &fresh.target.places,
        &mut differ,
    );
    maps("input", &plan.inputs, &fresh.inputs, &mut differ);
    if plan.backup != fresh.backup {
        differ(
            "backup".to_owned(),
            &fresh
                .backup
                .as_ref()
                .map_or("none now".to_owned(), |backup| {
                    format!("{} {} now", backup.id, backup.sha256)
                }),
        );
    }
    let needed: BTreeSet<&str> = fresh.steps.iter().map(|step| step.id.as_str()).collect();
    let settled: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| only_waits(step) && !needed.contains(step.id.as_str()))
        .map(|step| step.id.as_str())
        .collect();
    let steps = |plan: &Plan| -> BTreeMap<String, String> {
        plan.steps
            .iter()
            .filter(|step| !settled.contains(step.id.as_str()))
            .map(|step| (step.id.clone(), essence(step, settled.is_empty())))
            .collect()
    };
    let (before, now) = (steps(plan), steps(fresh));
    for id in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        match (before.get(id), now.get(id)) {
            (Some(_), None) => differ(format!("step {id}"), "not needed any more"),
            (None, Some(_)) => differ(format!("step {id}"), "needed now"),
            (Some(before), Some(now)) if before != now => {
                differ(format!("step {id}"), "it would do something else now")
            }
            _ => {}
        }
    }
    let known: BTreeSet<_> = plan
        .findings
        .iter()
        .map(|finding| (&finding.code, &finding.subject))
        .collect();
    for finding in fresh.findings.iter().filter(|finding| {
        finding.severity == Severity::Error && !known.contains(&(&finding.code, &finding.subject))
    }) {
        differ(
            format!("finding {} {}", finding.code, finding.subject),
            &finding.message,
        );
    }
    found.sort();
    found
}

fn maps(
    what: &str,
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    differ: &mut impl FnMut(String, &str),
) {
    for key in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        match (before.get(key), now.get(key)) {
            (Some(_), None) => differ(format!("{what} {key}"), "gone"),
            (None, Some(_)) => differ(format!("{what} {key}"), "new"),
            (Some(before), Some(now)) if before != now => {
                differ(format!("{what} {key}"), "changed")
            }
            _ => {}
        }
    }
}

/// A step whose object is as it is wanted, only not ready yet.
fn only_waits(step: &Step) -> bool {
    step.action == Action::Update && step.changes.is_empty() && step.reason == UNREADY
}

/// A step without its estimates and, where a step is left out, without its order: that follows from what else is compared.
fn essence(step: &Step, all: bool) -> String {
    let mut step = step.clone();
    (step.seconds, step.calls) = (0, 0);
    if !all {
        step.depends_on.clear();
    }
    serde_json::to_value(&step)
        .map(|value| canonical::digest(&value))
        .unwrap_or_default()
}
