//! One wanted resource against the object that is there.

use serde_json::{Map, Value};

use crate::address::Address;
use crate::canonical;
use crate::diff::{self, Volatile};
use crate::kind::Kind;
use crate::live;
use crate::observed::{APPLIED, Observed};
use crate::plan::FieldChange;

/// The reason of a step that only waits for what is there.
pub(crate) const UNREADY: &str = "it is not ready yet";

/// Fields that hold policy documents, compared in [`diff::policy_form`].
const DOCUMENTS: &[&str] = &["trust", "document", "policy"];

/// The digest mark of a spec in address form: of its opaque fields, of all of it for Kubernetes, empty for a kind that can be read back.
pub fn mark_digest(kind: &Kind, address: &Address, spec: &Value) -> String {
    if address.provider() == "kubernetes" {
        return canonical::digest(spec);
    }
    if kind.opaque.is_empty() {
        return String::new();
    }
    let fields: Map<String, Value> = kind
        .opaque
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), spec.get(*field)?.clone())))
        .collect();
    canonical::digest(&Value::Object(fields))
}

/// What differs.
pub(crate) struct Comparison {
    pub changes: Vec<FieldChange>,
    /// Why, where the changes don't say.
    pub reason: String,
}

impl Comparison {
    pub fn is_same(&self) -> bool {
        self.changes.is_empty() && self.reason.is_empty()
    }

    pub fn replaces(&self) -> bool {
        self.changes.iter().any(|change| change.forces_replacement)
    }
}

/// Compares; `declared` is in address form, `resolved` has every known value filled in.
pub(crate) fn compare(
    kind: &Kind,
    declared: &Value,
    resolved: &Value,
    observed: &Observed,
    volatile: Volatile<'_>,
) -> Comparison {
    let digest = mark_digest(kind, &observed.address, declared);
    if observed.address.provider() == "kubernetes" {
        return kubernetes(resolved, observed, &digest);
    }
    let empty = Map::new();
    let wanted = resolved.as_object().unwrap_or(&empty);
    let found = observed.spec.as_object().unwrap_or(&empty);
    let marked = kind.opaque.is_empty() || observed.digest.as_deref() == Some(digest.as_str());
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut changes = Vec::new();
    for name in names {
        let before = changes.len();
        match (wanted.get(name), found.get(name)) {
            (Some(wanted), None) if kind.opaque.contains(&name.as_str()) => {
                let renewed = crate::reference::references(wanted).iter().any(volatile);
                if !marked || renewed {
                    changes.push(FieldChange {
                        path: name.clone(),
                        before: None,
                        after: Some(wanted.clone()),
                        forces_replacement: false,
                    });
                }
            }
            (Some(Value::Array(wanted)), Some(Value::Array(found)))
                if kind.sets.contains(&name.as_str()) =>
            {
                diff::sets(name, found, wanted, volatile, &mut changes)
            }
            (Some(wanted), Some(found))
                if DOCUMENTS.contains(&name.as_str())
                    && diff::same(
                        &diff::policy_form(wanted),
                        &diff::policy_form(found),
                        volatile,
                    ) => {}
            (Some(wanted), None) => match default_of(kind, resolved, name) {
                Absent::Default(default) => {
                    diff::fields(name, default.as_ref(), Some(wanted), volatile, &mut changes)
                }
                Absent::Unreadable if crate::reference::references(wanted).iter().any(volatile) => {
                    diff::fields(name, None, Some(wanted), volatile, &mut changes);
                }
                Absent::Unreadable => {}
            },
            (wanted, found) => diff::fields(name, found, wanted, volatile, &mut changes),
        }
        if !kind.in_place.contains(&name.as_str()) {
            changes[before..]
                .iter_mut()
                .for_each(|change| change.forces_replacement = true);
        }
    }
    let unready = if observed.ready {
        String::new()
    } else {
        UNREADY.to_owned()
    };
    Comparison {
        changes,
        reason: unready,
    }
}

/// What it means that a field is absent from what was observed.
enum Absent {
    /// It may be left out, and then has this value or none.
    Default(Option<Value>),
    /// It must be there, so the provider can't read it back. With no digest to compare, it counts as unchanged.
    Unreadable,
}

fn default_of(kind: &Kind, resolved: &Value, name: &str) -> Absent {
    let mut without = resolved.clone();
    if let Some(fields) = without.as_object_mut() {
        fields.remove(name);
    }
    match (kind.normalize)(&without) {
        Ok(normal) => Absent::Default(normal.get(name).cloned()),
        Err(_) => Absent::Unreadable,
    }
}

fn kubernetes(resolved: &Value, observed: &Observed, digest: &str) -> Comparison {
    let part = |of: &'_ Value, name: &str| of.get(name).cloned().unwrap_or(Value::Null);
    let (declared, found) = (part(resolved, "object"), part(&observed.spec, "object"));
    let mut changes = live::compare(&declared, &found);
    let differs = observed.digest.as_deref() != Some(digest);
    let mut places = None;
    if differs {
        changes.extend(live::removed(
            &declared,
            &part(&observed.spec, APPLIED),
            &found,
        ));
        let (before, after) = (observed.spec.get("secrets"), resolved.get("secrets"));
        places = (before != after).then(|| FieldChange {
            path: "secrets".to_owned(),
            before: before.cloned(),
            after: after.cloned(),
            forces_replacement: live::is_sealed(&found),
        });
    }
    let reason = if differs && changes.is_empty() && places.is_none() {
        "what is declared is not what was applied last"
    } else if !observed.ready {
        UNREADY
    } else {
        ""
    };
    let changes = changes
        .into_iter()
        .map(|change| FieldChange {
            path: format!("object.{}", change.path),
            ..change
        })
        .chain(places)
        .collect();
    Comparison {
        changes,
        reason: reason.to_owned(),
    }
}
