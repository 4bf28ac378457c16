//! What has to hold of the backup that an environment is rebuilt from after a breach: stored before anybody may have been there, and
//! nobody in its data who was not in an older backup, unless a person accepted that with a reason.

use backup::catalogue::Selector;
use backup::identities::{Identities, Identity, MOST, new_since};
use backup::lineage::Record;
use backup::{Verdict, Word};
use environment::schema::AcceptedIdentity;
use jiff::{SignedDuration, Timestamp};
use planner::plan::PinnedBackup;
use planner::{Finding, Severity};

use super::budget::Budget;
use super::choose::{choose_among, policy};
use super::pin::need;
use super::survey::Survey;
use crate::breach::Told;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Blueprint;

/// Identities that are named one by one in a plan.
const SHOWN: usize = 100;

/// When the incident was, from `--from-backup known-good:before=TIME[,dwell=DURATION]`, from `--incident TIME [--dwell DURATION]`, or from
/// both: then what leaves fewer backups counts.
///
/// # Errors
/// When neither says it: nothing else tells a clean backup from one that holds what was planted. When `dwell` is no duration.
pub fn told(
    asked: &str,
    incident: Option<Timestamp>,
    dwell: Option<&str>,
) -> Result<Told, Failure> {
    let said = match asked.parse() {
        Ok(Selector::KnownGood { before, dwell }) => Some(Told {
            began: before,
            dwell,
        }),
        _ => None,
    };
    let flagged = match incident {
        Some(began) => Some(Told {
            began,
            dwell: duration(began, dwell)?,
        }),
        None => None,
    };
    match (said, flagged) {
        (Some(said), Some(flagged)) if cutoff(&flagged) < cutoff(&said) => Ok(flagged),
        (Some(said), None) => match dwell {
            Some(_) => Ok(Told {
                dwell: said.dwell.max(duration(said.began, dwell)?),
                ..said
            }),
            None => Ok(said),
        },
        (Some(said), Some(_)) => Ok(said),
        (None, Some(flagged)) => Ok(flagged),
        (None, None) => Err(Failure::new("a breach needs the time of the incident")
            .because(format!("`--from-backup {asked}` does not say it"))
            .hint("give `--from-backup known-good:before=TIME,dwell=DURATION`: when it was noticed, and for how long somebody may have been there before")
            .hint("or name the backup and give `--incident TIME --dwell DURATION`")
            .exit(Exit::Refused)),
    }
}

fn duration(began: Timestamp, dwell: Option<&str>) -> Result<SignedDuration, Failure> {
    let Some(text) = dwell else {
        return Ok(SignedDuration::ZERO);
    };
    match format!("known-good:before={began},dwell={text}").parse() {
        Ok(Selector::KnownGood { dwell, .. }) => Ok(dwell),
        Ok(_) => Err(Failure::new(format!("`{text}` is no dwell time"))),
        Err(error) => Err(Failure::of("the dwell time can't be read", &error)
            .hint("give a duration such as 72h or 14d")),
    }
}

/// The time a backup must have been stored before; the beginning of time when that can't be expressed, so that nothing passes.
fn cutoff(told: &Told) -> Timestamp {
    told.began.checked_sub(told.dwell).unwrap_or(Timestamp::MIN)
}

/// A backup stored at or after the incident less the dwell time may hold what an intruder planted, whoever names it.
pub fn window(pin: &PinnedBackup, told: &Told) -> Vec<Finding> {
    let cutoff = cutoff(told);
    if pin.written < cutoff {
        return Vec::new();
    }
    vec![Finding {
        severity: Severity::Error,
        code: "backup.inside-incident".to_owned(),
        subject: pin.id.clone(),
        message: format!(
            "it was stored {}, when somebody may have been there already: since {cutoff}",
            pin.written
        ),
        hint: format!(
            "take `--from-backup known-good:before={},dwell={}`",
            told.began, told.dwell
        ),
    }]
}

