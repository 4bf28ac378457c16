//! The scenario `data-loss`: what uses the data stops, the data is seeded again where it is lost, and what stopped starts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Scaled};
use super::node::path;
use super::{Recovered, resource};
use crate::address::{Address, AddressError};
use crate::checks::finding;
use crate::finding::Severity;
use crate::kinds::recover::{Start, Stop};
use crate::kinds::seed::Damaged;
use crate::resource::Resource;

/// Seconds until the last pod must be gone, or ready.
const DEADLINE: u32 = 600;

/// How the data is where it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// Nothing is there.
    #[default]
    Missing,
    /// It is what it was seeded with.
    Whole,
    /// It is something else.
    Damaged {
        /// `BUCKET/KEY`.
        place: String,
        /// Its version, where the bucket has versions.
        version: Option<String>,
        /// Its entity tag.
        etag: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What has to be done, and what speaks against it. `seed` are the environment's own seed and its read-back, bound to what stands.
///
/// # Errors
/// When a name can't be part of an address.
pub fn data(
    cluster: &Cluster,
    data: &Data,
    seed: Vec<Resource>,
) -> Result<Recovered, AddressError> {
    let mut found = Recovered::default();
    let mut seed = seed;
    let users: Vec<&Scaled> = cluster
        .workloads
        .iter()
        .filter(|scaled| remembered(scaled) > 0)
        .collect();
    let stopped = users
        .iter()
        .any(|scaled| scaled.replicas == 0 && scaled.stopped_at.is_some());
    match data {
        Data::Whole if stopped => {
            found.findings.push(finding(
                Severity::Note,
                "seed.done",
                "seed.object",
                "the data is whole again; what an earlier run stopped is started".to_owned(),
                "nothing is to be done",
            ));
            seed.retain(|resource| resource.address.provider() == "check");
        }
        Data::Whole => {
            found.findings.push(finding(
                Severity::Error,
                "seed.whole",
                "seed.object",
                "the data is there and is what was seeded: it is not written over".to_owned(),
                "to go back to an older backup, build a new generation (`--generation new`)",
            ));
            return Ok(found);
        }
        Data::Missing => {}
        Data::Damaged {
            place,
            version,
            etag,
            why,
        } => match version {
            Some(version) => {
                found.findings.push(finding(
                    Severity::Warning,
                    "seed.damaged",
                    place,
                    format!("version {version} is damaged, and stays in the bucket: {why}"),
                    "look at it before the bucket's lifecycle removes it; who wrote it?",
                ));
                let over = Damaged {
                    version: version.clone(),
                    etag: etag.clone(),
                };
                for one in &mut seed {
                    if one.address.provider() == "seed" {
                        one.spec["over"] = serde_json::to_value(&over).unwrap_or_default();
                    }
                }
            }
            None => {
                found.findings.push(finding(
                    Severity::Error,
                    "seed.no-versions",
                    place,
                    format!("it is damaged, and the bucket keeps no versions, so seeding would destroy it: {why}"),
                    "copy it away and delete it, then plan again",
                ));
                return Ok(found);
            }
        },
    }
    let writes = seed
        .iter()
        .any(|resource| resource.address.provider() == "seed");
    let mut first = BTreeSet::new();
    let mut started = Vec::new();
    for scaled in users {
        let name = path(&scaled.workload);
        if scaled.workload.kind == "DaemonSet" {
            found.findings.push(finding(
                Severity::Warning,
                "seed.not-stopped",
                &name,
                "it has no number of pods and runs on while the data is seeded".to_owned(),
                "if it writes to the data, stop it by hand first",
            ));
            continue;
        }
        let (workload, replicas) = (scaled.workload.clone(), remembered(scaled));
        if writes {
            let spec = Stop {
                workload: workload.clone(),
                replicas,
                deadline: DEADLINE,
            };
            let stop = resource("stop", &name, &spec)?;
            first.insert(stop.address.clone());
            found.resources.push(stop);
        }
        let spec = Start {
            workload,
            replicas,
            deadline: DEADLINE,
        };
        started.push(resource("start", &name, &spec)?);
    }
    let seeds: BTreeSet<Address> = seed
        .iter()
        .filter(|resource| resource.address.provider() == "seed")
        .map(|resource| resource.address.clone())
        .collect();
    for one in &mut seed {
        one.depends_on = match one.address.provider() {
            "seed" => first.clone(),
            _ => seeds.clone(),
        };
    }
    let there: BTreeSet<Address> = seed
        .iter()
        .map(|resource| resource.address.clone())
        .collect();
    for start in &mut started {
        start.depends_on.clone_from(&there);
    }
    found.resources.extend(seed);
    found.resources.extend(started);
    Ok(found)
}

/// How many pods a workload has when nothing is wrong: one that an earlier run stopped says so itself.
fn remembered(scaled: &Scaled) -> u32 {
    match (scaled.replicas, scaled.stopped_at) {
        (0, Some(before)) => before,
        (now, _) => now,
    }
}
