//! An account, region, cluster or Vault other than the environment's own.

use super::{CheckInput, finding};
use crate::finding::{Finding, Severity};

/// `place.wrong`, `place.unconfirmed`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (place, expected) in &input.target.places {
        match input.actual.get(place) {
            Some(actual) if actual == expected => {}
            Some(actual) => findings.push(finding(
                Severity::Error,
                "place.wrong",
                place,
                format!("the environment belongs to `{expected}`, but this is `{actual}`"),
                "use the credentials and the context of the environment",
            )),
            None => findings.push(finding(
                Severity::Note,
                "place.unconfirmed",
                place,
                format!("the environment belongs to `{expected}`; where this is was not asked"),
                "apply asks before it changes anything",
            )),
        }
    }
    findings
}
