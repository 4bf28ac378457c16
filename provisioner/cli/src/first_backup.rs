//! What a report says of the first backup of the generation that was built.

use executor::scheduler::Outcome;
use executor::{Entry, Record};
use planner::reference::Outputs;
use planner::{Plan, Scenario};
use serde::Serialize;

/// Kind of the step.
const KIND: &str = "backup.job";

/// How far the first backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Taken, verified, and proved to extend the seeded one.
    Taken,
    /// It was tried and is not there, or is no good.
    Failed,
    /// Nobody took one.
    Open,
}

/// The first backup of a generation.
#[derive(Clone, Debug, Serialize)]
pub struct FirstBackup {
    /// How far it is.
    pub state: State,
    /// Why it is not taken, or who took it; empty when this run did.
    pub why: String,
    /// What was found out about it.
    #[serde(flatten)]
    pub found: Outputs,
}

impl FirstBackup {
    /// One of which nothing was found out.
    pub fn without(state: State, why: impl Into<String>) -> Self {
        Self {
            state,
            why: why.into(),
            found: Outputs::new(),
        }
    }

    /// Texts in a list that was found.
    pub fn listed(&self, name: &str) -> Vec<&str> {
        let list = self.found.get(name).and_then(|value| value.as_array());
        list.into_iter()
            .flatten()
            .filter_map(|item| item.as_str())
            .collect()
    }
}

/// From a run; nothing where the plan builds no generation from a backup.
pub fn told(plan: &Plan, records: &[Record], outcome: &Outcome) -> Option<FirstBackup> {
    if plan.backup.is_none() || !matches!(plan.scenario, Scenario::FullLoss | Scenario::Breach) {
        return None;
    }
    let step = plan
        .steps
        .iter()
        .find(|step| step.address.qualified_kind() == KIND);
    let Some(step) = step else {
        let of_kind = |address: &planner::Address| address.qualified_kind() == KIND;
        return Some(if plan.unchanged.iter().any(of_kind) {
            FirstBackup::without(State::Taken, "an earlier run took it")
        } else if plan.target.generation.is_drill() {
            FirstBackup::without(
                State::Open,
                "a drill takes none: it would stand among the real ones",
            )
        } else {
            FirstBackup::without(
                State::Open,
                "the environment does not say how one is taken (`backups.first`), so nothing took one",
            )
        });
    };
    let done = records.iter().rev().find_map(|record| match &record.entry {
        Entry::Done {
            step: id, outputs, ..
        } if *id == step.id => Some(outputs.clone()),
        _ => None,
    });
    if let Some(found) = done {
        return Some(FirstBackup {
            state: State::Taken,
            why: String::new(),
            found,
        });
    }
    let failed = outcome
        .failures
        .iter()
        .find(|failure| failure.step == step.id);
    Some(match failed {
        Some(failure) => FirstBackup::without(State::Failed, failure.why.clone()),
        None => FirstBackup::without(State::Open, "the run did not come so far"),
    })
}
