//! Nothing of a generation that is named in an incident is destroyed before evidence of it is kept and people have agreed. No flag goes
//! around it.
//!
//! What the gate finds stands in the plan as findings: that there is no evidence forbids the plan; which bundle it is and what is missing
//! in it are what people agree to, since their approvals are of the plan's hash. Under the lock everything is looked at again.

use std::collections::BTreeSet;

use approval::Authority;
use evidence::Purpose;
use executor::Run;
use jiff::Timestamp;
use planner::{Action, Finding, Generation, Plan, Scenario, Severity};

use super::Kept;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Blueprint, Session};
use crate::{incident, report, seal};

/// Findings of the gate, by the beginning of their code.
const CODES: &str = "evidence.";
/// Bundles that are looked at, the newest first.
const BUNDLES: usize = 20;

/// Whether the plan says that it takes down a generation of an incident: one person at least must approve it, and glass can't be broken.
pub fn is_guarded(plan: &Plan) -> bool {
    plan.findings
        .iter()
        .any(|finding| finding.code.starts_with(CODES))
}

/// The plan with what the gate found.
///
/// # Errors
/// When it can't be told whether the generation is named in an incident.
pub async fn stand(session: &Session, mut plan: Plan) -> Result<Plan, Failure> {
    let found = findings(session, &plan).await?;
    if found.is_empty() {
        return Ok(plan);
    }
    plan.findings.extend(found);
    plan.findings.sort();
    plan.hash = plan
        .computed_hash()
        .map_err(|error| Failure::of("the plan has no JSON form", &error))?;
    Ok(plan)
}

/// Looks again, right before the plan is carried out.
///
/// # Errors
/// When there is no evidence, the plan does not say what is found now, or nobody approved it.
pub async fn pass(
    session: &Session,
    plan: &Plan,
    authority: Option<&Authority>,
) -> Result<(), Failure> {
    let approved = || match authority {
        Some(Authority::Approvals(outcome)) => outcome.enough && !outcome.accepted.is_empty(),
        _ => false,
    };
    holds(session, plan, approved).await
}

/// The same before a run is gone on with, which keeps on whose word it was begun.
///
/// # Errors
/// As [`pass`], and when that can't be read.
pub async fn pass_again(session: &Session, plan: &Plan, run: &Run) -> Result<(), Failure> {
    let authority = report::authority(run)?;
    let accepted = authority.get("accepted").and_then(|value| value.as_array());
    let approved = authority.get("by").and_then(|value| value.as_str()) == Some("approvals")
        && accepted.is_some_and(|accepted| !accepted.is_empty());
    holds(session, plan, || approved).await
}

async fn holds(
    session: &Session,
    plan: &Plan,
    approved: impl FnOnce() -> bool,
) -> Result<(), Failure> {
    let destroys = plan.scenario == Scenario::Destroy;
    let takes = |action: &Action| matches!(action, Action::Delete | Action::Replace);
    if !destroys && !plan.steps.iter().any(|step| takes(&step.action)) {
        return Ok(());
    }
    let found = findings(session, plan).await?;
    if found.is_empty() {
        return Ok(());
    }
    let refused = || {
        Failure::new(format!(
            "generation {} is named in an incident; nothing was destroyed",
            plan.target.generation
        ))
        .exit(Exit::Refused)
    };
    if let Some(bad) = found
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        return Err(refused()
            .because(format!("{} [{}]", bad.message, bad.code))
            .hint(bad.hint.clone()));
    }
    if !destroys {
        return Ok(());
    }
    if let Some(unsaid) = found
        .iter()
        .find(|finding| !plan.findings.contains(finding))
    {
        return Err(refused()
            .because(format!(
                "the plan does not say, so that nobody agreed to it: {}: {} [{}]",
                unsaid.subject, unsaid.message, unsaid.code
            ))
            .hint("plan again with `rebuild destroy --out`, and have that plan approved"));
    }
    if !approved() {
        return Err(refused()
            .because("nobody approved the plan")
            .hint("save the plan with `rebuild destroy --out`, let an approver sign it, then `rebuild apply` it with the approval"));
    }
    Ok(())
}

