//! Literal ids of things that are not this generation's: nothing new points at the old.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{CheckInput, finding};
use crate::finding::{Finding, Severity};

/// Prefixes of EC2 ids. Images are not among them: they are chosen from elsewhere.
const PREFIXES: &[&str] = &[
    "vpc-",
    "subnet-",
    "sg-",
    "igw-",
    "nat-",
    "rtb-",
    "acl-",
    "eipalloc-",
    "i-",
    "vol-",
    "lt-",
    "key-",
    "eni-",
    "vpce-",
    "tgw-",
    "pcx-",
    "snap-",
    "dopt-",
];

/// `reference.not-ours`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let ours: HashSet<&str> = input
        .inventory
        .objects
        .iter()
        .filter(|object| object.generation == input.target.generation)
        .map(|object| object.id.as_str())
        .collect();
    let mut findings = Vec::new();
    for resource in input.desired {
        let mut ids = BTreeSet::new();
        walk(&resource.spec, &mut ids);
        for id in ids.into_iter().filter(|id| !ours.contains(id)) {
            findings.push(finding(
                Severity::Error,
                "reference.not-ours",
                &resource.address,
                format!("it names `{id}`, which is not of this generation"),
                "refer to a declared resource: {ref: ADDRESS}",
            ));
        }
    }
    findings
}

fn walk<'a>(value: &'a Value, ids: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) if is_id(text) => {
            ids.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, ids)),
        Value::Object(map) => map.values().for_each(|item| walk(item, ids)),
        _ => {}
    }
}

/// Eight hex digits (before 2016) or seventeen.
fn is_id(text: &str) -> bool {
    PREFIXES.iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest.len(), 8 | 17)
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    })
}
