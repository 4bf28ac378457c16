//! The scenarios that recover something that stands: what is known for their plans, and the plans.

mod database;

use std::collections::BTreeSet;

use executor::Scope;
use planner::kinds::seed::Object;
use planner::plan::PinnedBackup;
use planner::recovery::{self, Asked, Cluster, Data, Recovered};
use planner::{
    Case, Finding, Generation, Input, Inventory, Late, Plan, Resource, Rotate, Scenario, Severity,
};
use provider_seed::Condition;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::hints;
use crate::prepare::Recorded;
use crate::session::{Blueprint, Session};

/// What is known beside what the providers see; kept with a recording, so that its plan can be made again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seen {
    /// Which pods are replaced.
    pub asked: Asked,
    /// The cluster, in the generation's namespaces.
    pub cluster: Cluster,
    /// The data, where the scenario is about it.
    pub data: Data,
    /// The dump, where the scenario is about a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump: Option<database::Found>,
}

/// Looks at what the providers' observation leaves out.
pub async fn look(
    session: &Session,
    inventory: &Inventory,
    generation: &Generation,
    asked: Asked,
) -> Result<Seen, Failure> {
    let Some(cluster) = session.cluster() else {
        return Err(Failure::new("there is no cluster to look at").hint(format!(
            "name one under `where.kubernetes` in {}",
            session.blueprint.environment.file()
        )));
    };
    let cluster = cluster
        .recoverable(
            session.name(),
            generation,
            &namespaces(inventory, generation),
        )
        .await
        .map_err(|error| hints::of_provider("kubernetes", &error))?;
    Ok(Seen {
        asked,
        cluster,
        ..Seen::default()
    })
}

/// Looks for the dump that a database comes back from.
pub async fn look_at_database(session: &Session) -> Result<Seen, Failure> {
    Ok(Seen {
        dump: database::look(session).await?,
        ..Seen::default()
    })
}

/// Reads a generation's data whole, beside what [`look`] looks at.
pub async fn look_at_data(
    session: &Session,
    inventory: &Inventory,
    scope: &Scope,
    pin: Option<&PinnedBackup>,
) -> Result<Seen, Failure> {
    let mut seen = look(session, inventory, &scope.generation, Asked::Failed).await?;
    let (desired, _) = session.blueprint.desired(&scope.generation, pin, &[])?;
    let seeds = desired
        .into_iter()
        .filter(|resource| resource.address.provider() == "seed")
        .collect();
    // What is missing is remarked on when the plan is made.
    let bound = recovery::bound(seeds, inventory, &scope.generation);
    for resource in bound.resources {
        let spec: Object = serde_json::from_value(resource.spec)
            .map_err(|error| Failure::of("the environment's seed can't be read", &error))?;
        let Late::Known(bucket) = &spec.bucket else {
            continue;
        };
        let condition = session
            .examine(scope, (bucket, &spec.key), &spec.encrypt_with)
            .await?;
        seen.data = match condition {
            Condition::Missing => Data::Missing,
            Condition::Whole { .. } => Data::Whole,
            Condition::Damaged { version, etag, why } => Data::Damaged {
                place: format!("{bucket}/{}", spec.key),
                version,
                etag,
                why,
            },
        };
    }
    Ok(seen)
}

/// Namespaces that hold something of the generation.
fn namespaces(inventory: &Inventory, generation: &Generation) -> BTreeSet<String> {
    inventory
        .objects
        .iter()
        .filter(|object| object.generation == *generation)
        .filter_map(|object| object.spec.pointer("/object/metadata/namespace")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// The plan of one of these scenarios.
pub fn plan(blueprint: &Blueprint, seen: &Recorded) -> Result<Plan, Failure> {
    let known = seen.known.recovery.clone().unwrap_or_default();
    let (mut recovered, inputs, backup) = match seen.known.scenario {
        Scenario::Node => {
            let recovered =
                recovery::node(&known.cluster, &known.asked, seen.now).map_err(unnamed)?;
            // Without the backup: the chain has grown since it was seeded.
            let (desired, inputs) = blueprint.desired(&seen.generation, None, &[])?;
            let checks = bound_checks(desired, seen);
            let before: Vec<Resource> = checks
                .resources
                .iter()
                .filter(|check| check.address.kind() == "http")
                .cloned()
                .collect();
            let mut all = recovered;
            all.findings.extend(checks.findings);
            all.checked(&before, &checks.resources).map_err(unnamed)?;
            (all, inputs, None)
        }
        Scenario::DataLoss => {
            let (desired, inputs) =
                blueprint.desired(&seen.generation, seen.backup.as_ref(), &[])?;
            let ours = desired
                .into_iter()
                .filter(|resource| matches!(resource.address.provider(), "seed" | "check"))
                .collect();
            let bound = recovery::bound(ours, &seen.inventory, &seen.generation);
            let (seed, checks) = bound.resources.into_iter().partition(|resource| {
                resource.address.provider() == "seed" || resource.address.kind() == "seed"
            });
            let mut all = recovery::data(&known.cluster, &known.data, seed).map_err(unnamed)?;
            all.findings.extend(bound.findings);
            all.checked(&[], &checks).map_err(unnamed)?;
            (all, inputs, seen.backup.clone())
        }
        Scenario::Database => {
            let (_, inputs) = blueprint.desired(&seen.generation, None, &[])?;
            let recovered = database::resources(blueprint, &seen.generation, known.dump.as_ref())?;
            (recovered, inputs, None)
        }
        other => {
            return Err(Failure::new(format!(
                "`{other}` does not recover what stands"
            )));
        }
    };
    let stands = seen
        .inventory
        .objects
        .iter()
        .any(|object| object.generation == seen.generation);
    if !stands {
        recovered.findings.push(Finding {
            severity: Severity::Error,
            code: "recover.nothing".to_owned(),
            subject: seen.generation.to_string(),
            message: "nothing of this generation is there, so nothing of it can be recovered"
                .to_owned(),
            hint: "build one: the main command without a scenario".to_owned(),
        });
    }
    let input = Input {
        case: Case {
            scenario: seen.known.scenario,
            remarks: recovered.findings,
            ..Case::default()
        },
        desired: recovered.resources,
        inputs,
        backup,
        rotate: Rotate::None,
        ..blueprint.input(seen)?
    };
    planner::recover(input).map_err(|error| {
        Failure::of("no plan can be made", &error)
            .hint("correct the environment or the template at the place named")
    })
}

/// The environment's checks that need no backup, as they stand.
pub fn bound_checks(desired: Vec<Resource>, seen: &Recorded) -> Recovered {
    let checks = desired
        .into_iter()
        .filter(|resource| resource.address.provider() == "check")
        .filter(|check| !expects_backup(check))
        .collect();
    recovery::bound(checks, &seen.inventory, &seen.generation)
}

/// Without a backup what is expected of it stays the template it is.
fn expects_backup(check: &Resource) -> bool {
    check.spec["expect"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|expected| expected["equals"].as_str())
        .any(|text| text.contains("{{"))
}

fn unnamed(error: planner::address::AddressError) -> Failure {
    Failure::of(
        "something in the cluster has a name that no plan can hold",
        &error,
    )
}
