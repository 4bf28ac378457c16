//! What this machine's run records teach: the last run, and how long each kind of step takes. A guess, never a truth.

use std::collections::{BTreeMap, HashMap};

use executor::{Entry, Runs, Status};
use planner::{Action, Generation};

use crate::failure::Failure;
use crate::paths;

/// Runs that estimates are made from.
const RECENT: usize = 20;

/// The newest run of an environment.
pub struct Last {
    /// Its generation.
    pub generation: Generation,
    /// It builds, and is not complete.
    pub begun: bool,
}

/// The newest run of an environment that can be read.
pub fn last(environment: &str) -> Result<Option<Last>, Failure> {
    let newest = listed(environment)?
        .into_iter()
        .rev()
        .find_map(|(_, summary)| summary.ok());
    Ok(newest.map(|summary| {
        let builds = summary.run.plan().is_ok_and(|plan| {
            plan.steps
                .iter()
                .any(|step| matches!(step.action, Action::Create | Action::Seed))
        });
        Last {
            begun: builds && !matches!(summary.status, Status::Complete | Status::Empty),
            generation: summary.generation,
        }
    }))
}

/// Median seconds by `PROVIDER.KIND` over the newest runs, rounded up. A step that was cut short or failed teaches nothing.
pub fn medians(environment: &str) -> Result<BTreeMap<String, u32>, Failure> {
    let mut taken: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (run, _) in listed(environment)?.into_iter().rev().take(RECENT) {
        let (Ok(plan), Ok(journal)) = (run.plan(), executor::journal::read(&run.journal_path()))
        else {
            continue;
        };
        let kinds: HashMap<&str, String> = plan
            .steps
            .iter()
            .filter(|step| !matches!(step.action, Action::Delete | Action::Open))
            .map(|step| (step.id.as_str(), step.address.qualified_kind()))
            .collect();
        let mut began = HashMap::new();
        for record in &journal.records {
            match &record.entry {
                Entry::Started { step } => {
                    began.insert(step.as_str(), record.at);
                }
                Entry::Resumed {} => began.clear(),
                Entry::Done { step, .. } => {
                    if let (Some(start), Some(kind)) =
                        (began.remove(step.as_str()), kinds.get(step.as_str()))
                    {
                        let millis = record.at.as_millisecond() - start.as_millisecond();
                        let seconds = u32::try_from(millis.max(1).div_euclid(1000) + 1);
                        taken
                            .entry(kind.clone())
                            .or_default()
                            .push(seconds.unwrap_or(u32::MAX));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(taken
        .into_iter()
        .filter_map(|(kind, mut seconds)| {
            seconds.sort_unstable();
            let middle = seconds.get(seconds.len() / 2).copied()?;
            Some((kind, middle))
        })
        .collect())
}

fn listed(environment: &str) -> Result<Vec<executor::runs::Listed>, Failure> {
    Runs::new(paths::runs(environment)?)
        .list()
        .map_err(|error| {
            Failure::of("the run records can't be read", &error)
                .hint("make the state folder readable (XDG_STATE_HOME)")
        })
}
