//! Leading users to a generation that stands: the plan of the scenario `cut-over`, and whom nobody is led to.

use std::collections::BTreeSet;

use executor::Scope;
use planner::kinds::route53::is_shared;
use planner::{Address, Case, Finding, Generation, Input, Plan, Resource, Severity};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::generation;
use crate::incident;
use crate::prepare::Recorded;
use crate::recovery;
use crate::session::{Blueprint, Session};

/// States of a generation that users may be led to.
const PROVEN: [&str; 2] = ["validated", "live"];

/// The incident that a generation is named in; nobody is asked where the environment has no names in DNS.
pub async fn named_in(session: &Session, scope: &Scope) -> Result<Option<String>, Failure> {
    if !scope.names.keys().any(is_shared) {
        return Ok(None);
    }
    incident_of(session, &scope.generation).await
}

async fn incident_of(
    session: &Session,
    generation: &Generation,
) -> Result<Option<String>, Failure> {
    let incidents = incident::all(&session.control(), session.name()).await?;
    Ok(incident::of_generation(&incidents, generation).map(|incident| incident.id.clone()))
}

/// Before a run is gone on with, which makes no plan anew: since it was begun the generation may have been named in an incident.
///
/// # Errors
/// When it was and the run would lead users to it, or when that can't be told.
pub async fn pass_again(session: &Session, plan: &Plan) -> Result<(), Failure> {
    let leads = |step: &planner::Step| is_shared(&step.address) && !step.spec.is_null();
    if !plan.steps.iter().any(leads) {
        return Ok(());
    }
    let generation = &plan.target.generation;
    match incident_of(session, generation).await? {
        None => Ok(()),
        Some(incident) => Err(Failure::new(format!(
            "the run would lead users to generation {generation}; nothing was changed"
        ))
        .because(format!("it is named in the incident {incident}"))
        .hint("build another one: `rebuild --scenario breach`")
        .exit(Exit::Refused)),
    }
}

/// The plan that leads users to a generation: its checks, then the names in DNS.
pub fn plan(blueprint: &Blueprint, seen: &Recorded) -> Result<Plan, Failure> {
    // Without the backup: the chain has grown since it was seeded.
    let (desired, inputs) = blueprint.desired(&seen.generation, None, &[])?;
    let (names, others): (Vec<Resource>, Vec<Resource>) = desired
        .into_iter()
        .partition(|resource| is_shared(&resource.address));
    let mut remarks = refusals(blueprint, seen, &names);
    remarks.extend(seen.known.remarks.clone());
    let names = planner::recovery::bound(names, &seen.inventory, &seen.generation);
    let checks = recovery::bound_checks(others, seen);
    let mut wanted = names.resources;
    wanted.extend(checks.resources);
    remarks.extend(names.findings.into_iter().chain(checks.findings));
    let here: BTreeSet<Address> = wanted
        .iter()
        .map(|resource| resource.address.clone())
        .collect();
    for resource in &mut wanted {
        // What else they wait for stands.
        resource.depends_on.retain(|address| here.contains(address));
    }
    let input = Input {
        case: Case {
            scenario: seen.known.scenario,
            remarks,
            ..Case::default()
        },
        desired: wanted,
        inputs,
        backup: None,
        ..blueprint.input(seen)?
    };
    planner::cut_over(input).map_err(|error| {
        Failure::of("no plan can be made", &error)
            .hint("correct the environment or the template at the place named")
    })
}

/// Why users may not be led to the generation.
fn refusals(blueprint: &Blueprint, seen: &Recorded, names: &[Resource]) -> Vec<Finding> {
    let environment = blueprint.environment.name();
    let generation = &seen.generation;
    let refused = |code: &str, message: String, hint: String| Finding {
        severity: Severity::Error,
        code: format!("cut-over.{code}"),
        subject: generation.to_string(),
        message,
        hint,
    };
    let mut found = Vec::new();
    let state = generation::all(&seen.inventory)
        .into_iter()
        .find(|found| found.generation == *generation)
        .map(|found| found.state);
    match state {
        None => found.push(refused(
            "nothing",
            "nothing of this generation is there".to_owned(),
            "build one: the main command without a scenario".to_owned(),
        )),
        Some(state) if !PROVEN.contains(&state.as_str()) => found.push(refused(
            "not-validated",
            format!("it is {state}, and users are led to a validated generation only"),
            format!(
                "finish it first: `rebuild --env {environment} --generation {generation} --from-backup latest`"
            ),
        )),
        Some(_) => {}
    }
    if let Some(incident) = &seen.known.named_in {
        found.push(refused(
            "incident",
            format!("it is named in the incident {incident}: nobody is led back there"),
            "lead users to a generation that was built after it".to_owned(),
        ));
    }
    if names.is_empty() {
        let why = match generation.is_drill() {
            true => "a drill is there to be thrown away",
            false => "the environment declares no `route53.record`",
        };
        found.push(refused(
            "no-names",
            format!("there is no name that could lead to it: {why}"),
            "declare one in a template (docs/cut-over.md), or switch by hand what leads users in"
                .to_owned(),
        ));
    }
    found
}
