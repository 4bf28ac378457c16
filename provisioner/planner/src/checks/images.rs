//! Container images that a tag names, so that what runs can change without a plan.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CheckInput, finding};
use crate::finding::Finding;

/// `image.without-digest`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for resource in input
        .desired
        .iter()
        .filter(|resource| resource.address.provider() == "kubernetes")
    {
        let mut images = BTreeSet::new();
        walk(&resource.spec["object"], &mut images);
        for image in images.into_iter().filter(|image| !has_digest(image)) {
            findings.push(finding(
                input.policy.image_digests,
                "image.without-digest",
                &resource.address,
                format!("its image `{image}` has no digest"),
                "pin it as NAME@sha256:DIGEST",
            ));
        }
    }
    findings
}

fn has_digest(image: &str) -> bool {
    image.rsplit_once("@sha256:").is_some_and(|(_, digest)| {
        digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// Containers stand at different depths: in a pod, a workload's template, a cron job's job's template.
fn walk<'a>(value: &'a Value, images: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if matches!(
                    key.as_str(),
                    "containers" | "initContainers" | "ephemeralContainers"
                ) {
                    images.extend(
                        value
                            .as_array()
                            .into_iter()
                            .flatten()
                            .filter_map(|container| container.get("image")?.as_str()),
                    );
                } else {
                    walk(value, images);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, images)),
        _ => {}
    }
}
