//! Requests and limits of CPU and memory.

use std::collections::HashMap;

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::{Object, list};
use crate::text::quoted;
use crate::workload::Pod;

const RESOURCES: [&str; 2] = ["cpu", "memory"];

/// What LimitRanges give to containers that say nothing, by namespace: which of [`RESOURCES`] have a limit, and a request.
/// <https://kubernetes.io/docs/concepts/policy/limit-range/>
pub(super) struct Defaults<'a>(HashMap<&'a str, [[bool; 2]; 2]>);

impl<'a> Defaults<'a> {
    pub(super) fn of(objects: &[Object<'a>]) -> Self {
        let mut all: HashMap<&str, [[bool; 2]; 2]> = HashMap::new();
        for object in objects {
            if (object.group(), object.kind) != ("", "LimitRange") {
                continue;
            }
            let given = all.entry(object.home()).or_default();
            for (_, limit) in list(&object.value["spec"], "limits") {
                if limit["type"] != "Container" {
                    continue;
                }
                for (at, resource) in RESOURCES.into_iter().enumerate() {
                    // A maximum is the default where none is given, and a request is the limit where none is given.
                    given[0][at] |= has(limit, "default", resource) || has(limit, "max", resource);
                    given[1][at] |= given[0][at] || has(limit, "defaultRequest", resource);
                }
            }
        }
        Self(all)
    }
}

fn has(value: &Value, field: &str, resource: &str) -> bool {
    value
        .get(field)
        .and_then(|amounts| amounts.get(resource))
        .is_some_and(|amount| !amount.is_null())
}

pub(super) fn check(
    object: &Object<'_>,
    pod: &Pod<'_>,
    defaults: &Defaults<'_>,
    findings: &mut Findings<'_>,
) {
    let given = defaults.0.get(object.home()).copied().unwrap_or_default();
    let whole = &pod.spec["resources"];
    for container in pod.containers().filter(|one| !one.is_ephemeral()) {
        let own = &container.value["resources"];
        let has_limit =
            |resource: &str| has(own, "limits", resource) || has(whole, "limits", resource);
        let has_request = |resource: &str| {
            has_limit(resource)
                || has(own, "requests", resource)
                || has(whole, "requests", resource)
        };
        let missing = |given: [bool; 2], has: &dyn Fn(&str) -> bool| {
            let names: Vec<&str> = RESOURCES
                .into_iter()
                .zip(given)
                .filter(|(resource, given)| !given && !has(resource))
                .map(|(resource, _)| if resource == "cpu" { "CPU" } else { resource })
                .collect();
            names.join(" and ")
        };
        for (code, field, word, missing) in [
            (
                Code::WithoutLimits,
                "resources.limits",
                "has no limit of",
                missing(given[0], &has_limit),
            ),
            (
                Code::WithoutRequests,
                "resources.requests",
                "requests no",
                missing(given[1], &has_request),
            ),
        ] {
            if missing.is_empty() {
                continue;
            }
            let spot = Spot {
                path: container.at(field),
                container: Some(container.name),
            };
            let message = format!("container `{}` {word} {missing}", quoted(container.name));
            findings.add(object, code, spot, message);
        }
    }
}
