//! The newest backup that is known good, and what speaks against every newer one.

use backup::catalogue::{Evidence, KnownGood, Lock, LockNeed, Policy, known_good};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};

use super::budget::Budget;
use super::survey::Survey;
use crate::failure::Failure;
use crate::printer::Printer;

/// Questions about locks under way at once.
const AT_ONCE: usize = 8;

/// What was chosen.
pub struct Choice {
    /// By position.
    pub found: KnownGood,
    /// What was asked for.
    pub policy: Policy,
    /// Locks, by position.
    pub locks: Vec<Lock>,
}

/// The policy of an environment for an incident.
pub fn policy(before: Timestamp, dwell: SignedDuration, lock: LockNeed, now: Timestamp) -> Policy {
    Policy {
        lock,
        ..Policy::strict(before, dwell, now)
    }
}

/// Reads what is not known yet, compares, and chooses.
pub async fn choose(
    survey: &mut Survey,
    policy: Policy,
    budget: Budget,
    printer: &Printer,
) -> Result<Choice, Failure> {
    choose_among(survey, policy, budget, printer, |_, _| true).await
}

/// As [`choose`], but the newest that `fits` says yes to, once all of them were read. What does not fit is compared with the others
/// nevertheless.
pub async fn choose_among(
    survey: &mut Survey,
    mut policy: Policy,
    budget: Budget,
    printer: &Printer,
    fits: impl Fn(&Survey, usize) -> bool,
) -> Result<Choice, Failure> {
    let unread = survey.unread();
    let many = unread.len();
    let mut done = 0;
    let failures = survey
        .read(unread, budget, &mut |candidate, outcome| {
            done += 1;
            let word = match outcome {
                Ok(word) => word.as_str(),
                Err(_) => "could not be read",
            };
            printer.note(&format!("{done:>5} of {many}  {}: {word}", candidate.id()));
        })
        .await?;
    for (_, failure) in &failures {
        printer.warn(&failure.line());
    }
    let lineage = survey.lineage().await?;
    let locks = locks(survey).await?;
    let evidence: Vec<Evidence<'_>> = survey
        .sources
        .listed
        .iter()
        .enumerate()
        .map(|(position, listed)| Evidence {
            candidate: &listed.candidate,
            lock: locks[position],
            record: survey.record(position),
            standing: survey.standing(&lineage, position),
        })
        .collect();
    let mut found = known_good(&evidence, &policy);
    while let Some(chosen) = found.chosen
        && !fits(survey, chosen)
    {
        policy.before = survey.sources.candidate(chosen).last_modified;
        policy.dwell = SignedDuration::ZERO;
        found = known_good(&evidence, &policy);
    }
    Ok(Choice {
        found,
        policy,
        locks,
    })
}

/// How every listed version is held, by position.
pub async fn locks(survey: &Survey) -> Result<Vec<Lock>, Failure> {
    let asked = survey.sources.listed.iter().map(|listed| async move {
        let (place, candidate) = (&survey.sources.places[listed.place], &listed.candidate);
        let seen = place
            .look(&candidate.key, candidate.version_id.as_deref())
            .await?;
        // Gone since it was listed: nothing holds it.
        Ok(seen.map_or(Lock::None, |(_, lock)| lock))
    });
    futures::stream::iter(asked)
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await
        .into_iter()
        .collect()
}
