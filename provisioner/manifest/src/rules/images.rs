//! Container images that a tag names, so that what runs can change without a plan.

use std::collections::HashSet;

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::{Object, text};
use crate::path::{Path, Step, written};
use crate::text::quoted;

/// Nothing of Kubernetes lies deeper, and a stack is finite.
const DEEPEST: usize = 100;

/// Containers are looked for at any depth, so that those of custom resources (a Rollout, say) are found too.
pub(super) fn check(object: &Object<'_>, findings: &mut Findings<'_>) {
    let mut found = Vec::new();
    walk(object.value, &mut Path::new(), &mut found);
    let mut told = HashSet::new();
    for (image, container, path) in found {
        if told.insert(image) {
            let spot = Spot { path, container };
            let message = format!("its image `{}` has no digest", quoted(image));
            findings.add(object, Code::ImageWithoutDigest, spot, message);
        }
    }
}

fn has_digest(image: &str) -> bool {
    image.rsplit_once("@sha256:").is_some_and(|(_, digest)| {
        digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

type Found<'a> = (&'a str, Option<&'a str>, String);

fn walk<'a>(value: &'a Value, path: &mut Path<'a>, found: &mut Vec<Found<'a>>) {
    if path.len() >= DEEPEST {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push(Step::Field(key));
                if matches!(
                    key.as_str(),
                    "containers" | "initContainers" | "ephemeralContainers"
                ) {
                    containers(value, path, found);
                } else {
                    walk(value, path, found);
                }
                path.pop();
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                path.push(Step::Element(at));
                walk(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn containers<'a>(value: &'a Value, path: &mut Path<'a>, found: &mut Vec<Found<'a>>) {
    for (at, container) in value.as_array().into_iter().flatten().enumerate() {
        let image = container.get("image").and_then(Value::as_str);
        let Some(image) = image.filter(|image| !has_digest(image)) else {
            continue;
        };
        path.extend([Step::Element(at), Step::Field("image")]);
        found.push((image, text(container, "name"), written(path)));
        path.truncate(path.len() - 2);
    }
}
