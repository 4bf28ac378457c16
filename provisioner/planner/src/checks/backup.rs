//! A backup older than the recovery point objective allows, or from the future.

use super::{CheckInput, finding};
use crate::duration::spoken;
use crate::finding::{Finding, Severity};
use crate::plan::Action;

/// Clocks that differ by this many seconds are no cause for alarm.
const SKEW: i64 = 300;

/// `backup.old`, `backup.future`, `backup.missing`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let Some(backup) = input.backup else {
        let seeds = input
            .desired
            .iter()
            .filter(|resource| resource.address.provider() == "seed");
        return seeds
            .map(|seed| {
                finding(
                    Severity::Error,
                    "backup.missing",
                    &seed.address,
                    "it is to be seeded, but no backup is pinned".to_owned(),
                    "name one with `--from-backup`",
                )
            })
            .collect();
    };
    let mut findings = Vec::new();
    if backup.written.as_second() > input.created.as_second().saturating_add(SKEW) {
        findings.push(finding(
            Severity::Warning,
            "backup.future",
            &backup.id,
            format!(
                "it says it was written at {}, later than now",
                backup.written
            ),
            "look at the clocks of this machine and of the one that wrote it",
        ));
    }
    let objective = input.policy.rpo_seconds;
    let age = input.estimates.rpo_seconds;
    // The pin of data that lives already only grows older.
    let seeds = input.steps.iter().any(|step| step.action == Action::Seed);
    if seeds && objective > 0 && age > objective {
        let severity = if input.policy.allow_old_backup {
            Severity::Warning
        } else {
            Severity::Error
        };
        findings.push(finding(
            severity,
            "backup.old",
            &backup.id,
            format!(
                "it is {} old; the recovery point objective is {}",
                spoken(age),
                spoken(objective)
            ),
            "choose a newer one, or allow an old one if what was written since may be lost",
        ));
    }
    for seed in input
        .desired
        .iter()
        .filter(|resource| resource.address.provider() == "seed")
    {
        if seed
            .spec
            .get("sha256")
            .and_then(|sha256| sha256.as_str())
            .is_some_and(|sha256| sha256 != backup.sha256)
        {
            findings.push(finding(
                Severity::Error,
                "backup.other-pin",
                &seed.address,
                format!(
                    "it is to be seeded from other bytes than those of `{}`",
                    backup.id
                ),
                "use the backup the generation was seeded from, or `--generation new`",
            ));
        }
    }
    findings
}
