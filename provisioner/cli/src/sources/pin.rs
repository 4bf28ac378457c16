//! From `--from-backup` to the one version a plan stands on: chosen, read once, compared with its neighbours. What is not
//! good is refused, and another one named.

use std::fmt::Write;

use backup::catalogue::{LockNeed, SelectError, Selector, select};
use backup::{Finding, Verdict, Word};
use environment::{Environment, Resolved};
use jiff::Timestamp;
use planner::plan::PinnedBackup;

use super::Pinned;
use super::budget::Budget;
use super::choose::{choose, policy};
use super::survey::Survey;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;

/// Backups stored before the chosen one that are read, when nothing is known of them, to compare it with.
const NEIGHBOURS: usize = 2;
/// Backups looked at to name another one instead of a bad one.
const TRIED: usize = 8;

/// Resolves and verifies; with a note on each newer backup that was passed over.
pub async fn pin(
    environment: &Environment,
    resolved: &Resolved,
    asked: &str,
    now: Timestamp,
    printer: &Printer,
) -> Result<(Pinned, Vec<planner::Finding>), Failure> {
    let selector: Selector = asked.parse().map_err(|error| {
        Failure::of(format!("`{asked}` names no backup"), &error).hint(
            "give an id, `latest`, `before:2026-11-20T14:00:00Z`, or `known-good:before=2026-11-20T14:00:00Z`",
        )
    })?;
    let mut survey = Survey::open(environment, resolved, now, printer).await?;
    let mut newer = Vec::new();
    let (chosen, until) = match &selector {
        Selector::KnownGood { before, dwell } => {
            let policy = policy(
                *before,
                *dwell,
                need(environment.document.backups.lock),
                now,
            );
            let choice = choose(&mut survey, policy, Budget::default(), printer).await?;
            let Some(chosen) = choice.found.chosen else {
                return Err(none_is_good(&survey, &choice.found.passed_over, asked));
            };
            for passed in &choice.found.passed_over {
                let reasons: Vec<String> = passed.reasons.iter().map(ToString::to_string).collect();
                let id = survey.sources.candidate(passed.candidate).id().to_string();
                let why = reasons.join("; ");
                printer.note(&format!("passed over {id}: {why}"));
                newer.push(planner::Finding {
                    severity: planner::Severity::Note,
                    code: "backup.passed-over".to_owned(),
                    subject: id,
                    message: format!("it is newer and was not taken: {why}"),
                    hint: String::new(),
                });
            }
            (chosen, Some(policy.cutoff()))
        }
        Selector::Before(time) => (selected(&survey, &selector, asked)?, Some(*time)),
        Selector::Latest | Selector::Id { .. } => (selected(&survey, &selector, asked)?, None),
    };
    let pinned = checked(&mut survey, chosen, until, printer).await?;
    Ok((pinned, newer))
}

/// How strong a lock an environment asks for.
pub fn need(lock: environment::schema::LockNeed) -> LockNeed {
    use environment::schema::LockNeed as Declared;
    match lock {
        Declared::None => LockNeed::None,
        Declared::Any => LockNeed::Any,
        Declared::Unshortenable => LockNeed::Unshortenable,
    }
}

