//! Whether objects have the form that the API server takes.
//!
//! Built-in kinds are held against the published types of one release of Kubernetes, custom resources against the definition in the same
//! set. The form is checked, not what only the server's own code knows (that a selector matches its template, say).
//!
//! The types are a table rather than those of `k8s-openapi`: deserialising into these stops at the first fault, can't tell a field that is
//! required from one that Rust gives a default, knows no enumeration and no list's keys, and has to be written out kind by kind.
//! Definitions of custom resources are followed by hand rather than by a JSON Schema library, because what makes a field unknown is the
//! server's pruning (`x-kubernetes-*`), which is no part of JSON Schema, and because patterns of others are not run.

mod builtin;
mod custom;
mod faults;
mod table;
mod values;

use std::collections::{HashMap, HashSet};

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::Object;
use crate::rules::lifecycle::{self, Version};
use crate::text::quoted;
use custom::Definitions;
use faults::Faults;
use table::Table;

/// The release of Kubernetes whose types are built in.
pub const VERSION: Version = Version {
    major: 1,
    minor: 37,
};

/// Checks the form of every object.
pub(crate) fn check(objects: &[Object<'_>], findings: &mut Findings<'_>) {
    let table = Table::built_in();
    let definitions = Definitions::of(objects);
    let mut skipped: HashMap<(&str, &str), (&Object<'_>, usize)> = HashMap::new();
    let mut order = Vec::new();
    let mut nowhere = HashSet::new();
    for object in objects {
        if !named(object, findings) {
            continue;
        }
        let mut faults = Faults::new(object, findings);
        if let Some(definition) = table.kind(object.api_version, object.kind) {
            builtin::check(table, definition, &mut faults);
        } else if table.has_group(object.group()) {
            if !lifecycle::is_listed(object.api_version, object.kind) {
                let versions: Vec<&str> = table.versions(object.kind).into_iter().collect();
                faults.unknown_kind(&versions, &table.names(object.group()));
            }
        } else if let Some(definition) = definitions.of_kind(object.group(), object.kind) {
            custom::check(table, definition, object.version(), &mut faults);
        } else {
            builtin::check_metadata(table, &mut faults);
            let key = (object.api_version, object.kind);
            if nowhere.insert(key) {
                order.push(key);
            }
            skipped.entry(key).or_insert((object, 0)).1 += 1;
        }
    }
    for key in order {
        let Some((first, count)) = skipped.get(&key) else {
            continue;
        };
        let (api_version, kind) = key;
        let others = match count - 1 {
            0 => String::new(),
            1 => ", nor those of another".to_owned(),
            many => format!(", nor those of {many} others"),
        };
        findings.add(
            first,
            Code::NotChecked,
            Spot::default(),
            format!(
                "no definition of `{} {}` is here, so its fields were not checked{others}",
                quoted(api_version),
                quoted(kind)
            ),
        );
    }
}

/// Whether the object says what it is.
fn named(object: &Object<'_>, findings: &mut Findings<'_>) -> bool {
    let mut whole = true;
    for (field, value) in [
        ("apiVersion", object.api_version),
        ("kind", object.kind),
        ("metadata.name", object.name),
    ] {
        if value.is_empty() {
            whole = false;
            let message = format!("it has no `{field}`");
            findings.add(object, Code::MissingField, Spot::at(field), message);
        }
    }
    whole
}
