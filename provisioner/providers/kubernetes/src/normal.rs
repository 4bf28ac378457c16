//! Live objects as specs, and specs as what is applied.

use std::collections::{BTreeMap, BTreeSet};

use planner::identity::labels;
use planner::kinds::seed::SecretField;
use planner::observed::{APPLIED, ENDING};
use planner::reference::Outputs;
use planner::{Address, Generation, Observed};
use serde_json::{Map, Value, json};

use crate::kstatus::{self, Status};
use crate::owned;

/// Annotation: which keys of a Secret come from where in Vault, as JSON.
pub(crate) const SECRETS: &str = "rebuild.dev/secrets";
/// Annotation that `kubectl` leaves; it may hold a Secret's values.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// A label or annotation: their names hold slashes, which a JSON pointer would split.
pub(crate) fn mark<'a>(object: &'a Value, map: &str, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(name)?.as_str()
}

pub(crate) fn is_of(object: &Value, environment: &str, generation: &Generation) -> bool {
    mark(object, "labels", labels::ENVIRONMENT) == Some(environment)
        && mark(object, "labels", labels::GENERATION) == Some(generation.as_str())
}

pub(crate) fn outputs(object: &Value) -> Outputs {
    ["name", "namespace"]
        .iter()
        .filter_map(|field| {
            Some((
                (*field).to_owned(),
                object.get("metadata")?.get(*field)?.clone(),
            ))
        })
        .chain([("id".to_owned(), json!(text(object, "/metadata/uid")))])
        .collect()
}

/// The object our marks speak of; `None` for one without them.
pub(crate) fn observed(live: &Value) -> Option<Observed> {
    let address: Address = mark(live, "annotations", labels::ADDRESS)?.parse().ok()?;
    let generation: Generation = mark(live, "labels", labels::GENERATION)?.parse().ok()?;
    let environment = mark(live, "labels", labels::ENVIRONMENT)?.to_owned();
    let secrets: BTreeMap<String, SecretField> = mark(live, "annotations", SECRETS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut spec = json!({"object": stripped(live)});
    if let Some(mut applied) = owned::applied(live) {
        applied["kind"] = live["kind"].clone();
        spec[APPLIED] = stripped(&applied);
    }
    if !secrets.is_empty() {
        spec["secrets"] = json!(secrets);
    }
    let mut marks = BTreeMap::from([("environment".to_owned(), environment)]);
    let others = other_managers(live);
    if !others.is_empty() {
        marks.insert(planner::observed::OTHER_MANAGERS.to_owned(), others);
    }
    let status = kstatus::status(live);
    if status == Status::Terminating {
        marks.insert(ENDING.to_owned(), "being deleted".to_owned());
    }
    Some(Observed {
        address,
        generation,
        id: text(live, "/metadata/uid").to_owned(),
        spec,
        outputs: outputs(live),
        digest: mark(live, "annotations", labels::DIGEST).map(str::to_owned),
        ready: status == Status::Current,
        marks,
    })
}

/// Marks what stands in a namespace that is being deleted: it goes with it.
pub(crate) fn mark_ending(objects: &mut [Observed]) {
    let namespaces: BTreeSet<String> = objects
        .iter()
        .filter(|object| object.address.kind() == "Namespace" && object.marks.contains_key(ENDING))
        .map(|object| object.address.name().to_owned())
        .collect();
    for object in objects {
        let namespace = text(&object.spec, "/object/metadata/namespace");
        if namespaces.contains(namespace) {
            object.marks.insert(
                ENDING.to_owned(),
                "its namespace is being deleted".to_owned(),
            );
        }
    }
}

/// Who else writes fields of it, beside the cluster's own controllers (Kubernetes API, `ManagedFieldsEntry`).
fn other_managers(live: &Value) -> String {
    let entries = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let mut names: Vec<&str> = entries
        .into_iter()
        .flatten()
        .filter(|entry| text(entry, "/subresource") != "status")
        .map(|entry| text(entry, "/manager"))
        .filter(|name| *name != labels::FIELD_MANAGER && !name.starts_with("kube-"))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// Without what the server keeps for itself, our marks, and a Secret's values.
fn stripped(live: &Value) -> Value {
    let mut object = live.clone();
    let secret = text(&object, "/kind") == "Secret";
    let Some(map) = object.as_object_mut() else {
        return object;
    };
    map.remove("status");
    if secret {
        map.remove("data");
        map.remove("stringData");
    }
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
        ] {
            metadata.remove(field);
        }
        for field in ["labels", "annotations"] {
            if let Some(marks) = metadata.get_mut(field).and_then(Value::as_object_mut) {
                for name in [
                    labels::ENVIRONMENT,
                    labels::GENERATION,
                    labels::ADDRESS,
                    labels::DIGEST,
                    SECRETS,
                    LAST_APPLIED,
                ] {
                    marks.remove(name);
                }
                if marks.is_empty() {
                    metadata.remove(field);
                }
            }
        }
    }
    object
}

/// What is applied: the declared object with our marks.
pub(crate) fn marked(
    declared: &Value,
    environment: &str,
    generation: &Generation,
    address: &Address,
    digest: &str,
    secrets: &BTreeMap<String, SecretField>,
) -> Option<Value> {
    let mut object = declared.clone();
    let map = object.as_object_mut()?;
    map.remove("status");
    let metadata = map.get_mut("metadata")?.as_object_mut()?;
    let mut annotations = vec![
        (labels::ADDRESS, address.to_string()),
        (labels::DIGEST, digest.to_owned()),
    ];
    if !secrets.is_empty() {
        annotations.push((SECRETS, planner::canonical::text(&json!(secrets))));
    }
    let labelled = vec![
        (labels::ENVIRONMENT, environment.to_owned()),
        (labels::GENERATION, generation.to_string()),
    ];
    for (field, marks) in [("labels", labelled), ("annotations", annotations)] {
        let entry = metadata.entry(field).or_insert(Value::Null);
        if entry.is_null() {
            *entry = Value::Object(Map::new());
        }
        let entry = entry.as_object_mut()?;
        entry.extend(
            marks
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Value::from(value))),
        );
    }
    Some(object)
}