/// The backup a selector means. Of the same backup at several places, the place named first in the environment is taken.
fn selected(survey: &Survey, selector: &Selector, asked: &str) -> Result<usize, Failure> {
    let mut best: Option<usize> = None;
    let mut last = None;
    for place in 0..survey.sources.places.len() {
        let (positions, candidates): (Vec<usize>, Vec<_>) = survey
            .sources
            .listed
            .iter()
            .enumerate()
            .filter(|(_, listed)| listed.place == place)
            .map(|(position, listed)| (position, listed.candidate.clone()))
            .unzip();
        match select(&candidates, selector) {
            Ok(found) => {
                let position = candidates
                    .iter()
                    .position(|candidate| candidate == found)
                    .map(|at| positions[at]);
                let taken = |position: usize| {
                    let candidate = survey.sources.candidate(position);
                    candidate.name().map(|name| name.taken)
                };
                best = match (best, position) {
                    (Some(best), Some(position)) if taken(position) > taken(best) => Some(position),
                    (None, position) => position,
                    (best, _) => best,
                };
                if matches!(selector, Selector::Id { .. }) {
                    break;
                }
            }
            Err(error) => last = Some(error),
        }
    }
    best.ok_or_else(|| {
        let failure = Failure::new(format!("no backup for `{asked}`"));
        match last {
            Some(error @ SelectError::Unknown { .. }) => {
                Failure::of(format!("no backup for `{asked}`"), &error)
                    .hint("`rebuild backups list` shows all; `latest` takes the newest")
            }
            Some(error) => Failure::of(format!("no backup for `{asked}`"), &error)
                .hint("look at the bucket and prefix in `backups.sources`"),
            None => failure.because("no source could be asked"),
        }
    })
}

/// Reads the chosen backup, from another place if its own fails, and holds it against the others.
async fn checked(
    survey: &mut Survey,
    chosen: usize,
    until: Option<Timestamp>,
    printer: &Printer,
) -> Result<Pinned, Failure> {
    let (position, mut verdict) = anywhere(survey, chosen, printer).await?;
    if verdict.verdict == Word::Intact {
        verdict.extend(held_against(survey, position, printer).await?);
    }
    if verdict.verdict != Word::Intact {
        let other = alternative(survey, position, until, printer).await?;
        return Err(refusal(survey, position, &verdict, other));
    }
    Ok(pinned(survey, position, verdict))
}

/// What the others say against a backup, those stored just before it at the least.
async fn held_against(
    survey: &mut Survey,
    position: usize,
    printer: &Printer,
) -> Result<Vec<Finding>, Failure> {
    let neighbours = neighbours(survey, position);
    let failures = survey
        .read(neighbours, Budget::default(), &mut |_, _| {})
        .await?;
    for (_, failure) in failures {
        printer.warn(&format!(
            "{}: {}; the backup was not compared with it",
            failure.message,
            failure.causes.join(": ")
        ));
    }
    let lineage = survey.lineage().await?;
    Ok(survey.against(&lineage, position))
}

/// Reads a backup; when that fails, its copies elsewhere.
async fn anywhere(
    survey: &mut Survey,
    chosen: usize,
    printer: &Printer,
) -> Result<(usize, Verdict), Failure> {
    let known = survey
        .record(chosen)
        .map(|record| (record.key.clone(), record.sha256.clone()));
    let failure = match survey.read_one(chosen).await {
        Ok(verdict) => {
            same(survey, chosen, &verdict)?;
            return Ok((chosen, verdict));
        }
        Err(failure) => failure,
    };
    let listed = &survey.sources.listed[chosen];
    let (key, size, place) = (
        listed.candidate.key.clone(),
        listed.candidate.size,
        listed.place,
    );
    for copy in survey.sources.copies(&key, size, place) {
        printer.warn(&format!(
            "{}: {}; taking the copy {}",
            failure.message,
            failure.causes.join(": "),
            survey.sources.candidate(copy).key
        ));
        let Ok(verdict) = survey.read_one(copy).await else {
            continue;
        };
        if let Some((key, sha256)) = &known
            && verdict.sha256 != *sha256
        {
            return Err(other_content(survey, copy, &verdict, key, sha256));
        }
        return Ok((copy, verdict));
    }
    Err(failure)
}

/// A copy is the backup only with the same bytes. What was ever read under the same name elsewhere says so, even while that
/// place does not answer.
fn same(survey: &Survey, position: usize, verdict: &Verdict) -> Result<(), Failure> {
    let candidate = survey.sources.candidate(position);
    let Some(name) = candidate.name() else {
        return Ok(());
    };
    let elsewhere = survey.memory.index.records().iter().find(|record| {
        record.key != candidate.key
            && backup::catalogue::BackupName::parse(&record.key).as_ref() == Some(&name)
            && record.sha256 != verdict.sha256
    });
    match elsewhere {
        Some(record) => Err(other_content(
            survey,
            position,
            verdict,
            &record.key,
            &record.sha256,
        )),
        None => Ok(()),
    }
}