/// What is to be said of evidence of the plan's generation; nothing where no incident names it.
async fn findings(session: &Session, plan: &Plan) -> Result<Vec<Finding>, Failure> {
    let generation = &plan.target.generation;
    let incidents = incident::all(&session.control(), session.name()).await?;
    let named = incidents
        .iter()
        .filter(|incident| incident.generations.contains(generation));
    let Some(began) = named.map(|incident| incident.began).max() else {
        return Ok(Vec::new());
    };
    let collect = format!(
        "collect it first: `rebuild evidence collect --env {} --generation {generation}`",
        session.name()
    );
    let error = |code: &str, message: String, hint: String| {
        vec![Finding {
            severity: Severity::Error,
            code: format!("{CODES}{code}"),
            subject: generation.to_string(),
            message,
            hint,
        }]
    };
    if session.blueprint.resolved.evidence.is_none() {
        let message = "it is named in an incident, and the environment says of no bucket that evidence is kept in";
        let hint = "add `evidence: {bucket, region, retention}` to the environment, then collect";
        return Ok(error("no-bucket", message.to_owned(), hint.to_owned()));
    }
    let Some(trusted) = seal::trusted("evidence")? else {
        let message =
            "it is named in an incident, and no key is here that evidence could be verified with";
        let hint = format!(
            "{collect}, or put the public key of the machine that did it into the state folder as keys/evidence.pub"
        );
        return Ok(error("no-key", message.to_owned(), hint));
    };
    let kept = Kept::open(&session.blueprint).await?;
    let mut best: Option<(String, evidence::Verified, usize)> = None;
    let mut why = Vec::new();
    for id in kept.ids().await?.into_iter().take(BUNDLES) {
        let checked = kept.check(&id, trusted.clone()).await?;
        let verified = match checked.verified {
            Ok(verified) => verified,
            Err(problems) => {
                let first = problems.first().map(ToString::to_string);
                why.push(format!("{id}: {}", first.unwrap_or_default()));
                continue;
            }
        };
        if let Some(name) = checked.unheld.first() {
            why.push(format!("{id}: `{name}` can be deleted"));
            continue;
        }
        match unfit(&verified, session.name(), generation.as_str(), began) {
            Some(reason) => why.push(format!("{id}: {reason}")),
            None => {
                let missing = verified.manifest.entries.iter();
                let missing = missing.filter(|entry| entry.missing.is_some()).count();
                if best.as_ref().is_none_or(|(.., least)| missing < *least) {
                    best = Some((id, verified, missing));
                }
            }
        }
    }
    let Some((id, verified, _)) = best else {
        let mut message =
            format!("it is named in an incident, and no evidence of it since {began} verifies");
        if !why.is_empty() {
            message = format!("{message}: {}", why.join("; "));
        }
        return Ok(error("none", message, collect));
    };
    let mut found = vec![Finding {
        severity: Severity::Note,
        code: format!("{CODES}kept"),
        subject: id.clone(),
        message: format!(
            "evidence of {generation} is kept and verified: {} entries, manifest SHA-256 {}",
            verified.manifest.entries.len(),
            verified.manifest_sha256
        ),
        hint: format!(
            "read it before agreeing: `rebuild evidence verify --env {} {id}`",
            session.name()
        ),
    }];
    for entry in &verified.manifest.entries {
        if let Some(reason) = &entry.missing {
            found.push(Finding {
                severity: Severity::Warning,
                code: format!("{CODES}absent"),
                subject: entry.name.clone(),
                message: format!("is not in the evidence {id}: {reason}"),
                hint: "whoever approves this plan agrees to destroy without it".to_owned(),
            });
        }
    }
    Ok(found)
}

/// The newest bundle that verifies and is evidence of all of these generations since then.
pub async fn kept_already(
    blueprint: &Blueprint,
    generations: &BTreeSet<Generation>,
    began: Timestamp,
) -> Result<Option<String>, Failure> {
    let Some(trusted) = seal::trusted("evidence")? else {
        return Ok(None);
    };
    let kept = Kept::open(blueprint).await?;
    let environment = blueprint.environment.name();
    for id in kept.ids().await?.into_iter().take(BUNDLES) {
        let checked = kept.check(&id, trusted.clone()).await?;
        let Ok(verified) = checked.verified else {
            continue;
        };
        let fits = |generation: &Generation| {
            unfit(&verified, environment, generation.as_str(), began).is_none()
        };
        if checked.unheld.is_empty() && generations.iter().all(fits) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Why a bundle that verifies is no evidence of this.
fn unfit(
    verified: &evidence::Verified,
    environment: &str,
    generation: &str,
    began: Timestamp,
) -> Option<String> {
    let manifest = &verified.manifest;
    if manifest.purpose != Purpose::Evidence {
        return Some("it is no evidence".to_owned());
    }
    if manifest.environment != environment {
        return Some(format!("it is of `{}`", manifest.environment));
    }
    if !manifest.generations.iter().any(|found| found == generation) {
        return Some(format!("it is not of {generation}"));
    }
    (manifest.created < began)
        .then(|| format!("it is of {}, before the incident", manifest.created))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::{Header, Writer};

    #[test]
    fn what_is_no_evidence_of_it() {
        let home = tempfile::tempdir().unwrap();
        let key = evidence::key::generate().unwrap();
        let made = |name: &str, purpose, environment: &str| {
            let header = Header {
                environment: environment.to_owned(),
                generations: vec!["20261124-0001".to_owned()],
                purpose,
                created: "2026-11-25T00:00:00Z".parse().unwrap(),
                tool: "test".to_owned(),
            };
            let folder = home.path().join(name);
            Writer::new(&folder, header).unwrap().finish(&key).unwrap();
            evidence::verify(&evidence::Folder::new(&folder), &key.fingerprint()).unwrap()
        };
        let before: Timestamp = "2026-11-24T23:00:00Z".parse().unwrap();
        let after: Timestamp = "2026-11-25T01:00:00Z".parse().unwrap();
        let good = made("good", Purpose::Evidence, "demo");
        let why = |verified, generation, began| unfit(verified, "demo", generation, began);
        assert_eq!(why(&good, "20261124-0001", before), None);
        assert!(
            why(&good, "20261124-0002", before)
                .unwrap()
                .contains("not of")
        );
        assert!(
            why(&good, "20261124-0001", after)
                .unwrap()
                .contains("before the incident")
        );
        let report = made("report", Purpose::Report, "demo");
        assert!(
            why(&report, "20261124-0001", before)
                .unwrap()
                .contains("no evidence")
        );
        let other = made("other", Purpose::Evidence, "other");
        assert!(
            why(&other, "20261124-0001", before)
                .unwrap()
                .contains("`other`")
        );
    }
}
