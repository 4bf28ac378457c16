//! What is known of a breach when the new generation is planned.

use std::collections::BTreeSet;

use environment::OldSecret;
use jiff::{SignedDuration, Timestamp};
use planner::clean_room::CleanRoom;
use planner::taint::{self, Identifier, IdentifierKind, OldInventory, Taint};
use planner::{Case, Finding, Generation, Incident, Inventory, Observed, Scenario};
use provider_object_store::{Store, client};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::recovery::Seen;
use crate::session::{self, Blueprint};
use crate::{hints, paths};

/// What an operator says of the incident.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// When it began, or was noticed.
    pub began: Timestamp,
    /// For how long before that somebody may have been there unnoticed.
    pub dwell: SignedDuration,
}

/// What is known beside what the providers see; kept with a recording, so that its plan can be made again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Known {
    /// What the plan is made for.
    pub scenario: Scenario,
    /// The breach.
    pub incident: Option<Incident>,
    /// Remarks on the backup's contents.
    pub remarks: Vec<Finding>,
    /// The old environment's identifiers.
    pub old: OldInventory,
    /// What stands and failed, for the scenarios that recover it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Seen>,
    /// The incident that the generation is named in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_in: Option<String>,
}

impl Known {
    /// For the planner.
    pub fn case(&self, blueprint: &Blueprint) -> Result<Case, Failure> {
        let breach = &blueprint.environment.document.breach;
        let taint = match self.scenario {
            Scenario::Breach => {
                let taint = Taint::new(&self.old, &breach.allowed_references).map_err(|error| {
                    Failure::of("the old environment can't be looked for", &error)
                        .hint("correct `breach.allowed_references` in the environment")
                })?;
                Some(taint)
            }
            _ => None,
        };
        Ok(Case {
            scenario: self.scenario,
            incident: self.incident.clone(),
            remarks: self.remarks.clone(),
            taint,
            clean_room: (self.scenario == Scenario::Breach)
                .then(|| CleanRoom::new(&breach.open_networks)),
            named_in: self.named_in.clone(),
        })
    }

    /// Secrets of the generations that are not trusted any more.
    pub fn distrusted(&self, inventory: &Inventory) -> Vec<OldSecret> {
        let Some(incident) = &self.incident else {
            return Vec::new();
        };
        let mut found: BTreeSet<(Generation, String)> = BTreeSet::new();
        for object in old(inventory, incident) {
            if object.address.qualified_kind() == "vault.secret" {
                found.insert((object.generation.clone(), object.address.name().to_owned()));
            }
        }
        found
            .into_iter()
            .map(|(generation, name)| OldSecret { generation, name })
            .collect()
    }
}

fn old<'a>(inventory: &'a Inventory, incident: &'a Incident) -> impl Iterator<Item = &'a Observed> {
    inventory
        .objects
        .iter()
        .filter(|object| incident.generations.contains(&object.generation))
}

/// Collects what is known: what the clouds hold of the old generations, what Terraform and our own reports say of them.
pub async fn known(
    blueprint: &Blueprint,
    inventory: &Inventory,
    incident: Incident,
    remarks: Vec<Finding>,
) -> Result<Known, Failure> {
    let mut known = OldInventory {
        identifiers: observed(inventory, &incident),
    };
    known.merge(reports(blueprint.environment.name(), &incident)?);
    for place in &blueprint.environment.document.breach.terraform_states {
        known.merge(terraform(blueprint, place).await?);
    }
    Ok(Known {
        scenario: Scenario::Breach,
        incident: Some(incident),
        remarks,
        old: known,
        ..Known::default()
    })
}

/// Identifiers of what stands. Names in Kubernetes and Vault are alike in every generation; what is an old one's alone carries its id.
fn observed(inventory: &Inventory, incident: &Incident) -> Vec<Identifier> {
    let mut found = BTreeSet::new();
    for generation in &incident.generations {
        found.insert(Identifier {
            kind: IdentifierKind::Id,
            value: generation.to_string(),
            origin: "an old generation".to_owned(),
        });
    }
    for object in old(inventory, incident) {
        if !matches!(object.address.provider(), "ec2" | "iam" | "s3") {
            continue;
        }
        let origin = format!("{} of {}", object.address, object.generation);
        let mut add = |kind, value: &str| {
            found.insert(Identifier {
                kind,
                value: value.to_owned(),
                origin: origin.clone(),
            });
        };
        let text = |name: &str| object.outputs.get(name).and_then(|value| value.as_str());
        if object.address.provider() == "ec2" {
            add(IdentifierKind::Id, &object.id);
        } else if !object.id.starts_with("arn:") {
            add(IdentifierKind::Name, &object.id);
        }
        for (output, kind) in [
            ("id", IdentifierKind::Id),
            ("arn", IdentifierKind::Arn),
            ("name", IdentifierKind::Name),
            ("public-ip", IdentifierKind::Address),
            ("fingerprint", IdentifierKind::Fingerprint),
        ] {
            match text(output) {
                Some(value) if value.starts_with("arn:") => add(IdentifierKind::Arn, value),
                Some(value) => add(kind, value),
                None => {}
            }
        }
    }
    found.into_iter().collect()
}

/// What reports on this machine say of the old generations.
fn reports(environment: &str, incident: &Incident) -> Result<OldInventory, Failure> {
    let runs = executor::Runs::new(paths::runs(environment)?);
    let listed = runs
        .list()
        .map_err(|error| Failure::of("the runs on this machine can't be listed", &error))?;
    let mut known = OldInventory::default();
    for (run, summary) in listed {
        let of_old =
            summary.is_ok_and(|summary| incident.generations.contains(&summary.generation));
        let path = run.folder.join("report.json");
        if !of_old || !path.exists() {
            continue;
        }
        let bytes = paths::read_bounded(&path, taint::report::LARGEST)?;
        // A report that an older release wrote may lack what is looked for; the clouds are asked anyway.
        if let Ok(read) = taint::report::read(&bytes) {
            known.merge(read);
        }
    }
    Ok(known)
}

/// A Terraform state in S3, read with the environment's own access.
async fn terraform(blueprint: &Blueprint, place: &str) -> Result<OldInventory, Failure> {
    let invalid = |why: &str| {
        Failure::new(format!("`{place}` is no Terraform state that can be read"))
            .because(why)
            .hint("correct `breach.terraform_states` in the environment: `s3://BUCKET/KEY`")
    };
    let (bucket, key) = place
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        .ok_or_else(|| invalid("it is not `s3://BUCKET/KEY`"))?;
    let aws = &blueprint.resolved.aws;
    let config = session::connection(
        &blueprint.resolved,
        &aws.region,
        &aws.s3_endpoint,
        &aws.s3_profile,
    )
    .load()
    .await;
    let store = Store::new(client(&config), bucket);
    let read = store
        .read(key, STATE)
        .await
        .map_err(|error| hints::of_provider("s3", &error))?;
    let (bytes, _) = read.ok_or_else(|| invalid("there is no such object"))?;
    taint::terraform::read(&bytes).map_err(|error| invalid(&error.to_string()))
}

/// Bytes a Terraform state may have.
const STATE: u64 = 128 << 20;
