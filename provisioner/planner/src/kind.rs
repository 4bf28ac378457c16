//! What the planner needs to know of a kind of resource.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The groups of the preview and of progress, in the order they are applied.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// VPC, subnets, gateways, routes, firewalls.
    Network,
    /// Roles, policies, key pairs.
    Identity,
    /// Buckets and volumes.
    Storage,
    /// Instances and launch templates.
    Compute,
    /// What goes to Vault.
    Secrets,
    /// Namespaces, configuration, claims and access in Kubernetes.
    Configuration,
    /// Data from the backup.
    Seed,
    /// What runs in Kubernetes.
    Workloads,
    /// Checks of the result.
    Validation,
    /// What lets users in: ingress, then names in DNS.
    Exposure,
    /// The first backup of what was built.
    Backup,
}

/// A kind of resource: its shape, and how it may change.
#[derive(Clone, Copy)]
pub struct Kind {
    /// `PROVIDER.KIND`, as [`crate::Address::qualified_kind`] gives it.
    pub name: &'static str,
    /// The layer it belongs to.
    pub layer: Layer,
    /// Checks a spec and brings it to normal form: unknown fields and wrong types refused, defaults filled in.
    pub normalize: fn(&Value) -> Result<Value, SpecError>,
    /// Top-level fields the API can change in place; a change of any other field replaces the object.
    pub in_place: &'static [&'static str],
    /// Top-level list fields whose order means nothing.
    pub sets: &'static [&'static str],
    /// Top-level fields that can't be read back; compared by a digest kept in a mark.
    pub opaque: &'static [&'static str],
    /// Found by name, so a replacement must delete first.
    pub named: bool,
    /// Outputs others may refer to.
    pub outputs: &'static [&'static str],
    /// Seconds that creating one takes, before our own journals know better.
    pub seconds: u32,
    /// API calls that creating one takes.
    pub calls: u32,
}

/// Why a spec does not fit its kind. `path` is a JSON pointer-like path for finding the place in the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct SpecError {
    /// Dotted path of the field: `ingress[0].port`.
    pub path: String,
    /// What is wrong there.
    pub why: String,
}

/// [`Kind::normalize`] for a serde type: through the type and back, so defaults are filled and nothing unknown stays.
pub fn through<T: serde::de::DeserializeOwned + Serialize>(
    spec: &Value,
) -> Result<Value, SpecError> {
    let typed: T = serde_path_to_error::deserialize(spec).map_err(|error| SpecError {
        path: error.path().to_string(),
        why: error.inner().to_string(),
    })?;
    serde_json::to_value(typed).map_err(|error| SpecError {
        path: String::new(),
        why: error.to_string(),
    })
}
