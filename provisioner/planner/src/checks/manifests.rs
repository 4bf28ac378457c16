//! Kubernetes objects, by the rules of the crate `manifest`.

use serde_json::Value;

use super::CheckInput;
use crate::finding::Finding;
use crate::resource::Resource;

/// Every code of [`manifest::Code`], its subject being the object's address.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let resources: Vec<&Resource> = input
        .desired
        .iter()
        .copied()
        .filter(|resource| resource.address.provider() == "kubernetes")
        .collect();
    let objects: Vec<&Value> = resources
        .iter()
        .map(|resource| &resource.spec["object"])
        .collect();
    manifest::check(&objects, &input.policy.manifests)
        .into_iter()
        .filter_map(|found| {
            Some(Finding {
                severity: found.severity,
                code: found.code.as_str().to_owned(),
                subject: resources.get(found.index)?.address.to_string(),
                message: found.to_string(),
                hint: found.hint,
            })
        })
        .collect()
}
