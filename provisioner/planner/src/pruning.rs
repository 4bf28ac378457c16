//! What of a cluster's objects that nothing declares any more may go, and what the inventory says once it is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::address::Address;
use crate::applyset::{self, Set};
use crate::canonical;
use crate::compare::mark_digest;
use crate::estimate;
use crate::finding::{Finding, Severity};
use crate::identity::{Generation, client_token};
use crate::kinds;
use crate::live;
use crate::observed::Observed;
use crate::plan::{Action, FieldChange, Step};
use crate::resource::Resource;

/// What decides over an object that nothing declares.
pub(crate) struct Pruning<'a> {
    /// Whether the environment allows it.
    pub allowed: bool,
    /// Whether this plan seeds, so that a generation is being built or rebuilt.
    pub rebuilds: bool,
    /// The sets that the cluster's inventories prove.
    pub sets: &'a [Set],
}

impl Pruning<'_> {
    /// Why the object stays; `None` when it goes.
    pub fn stays(&self, observed: &Observed) -> Option<Finding> {
        let kubernetes = observed.address.provider() == "kubernetes";
        let because = |code: &str, why: &str, hint: &str| {
            Some(Finding {
                severity: Severity::Note,
                code: code.to_owned(),
                subject: observed.address.to_string(),
                message: format!(
                    "it is there (`{}`) though nothing declares it; {why}",
                    observed.id
                ),
                hint: hint.to_owned(),
            })
        };
        if !matches!(observed.address.provider(), "kubernetes" | "seed") {
            return None;
        }
        if !self.allowed {
            return because(
                "object.not-wanted",
                "it stays",
                "allow pruning to have it deleted",
            );
        }
        if !kubernetes {
            return None;
        }
        if let Some(annotation) = applyset::kept_by(observed) {
            return because(
                "object.kept",
                &format!("it stays, as its annotation `{annotation}` asks for"),
                "delete it by hand when it is needed no more",
            );
        }
        if self.rebuilds {
            return because(
                "object.not-wanted",
                "it stays, since a rebuild prunes nothing",
                "plan again when the generation is complete",
            );
        }
        if !self.sets.iter().any(|set| set.proves(observed)) {
            return because(
                "object.not-in-inventory",
                "it stays, since the inventory does not prove it to be one of ours",
                "delete it by hand if nobody needs it",
            );
        }
        None
    }
}

/// The wanted parents, each listing what is there of its set too, so that nothing is lost sight of before it is pruned. Returns those
/// that this changed, as they were declared.
pub(crate) fn widen(
    desired: &mut BTreeMap<Address, Resource>,
    ours: &BTreeMap<&Address, Vec<&Observed>>,
) -> Vec<Resource> {
    let mut declared = Vec::new();
    for parent in desired
        .values_mut()
        .filter(|resource| applyset::is_parent(&resource.address))
    {
        let wide = applyset::with_members(parent, ours.values().flatten().copied());
        if wide != parent.spec {
            declared.push(parent.clone());
            parent.spec = wide;
        }
    }
    declared
}

/// Adds the steps that take out of the inventories what the plan prunes, each after what it is about.
pub(crate) fn narrow(
    steps: &mut Vec<Step>,
    declared: &[Resource],
    desired: &BTreeMap<Address, Resource>,
    ours: &BTreeMap<&Address, Vec<&Observed>>,
    (generation, medians): (&Generation, &BTreeMap<String, u32>),
) {
    let pruned: BTreeMap<&str, &str> = steps
        .iter()
        .filter(|step| step.action == Action::Delete && !desired.contains_key(&step.address))
        .filter_map(|step| Some((step.object.as_deref()?, step.id.as_str())))
        .collect();
    let mut more = Vec::new();
    for parent in declared {
        let there = ours
            .get(&parent.address)
            .and_then(|objects| objects.first());
        let (Some(there), Some(wide), Some(kind)) = (
            there,
            desired.get(&parent.address),
            kinds::of(&parent.address),
        ) else {
            continue;
        };
        let stay = ours
            .values()
            .flatten()
            .copied()
            .filter(|observed| !pruned.contains_key(observed.id.as_str()));
        let spec = applyset::with_members(parent, stay);
        if spec == wide.spec {
            continue;
        }
        let first: BTreeSet<String> = pruned
            .values()
            .copied()
            .chain(
                steps
                    .iter()
                    .filter(|step| step.address == parent.address)
                    .map(|step| step.id.as_str()),
            )
            .map(str::to_owned)
            .collect();
        let (seconds, calls) = estimate::cost(kind, &parent.address, Action::Update, medians);
        more.push(Step {
            id: format!("update {} after pruning", parent.address),
            action: Action::Update,
            address: parent.address.clone(),
            layer: kind.layer,
            depends_on: first.into_iter().collect(),
            changes: changes(&wide.spec, &spec),
            object: Some(there.id.clone()),
            token: client_token(generation, &parent.address, &canonical::digest(&spec)),
            digest: mark_digest(kind, &parent.address, &spec),
            spec,
            reason: "it lists what is pruned no more".to_owned(),
            seconds,
            calls,
        });
    }
    steps.extend(more);
}

fn changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let (before, after) = (&before["object"], &after["object"]);
    let mut changes = live::compare(after, before);
    changes.extend(live::removed(after, before, before));
    for change in &mut changes {
        change.path = format!("object.{}", change.path);
    }
    changes
}
