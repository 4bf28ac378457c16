//! What somebody changed in the generations that are not trusted: how they differ from what the environment wants of them.

use planner::{Action, Finding, Generation, Inventory, Rotate, Severity, Step};
use serde_json::Value;

use super::Known;
use crate::failure::Failure;
use crate::prepare::{self, Recorded};
use crate::session::Blueprint;

/// Characters of a value that are shown.
const SHOWN: usize = 160;
/// Differences of one object that are told.
const MOST: usize = 20;

/// One note for each object that is not as its generation was built. A change of the templates since then shows up too: a person has to
/// tell the one from the other.
pub fn changed(
    blueprint: &Blueprint,
    inventory: &Inventory,
    (places, now): (&std::collections::BTreeMap<String, String>, jiff::Timestamp),
    generations: &[Generation],
) -> Result<Vec<Finding>, Failure> {
    let mut found = Vec::new();
    for generation in generations {
        let seen = Recorded {
            now,
            places: places.clone(),
            inventory: inventory.clone(),
            generation: generation.clone(),
            backup: prepare::seeded(inventory, generation).and_then(prepare::own_pin),
            known: Known::default(),
        };
        let plan = blueprint.plan(&seen, Rotate::None)?;
        found.extend(
            plan.steps
                .iter()
                .filter(|step| matches!(step.action, Action::Update | Action::Replace))
                .filter_map(|step| note(generation, step)),
        );
    }
    Ok(found)
}

fn note(generation: &Generation, step: &Step) -> Option<Finding> {
    let changes: Vec<String> = step
        .changes
        .iter()
        .take(MOST)
        .map(|change| {
            format!(
                "`{}` is {}, and was to be {}",
                change.path,
                shown(change.before.as_ref()),
                shown(change.after.as_ref())
            )
        })
        .collect();
    if changes.is_empty() {
        return None;
    }
    Some(Finding {
        severity: Severity::Note,
        code: "breach.changed".to_owned(),
        subject: format!("{} of {generation}", step.address),
        message: changes.join("; "),
        hint: String::new(),
    })
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