fn other_content(
    survey: &Survey,
    position: usize,
    verdict: &Verdict,
    key: &str,
    sha256: &str,
) -> Failure {
    Failure::new(format!(
        "{} is not what is known as the same backup",
        survey.sources.candidate(position).key
    ))
    .because(format!(
        "it has the SHA-256 {}, {key} had {sha256}",
        verdict.sha256
    ))
    .hint("one of the two was replaced: find out which before relying on either")
    .exit(Exit::Rejected)
}

/// The backups stored last before this one, of which nothing is known yet.
fn neighbours(survey: &Survey, position: usize) -> Vec<usize> {
    let chosen = survey.sources.candidate(position);
    let mut earlier: Vec<usize> = (0..survey.sources.listed.len())
        .filter(|&other| {
            let candidate = survey.sources.candidate(other);
            other != position
                && candidate.name().is_some()
                && candidate.last_modified <= chosen.last_modified
        })
        .collect();
    earlier.sort_by_key(|&other| survey.sources.candidate(other).last_modified);
    earlier
        .into_iter()
        .rev()
        .take(NEIGHBOURS)
        .filter(|&other| survey.record(other).is_none())
        .collect()
}

/// The newest other backup that is intact and fits all others, if one of the first few is.
async fn alternative(
    survey: &mut Survey,
    refused: usize,
    until: Option<Timestamp>,
    printer: &Printer,
) -> Result<Option<usize>, Failure> {
    let bytes = survey.record(refused).map(|record| record.sha256.clone());
    let mut others: Vec<usize> = (0..survey.sources.listed.len())
        .filter(|&position| {
            let candidate = survey.sources.candidate(position);
            position != refused
                && candidate.name().is_some()
                && until.is_none_or(|until| candidate.last_modified < until)
        })
        .collect();
    others.sort_by_key(|&position| survey.sources.candidate(position).last_modified);
    for position in others.into_iter().rev().take(TRIED) {
        if survey.record(position).is_none() && survey.read_one(position).await.is_err() {
            continue;
        }
        let good = survey.record(position).is_some_and(|record| {
            record.verdict == Word::Intact && Some(&record.sha256) != bytes.as_ref()
        });
        if good && held_against(survey, position, printer).await?.is_empty() {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

/// No intact backup, no plan.
fn refusal(survey: &Survey, position: usize, verdict: &Verdict, other: Option<usize>) -> Failure {
    const SHOWN: usize = 5;
    let exit = match verdict.verdict {
        Word::Rejected => Exit::Rejected,
        Word::Suspect | Word::Intact => Exit::Refused,
    };
    let location = &survey.sources.candidate(position).key;
    let mut failure =
        Failure::new(format!("{location} is {}", verdict.verdict.as_str())).exit(exit);
    for finding in verdict.findings.iter().take(SHOWN) {
        failure = failure.because(format!("{} [{}]", finding.message, finding.code.as_str()));
    }
    failure.hint(match other {
        Some(other) => {
            let candidate = survey.sources.candidate(other);
            let mut id = candidate.id();
            if let Some(version) = candidate
                .version_id
                .as_ref()
                .filter(|_| !candidate.is_latest)
            {
                let _ = write!(id, "@{version}");
            }
            let blocks = survey.record(other).map_or(0, |record| record.blocks);
            format!(
                "take `--from-backup {id}` instead: intact, {blocks} blocks, stored {}",
                candidate.last_modified
            )
        }
        None => "none of the other backups looked at is good; `rebuild backups known-good` looks at all of them".to_owned(),
    })
}

fn none_is_good(
    survey: &Survey,
    passed_over: &[backup::catalogue::PassedOver],
    asked: &str,
) -> Failure {
    const SHOWN: usize = 8;
    let mut failure = Failure::new(format!("no backup for `{asked}`")).exit(Exit::Refused);
    if passed_over.is_empty() {
        failure = failure.because("there is no backup at all");
    }
    for passed in passed_over.iter().take(SHOWN) {
        let reasons: Vec<String> = passed.reasons.iter().map(ToString::to_string).collect();
        failure = failure.because(format!(
            "{}: {}",
            survey.sources.candidate(passed.candidate).id(),
            reasons.join("; ")
        ));
    }
    if passed_over.len() > SHOWN {
        failure = failure.because(format!("and {} more", passed_over.len() - SHOWN));
    }
    failure.hint("`rebuild backups known-good` shows all of them; a weaker lock than needed can be allowed with `backups.lock`")
}

fn pinned(survey: &Survey, position: usize, verdict: Verdict) -> Pinned {
    let place = survey.sources.place(position);
    let candidate = survey.sources.candidate(position);
    Pinned {
        store: place.archive.clone(),
        key: place
            .key(&candidate.key)
            .unwrap_or(&candidate.key)
            .to_owned(),
        version: candidate.version_id.clone(),
        pin: PinnedBackup {
            id: candidate.id(),
            location: candidate.key.clone(),
            version: candidate.version_id.clone(),
            size: verdict.bytes,
            sha256: verdict.sha256,
            format: "natlangchain".to_owned(),
            head: verdict.head.unwrap_or_default(),
            blocks: verdict.blocks,
            entries: verdict.entries,
            written: candidate.last_modified,
        },
        passphrase: survey.passphrase(),
    }
}

/// Reads the very version that was pinned before, verifies it again, and sees that it is what it was. When its place fails,
/// a copy elsewhere with the same bytes serves as well.
pub async fn again(
    environment: &Environment,
    resolved: &Resolved,
    pin: &PinnedBackup,
    now: Timestamp,
    printer: &Printer,
) -> Result<Pinned, Failure> {
    let mut survey = Survey::open(environment, resolved, now, printer).await?;
    let gone = |why: String| {
        Failure::new(format!("the pinned backup `{}` can't be read", pin.id))
            .because(why)
            .hint("plan again with a backup that is there")
    };
    let listed = survey.sources.listed.iter().position(|listed| {
        listed.candidate.key == pin.location && listed.candidate.version_id == pin.version
    });
    let mut tried: Vec<usize> = listed.into_iter().collect();
    let but = listed.map_or(usize::MAX, |position| survey.sources.listed[position].place);
    tried.extend(survey.sources.copies(&pin.location, pin.size, but));
    let mut failure = gone(format!(
        "{}{} is in none of the sources that answer",
        pin.location,
        pin.version
            .as_ref()
            .map(|version| format!(" in version {version}"))
            .unwrap_or_default()
    ));
    for position in tried {
        let location = survey.sources.candidate(position).key.clone();
        if location != pin.location {
            printer.warn(&format!(
                "{} can't be read; taking the copy {location}",
                pin.location
            ));
        }
        let verdict = match survey.read_one(position).await {
            Ok(verdict) => verdict,
            Err(why) => {
                failure = why;
                continue;
            }
        };
        if verdict.sha256 != pin.sha256 {
            return Err(
                Failure::new(format!("the pinned backup `{}` is another one now", pin.id))
                    .because(format!(
                        "SHA-256 {} was pinned, {} is at {location}",
                        pin.sha256, verdict.sha256
                    ))
                    .hint("find out who changed it before relying on any backup in this bucket")
                    .exit(Exit::Rejected),
            );
        }
        if verdict.verdict != Word::Intact {
            let other = alternative(&mut survey, position, None, printer).await?;
            return Err(refusal(&survey, position, &verdict, other));
        }
        let mut found = pinned(&survey, position, verdict);
        found.pin = pin.clone();
        return Ok(found);
    }
    Err(failure)
}