/// Holds the identities in the pinned backup against those in the last known-good backup older than it.
///
/// That is the newest one that is known good (intact, of one history with all others stored before it, locked as `backups.lock` says)
/// and was stored before the pinned one as well as before the incident less the dwell time. One with the same last block is a poor
/// witness: of the chain it says the same because it is the same. So one with another is looked for, and where there is none, what stands
/// beside the chain is compared, with a warning. One with the same bytes is none at all.
///
/// # Errors
/// When a backup can't be read, or is not what was read before.
pub async fn identities(
    blueprint: &Blueprint,
    pin: &PinnedBackup,
    told: &Told,
    now: Timestamp,
    printer: &Printer,
) -> Result<Vec<Finding>, Failure> {
    let environment = &blueprint.environment;
    let accepted = &environment.document.breach.accepted_identities;
    let mut survey = Survey::open(environment, &blueprint.resolved, now, printer).await?;
    let candidate = of_pinned(&survey, pin).await?;
    let before = cutoff(told).min(pin.written);
    let policy = policy(
        before,
        SignedDuration::ZERO,
        need(environment.document.backups.lock),
        now,
    );
    let other_bytes = |survey: &Survey, position: usize| {
        let record = survey.record(position);
        record.is_none_or(|record| record.sha256 != pin.sha256)
    };
    let other_chain = |survey: &Survey, position: usize| {
        let head = survey.record(position).and_then(Record::head);
        head.is_none_or(|head| hex::encode(head) != pin.head)
    };
    let budget = Budget::default();
    let choice = choose_among(&mut survey, policy, budget, printer, other_chain).await?;
    if let Some(position) = choice.found.chosen {
        let known_good = witness(&survey, position).await?;
        let id = survey.sources.candidate(position).id();
        return Ok(judged(pin, &id, &known_good, &candidate, accepted));
    }
    let mut findings = vec![alone(environment.name(), pin, &candidate)];
    let choice = choose_among(&mut survey, policy, budget, printer, other_bytes).await?;
    if let Some(position) = choice.found.chosen {
        let known_good = witness(&survey, position).await?;
        let id = survey.sources.candidate(position).id();
        findings.extend(judged(pin, &id, &known_good, &candidate, accepted));
    }
    Ok(findings)
}

