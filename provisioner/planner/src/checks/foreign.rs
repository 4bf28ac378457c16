//! Objects that stand where ours would go and are not ours.

use std::collections::BTreeSet;

use super::{CheckInput, finding};
use crate::finding::{Finding, Severity};

/// `object.foreign`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let wanted: BTreeSet<_> = input
        .desired
        .iter()
        .map(|resource| &resource.address)
        .collect();
    input
        .inventory
        .foreign
        .iter()
        .filter(|foreign| wanted.contains(&foreign.address))
        .map(|foreign| {
            finding(
                Severity::Error,
                "object.foreign",
                &foreign.address,
                format!(
                    "`{}` is in its place and is not ours: {}",
                    foreign.id, foreign.why
                ),
                "rename or remove it yourself, or use another generation; it is never touched",
            )
        })
        .collect()
}
