//! Checks of a plan: each looks at everything and remarks on one thing.

pub mod addresses;
pub mod backup;
pub mod foreign;
pub mod ingress;
pub mod locks;
pub mod manifests;
pub mod networks;
pub mod places;
pub mod references;
pub mod time;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::finding::{Finding, Severity};
use crate::observed::Inventory;
use crate::plan::{Estimates, PinnedBackup, Step, Target};
use crate::planning::Policy;
use crate::resource::Resource;

/// What the checks look at.
pub struct CheckInput<'a> {
    /// The wanted resources in normal form, sorted by address.
    pub desired: &'a [&'a Resource],
    /// What is there.
    pub inventory: &'a Inventory,
    /// What is built; its places are the expected ones.
    pub target: &'a Target,
    /// The places the providers found themselves at.
    pub actual: &'a BTreeMap<String, String>,
    /// The pinned backup.
    pub backup: Option<&'a PinnedBackup>,
    /// The time of planning.
    pub created: Timestamp,
    /// What is allowed, and the objectives.
    pub policy: &'a Policy,
    /// What it will take.
    pub estimates: &'a Estimates,
    /// What will be done.
    pub steps: &'a [Step],
}

/// Every check.
pub fn all(input: &CheckInput<'_>) -> Vec<Finding> {
    let checks: [fn(&CheckInput<'_>) -> Vec<Finding>; 10] = [
        networks::check,
        addresses::check,
        ingress::check,
        manifests::check,
        backup::check,
        time::check,
        places::check,
        references::check,
        foreign::check,
        locks::check,
    ];
    checks.iter().flat_map(|check| check(input)).collect()
}

pub(crate) fn finding(
    severity: Severity,
    code: &str,
    subject: impl ToString,
    message: String,
    hint: &str,
) -> Finding {
    Finding {
        severity,
        code: code.to_owned(),
        subject: subject.to_string(),
        message,
        hint: hint.to_owned(),
    }
}

/// The wanted resources of one kind.
pub(crate) fn of_kind<'a>(
    input: &'a CheckInput<'_>,
    kind: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    input
        .desired
        .iter()
        .copied()
        .filter(move |resource| resource.address.qualified_kind() == kind)
}