/// The identities of the pinned backup, from where it was pinned or a copy with the same bytes.
async fn of_pinned(survey: &Survey, pin: &PinnedBackup) -> Result<Identities, Failure> {
    let listed = survey.sources.listed.iter().position(|listed| {
        listed.candidate.key == pin.location && listed.candidate.version_id == pin.version
    });
    let but = listed.map_or(usize::MAX, |position| survey.sources.listed[position].place);
    let mut failure = Failure::new(format!(
        "the identities in the pinned backup `{}` can't be told",
        pin.id
    ))
    .because(format!(
        "{} is in none of the sources that answer",
        pin.location
    ))
    .hint("plan again with a backup that is there");
    let copies = survey.sources.copies(&pin.location, pin.size, but);
    for position in listed.into_iter().chain(copies) {
        match survey.identities(position, MOST).await {
            Ok((verdict, _)) if verdict.sha256 != pin.sha256 => {
                failure = changed(survey, position, &verdict, &pin.sha256);
            }
            Ok((_, found)) => return Ok(found),
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

async fn witness(survey: &Survey, position: usize) -> Result<Identities, Failure> {
    let (verdict, found) = survey.identities(position, MOST).await?;
    match survey.record(position) {
        Some(record) if record.sha256 == verdict.sha256 && verdict.verdict == Word::Intact => {
            Ok(found)
        }
        record => {
            let before = record.map(|record| record.sha256.clone());
            Err(changed(
                survey,
                position,
                &verdict,
                &before.unwrap_or_default(),
            ))
        }
    }
}

fn changed(survey: &Survey, position: usize, verdict: &Verdict, before: &str) -> Failure {
    Failure::new(format!(
        "{} is not what was read before",
        survey.sources.candidate(position).key
    ))
    .because(format!(
        "it has the SHA-256 {} and had {before}",
        verdict.sha256
    ))
    .hint("find out who changed it before relying on any backup in this bucket")
    .exit(Exit::Rejected)
}

/// How an environment accepts an identity.
pub fn acceptance<'a>(
    identity: &Identity,
    accepted: &'a [AcceptedIdentity],
) -> Option<&'a AcceptedIdentity> {
    accepted
        .iter()
        .find(|one| one.kind.name() == identity.kind.as_str() && one.name == identity.name)
}

fn judged(
    pin: &PinnedBackup,
    known_good: &str,
    known: &Identities,
    candidate: &Identities,
    accepted: &[AcceptedIdentity],
) -> Vec<Finding> {
    let new = new_since(known, candidate);
    let mut findings = Vec::new();
    let (allowed, unknown): (Vec<_>, Vec<_>) = new
        .iter()
        .map(|identity| (identity, acceptance(identity, accepted)))
        .partition(|(_, accepted)| accepted.is_some());
    for (identity, _) in unknown.iter().take(SHOWN) {
        findings.push(Finding {
            severity: Severity::Error,
            code: "backup.new-identity".to_owned(),
            subject: pin.id.clone(),
            message: format!("{identity} is not in {known_good}{}", since(identity)),
            hint: format!(
                "if it belongs there, accept it below `breach.accepted_identities` with kind: {}, its name and a reason; else take an older backup",
                identity.kind
            ),
        });
    }
    if unknown.len() > SHOWN {
        findings.push(Finding {
            severity: Severity::Error,
            code: "backup.new-identity".to_owned(),
            subject: pin.id.clone(),
            message: format!(
                "{} more identities are not in {known_good}",
                unknown.len() - SHOWN
            ),
            hint: format!(
                "`rebuild backups identities {} --since {known_good}` shows all of them",
                pin.id
            ),
        });
    }
    for (identity, accepted) in allowed {
        findings.push(Finding {
            severity: Severity::Note,
            code: "backup.accepted-identity".to_owned(),
            subject: pin.id.clone(),
            message: format!(
                "{identity} is not in {known_good}{}; accepted: {}",
                since(identity),
                accepted.map_or("", |one| one.reason.as_str())
            ),
            hint: String::new(),
        });
    }
    findings.extend(cut_short(pin, candidate));
    findings
}

/// Nobody can say who is not among too many.
fn cut_short(pin: &PinnedBackup, candidate: &Identities) -> Option<Finding> {
    candidate.truncated.then(|| Finding {
        severity: Severity::Error,
        code: "backup.identities-uncounted".to_owned(),
        subject: pin.id.clone(),
        message: format!(
            "its data holds more than {MOST} identities; those after them were not compared"
        ),
        hint: "take an older backup, or find out who made so many".to_owned(),
    })
}

fn since(identity: &Identity) -> String {
    match (identity.first_block, identity.first_time) {
        (Some(block), Some(time)) => match Timestamp::from_second(time) {
            Ok(time) => format!("; since block {block}, {time}"),
            Err(_) => format!("; since block {block}"),
        },
        (Some(block), None) => format!("; since block {block}"),
        (None, _) => "; not in the chain itself".to_owned(),
    }
}

fn alone(environment: &str, pin: &PinnedBackup, candidate: &Identities) -> Finding {
    if let Some(finding) = cut_short(pin, candidate) {
        return finding;
    }
    let mut names: Vec<String> = candidate
        .found
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if candidate.found.len() > SHOWN {
        names.push(format!("and {} more", candidate.found.len() - SHOWN));
    }
    Finding {
        severity: Severity::Warning,
        code: "backup.identities-not-compared".to_owned(),
        subject: pin.id.clone(),
        message: format!(
            "no older known-good backup with another last block shows who was there before; its data holds {}",
            names.join(", ")
        ),
        hint: format!(
            "go through them: `rebuild backups identities {} --env {environment}`",
            pin.id
        ),
    }
}

#[cfg(test)]
mod tests {
    use backup::identities::Kind;
    use environment::schema::IdentityKind;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn pin(written: &str) -> PinnedBackup {
        PinnedBackup {
            id: "natlangchain_20261123_033000_daily".to_owned(),
            location: "s3://b/k".to_owned(),
            version: None,
            size: 1,
            sha256: "ab".repeat(32),
            format: "natlangchain".to_owned(),
            head: "cd".repeat(32),
            blocks: 7,
            entries: 31,
            written: time(written),
        }
    }

    #[test]
    fn the_time_comes_from_the_selector_or_the_flags_and_the_stricter_counts() {
        let noon = "2026-11-20T12:00:00Z";
        let known_good = |rest: &str| format!("known-good:before={noon}{rest}");
        for (asked, incident, dwell, cutoff_at) in [
            (known_good(""), None, None, Some(noon)),
            (
                known_good(",dwell=48h"),
                None,
                None,
                Some("2026-11-18T12:00:00Z"),
            ),
            (
                known_good(",dwell=1h"),
                None,
                Some("48h"),
                Some("2026-11-18T12:00:00Z"),
            ),
            (
                known_good(",dwell=48h"),
                None,
                Some("1h"),
                Some("2026-11-18T12:00:00Z"),
            ),
            ("some-id".to_owned(), Some(noon), None, Some(noon)),
            (
                "some-id".to_owned(),
                Some(noon),
                Some("2d"),
                Some("2026-11-18T12:00:00Z"),
            ),
            (
                "latest".to_owned(),
                Some(noon),
                Some("14 d"),
                Some("2026-11-06T12:00:00Z"),
            ),
            (
                known_good(""),
                Some("2026-11-19T00:00:00Z"),
                None,
                Some("2026-11-19T00:00:00Z"),
            ),
            (
                known_good(",dwell=48h"),
                Some("2026-11-19T00:00:00Z"),
                None,
                Some("2026-11-18T12:00:00Z"),
            ),
            ("some-id".to_owned(), None, None, None),
            ("latest".to_owned(), None, Some("48h"), None),
            (format!("before:{noon}"), None, None, None),
            ("some-id".to_owned(), Some(noon), Some("soon"), None),
        ] {
            let told = told(&asked, incident.map(time), dwell);
            assert_eq!(
                told.as_ref().ok().map(cutoff),
                cutoff_at.map(time),
                "{asked} {incident:?} {dwell:?}"
            );
            if incident.is_none() && cutoff_at.is_none() {
                let failure = told.expect_err("no time").to_string();
                assert!(failure.contains("--incident TIME"), "{failure}");
            }
        }
    }

    #[test]
    fn a_backup_from_inside_the_window_is_an_error() {
        let told = Told {
            began: time("2026-11-23T12:00:00Z"),
            dwell: SignedDuration::from_hours(8),
        };
        for (written, inside) in [
            ("2026-11-23T03:59:59.999Z", false),
            ("2026-11-23T04:00:00Z", true),
            ("2026-11-23T12:00:01Z", true),
            ("2027-01-01T00:00:00Z", true),
        ] {
            let found = window(&pin(written), &told);
            assert_eq!(found.len(), usize::from(inside), "{written}");
            for finding in found {
                assert_eq!(finding.severity, Severity::Error);
                assert_eq!(finding.code, "backup.inside-incident");
            }
        }
        let forever = Told {
            dwell: SignedDuration::MAX,
            ..told
        };
        assert_eq!(window(&pin("2001-01-01T00:00:00Z"), &forever).len(), 1);
    }

    fn identity(kind: Kind, name: &str) -> Identity {
        Identity {
            kind,
            name: name.to_owned(),
            first_block: Some(3),
            first_time: Some(1_764_000_000),
        }
    }

    fn all(found: Vec<Identity>) -> Identities {
        Identities {
            found,
            truncated: false,
        }
    }

    #[test]
    fn new_identities_are_errors_unless_accepted_by_kind_and_name() {
        let known = all(vec![identity(Kind::Author, "alice")]);
        let candidate = all(vec![
            identity(Kind::Author, "alice"),
            identity(Kind::Author, "mallory"),
            identity(Kind::Party, "bob"),
            identity(Kind::Author, "bob"),
        ]);
        let accepted = [AcceptedIdentity {
            kind: IdentityKind::Author,
            name: "bob".to_owned(),
            reason: "joined on Monday".to_owned(),
        }];
        let pin = pin("2026-11-23T03:30:00Z");
        let found = judged(&pin, "older", &known, &candidate, &accepted);
        let shown: Vec<(Severity, &str, &str)> = found
            .iter()
            .map(|finding| (finding.severity, &*finding.code, &*finding.message))
            .collect();
        let told = "is not in older; since block 3, 2025-11-24T16:00:00Z";
        assert_eq!(
            shown,
            [
                (
                    Severity::Error,
                    "backup.new-identity",
                    &*format!("author mallory {told}")
                ),
                (
                    Severity::Error,
                    "backup.new-identity",
                    &*format!("party bob {told}")
                ),
                (
                    Severity::Note,
                    "backup.accepted-identity",
                    &*format!("author bob {told}; accepted: joined on Monday")
                ),
            ]
        );
        assert!(judged(&pin, "older", &candidate, &known, &[]).is_empty());
    }

    #[test]
    fn a_flood_hides_nobody() {
        let pin = pin("2026-11-23T03:30:00Z");
        let many = (0..SHOWN + 5)
            .map(|number| identity(Kind::Author, &number.to_string()))
            .collect();
        let candidate = Identities {
            found: many,
            truncated: true,
        };
        let found = judged(&pin, "older", &Identities::default(), &candidate, &[]);
        assert_eq!(found.len(), SHOWN + 2);
        assert!(
            found
                .iter()
                .all(|finding| finding.severity == Severity::Error)
        );
        assert!(found[SHOWN].message.starts_with("5 more"));
        assert_eq!(found[SHOWN + 1].code, "backup.identities-uncounted");
        // Also when there is nothing to compare with.
        assert_eq!(alone("x", &pin, &candidate).severity, Severity::Error);
        let some = all(vec![identity(Kind::Author, "alice")]);
        let warning = alone("x", &pin, &some);
        assert_eq!(warning.severity, Severity::Warning);
        assert!(
            warning.message.contains("author alice"),
            "{}",
            warning.message
        );
    }

    #[test]
    fn every_kind_can_be_accepted() {
        for (declared, found) in [
            (IdentityKind::Author, Kind::Author),
            (IdentityKind::Signer, Kind::Signer),
            (IdentityKind::Recipient, Kind::Recipient),
            (IdentityKind::Party, Kind::Party),
            (IdentityKind::Webhook, Kind::Webhook),
            (IdentityKind::Credential, Kind::Credential),
        ] {
            assert_eq!(declared.name(), found.as_str());
        }
    }
}
