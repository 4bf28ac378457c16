//! Who agreed to a plan: approvals held against the environment's policy, or one person's word.

use std::path::Path;

use approval::{Authority, BreakGlass, Subject, Submitted};
use environment::Document;
use executor::lock::Owner;
use planner::Plan;

use crate::args::ConsentArgs;
use crate::evidence::gate;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::paths;
use crate::printer::Printer;

/// A saved plan whose hash fits.
pub fn saved(path: &Path) -> Result<Plan, Failure> {
    let bytes = paths::read_bounded(path, planner::file::LARGEST)?;
    planner::verify(&bytes).map_err(|error| {
        Failure::of(format!("`{}` is not taken", path.display()), &error)
            .hint("make a new plan with `rebuild plan --out`; nothing was changed")
    })
}

/// What approvers sign.
pub fn subject(plan: &Plan) -> Subject {
    Subject {
        environment: plan.target.environment.clone(),
        generation: plan.target.generation.to_string(),
        plan: plan.hash.clone(),
        scenario: plan.scenario.name().to_owned(),
    }
}

/// On whose word the plan may be applied; `None` where the environment asks for nobody's.
///
/// # Errors
/// When too few of the approvals count and the glass is not broken.
pub fn given(
    document: &Document,
    plan: &Plan,
    consent: &ConsentArgs,
    now: jiff::Timestamp,
    printer: &Printer,
) -> Result<Option<Authority>, Failure> {
    let guarded = gate::is_guarded(plan);
    let policy = match document.approvals.policy(plan.scenario) {
        Some(policy) => policy,
        None if guarded => document.approvals.policy_of_one(plan.scenario),
        None => return Ok(None),
    };
    if guarded && consent.break_glass.is_some() {
        return Err(Failure::new(
            "a generation of an incident can't be destroyed on one person's word; nothing was changed",
        )
        .hint("let an approver sign the plan with `rebuild approve`; it is cut off already, so there is no hurry")
        .exit(Exit::Refused));
    }
    if let Some(reason) = &consent.break_glass {
        let broken = BreakGlass::new(&Owner::current().who, reason, now).map_err(|error| {
            Failure::of("the approvals can't be gone without", &error)
                .hint("say in a sentence why nobody can be asked; it goes into the report")
                .exit(Exit::Refused)
        })?;
        printer.warn(&format!(
            "BREAK GLASS: {} applies this plan without the {} approvals that the environment asks for: {}",
            broken.who(),
            policy.needed,
            broken.reason()
        ));
        return Ok(Some(Authority::BreakGlass(broken)));
    }
    let mut files = Vec::new();
    for path in &consent.approval {
        // One byte more than is read tells the verification that it is too large.
        files.push((
            path.display().to_string(),
            paths::read_bounded(path, approval::LARGEST)?,
        ));
    }
    let submitted: Vec<Submitted<'_>> = files
        .iter()
        .map(|(source, bytes)| Submitted { source, bytes })
        .collect();
    let outcome = approval::verify(&policy, &subject(plan), &submitted, now)
        .map_err(|error| {
            let failure = Failure::of("the environment's `approvals` can't be used", &error);
            match guarded {
                true => failure
                    .hint("a generation of an incident is destroyed only when somebody approves: add `approvers` to `approvals`")
                    .exit(Exit::Refused),
                false => failure,
            }
        })?;
    for accepted in &outcome.accepted {
        printer.note(&format!(
            "approved by {} with {}, valid until {}",
            accepted.who, accepted.fingerprint, accepted.valid_until
        ));
    }
    if outcome.enough {
        for refused in &outcome.refused {
            printer.warn(&format!(
                "{} does not count: {}",
                refused.source, refused.why
            ));
        }
        return Ok(Some(Authority::Approvals(outcome)));
    }
    let mut failure = Failure::new(format!(
        "the plan is not approved: {} of {} approvals count; nothing was changed",
        outcome.accepted.len(),
        outcome.needed
    ))
    .exit(Exit::Refused);
    for refused in &outcome.refused {
        failure = failure.because(format!(
            "{}: {} [{}]",
            refused.source,
            refused.why,
            refused.why.code()
        ));
    }
    Err(failure.hint(
        "save the plan (--out), let approvers sign it with `rebuild approve PLAN --as NAME --key FILE`, then `rebuild apply PLAN --approval FILE …`; \
         in an emergency --break-glass REASON goes on without, and the report shows it",
    ))
}
