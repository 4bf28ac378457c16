//! The plan: an immutable value that says everything that will be done, and nothing that is decided later.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::canonical;
use crate::finding::{Finding, Severity};
use crate::identity::Generation;
use crate::kind::Layer;
use crate::scenario::{Incident, Scenario};

/// The version of the plan file's format; another one is refused.
pub const FORMAT: u32 = 2;

/// What a step does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Make what is not there.
    Create,
    /// Change in place.
    Update,
    /// Add in place what was held back until the generation was validated; `object` is absent where an earlier step makes it.
    Open,
    /// Make anew under a new identity; the old object goes in a `delete` step of its own.
    Replace,
    /// Remove what is ours and no longer wanted.
    Delete,
    /// Renew a secret.
    Rotate,
    /// Bring data from the pinned backup.
    Seed,
    /// Look whether the result holds. Changes nothing.
    Check,
}

impl Action {
    /// Whether the step changes anything anywhere.
    pub fn mutates(self) -> bool {
        self != Self::Check
    }
}

/// How one field differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Dotted path: `ingress[0].ports`.
    pub path: String,
    /// What is there; absent when the field is new or can't be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is wanted; absent when the field goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// This change is why the object is replaced.
    #[serde(default)]
    pub forces_replacement: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// `ACTION ADDRESS`, unique in the plan: `create ec2.vpc.main`.
    pub id: String,
    /// What is done.
    pub action: Action,
    /// To what.
    pub address: Address,
    /// The group it is shown in.
    pub layer: Layer,
    /// Ids of steps that must be done first.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// The wanted spec, in normal form; values known after apply are `{"unknown": …}`. Null for a delete.
    pub spec: Value,
    /// The existing object's id, for update, delete and rotate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Field by field, what differs.
    #[serde(default)]
    pub changes: Vec<FieldChange>,
    /// The idempotency token of the effect ([`crate::identity::client_token`]).
    pub token: String,
    /// Digest of the fields that can't be read back, for the mark; empty when the kind has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Why, in one line, where it is not plain: the cause of a replacement or a rotation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Estimated seconds.
    pub seconds: u32,
    /// Estimated API calls.
    pub calls: u32,
}

/// Which generation a plan builds, and whether it is there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Environment's name.
    pub environment: String,
    /// The generation.
    pub generation: Generation,
    /// No object of it exists yet.
    pub fresh: bool,
    /// Account, region, cluster, Vault: what apply must find itself at.
    pub places: BTreeMap<String, String>,
}

/// The one version of one backup that a plan stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PinnedBackup {
    /// What the operator asks for: `natlangchain_20261123_033004_weekly`.
    pub id: String,
    /// `s3://bucket/key`, `gs://bucket/key` or a path.
    pub location: String,
    /// Object version, where the store has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Stored bytes.
    pub size: u64,
    /// Lower-case hex SHA-256 of the stored bytes.
    pub sha256: String,
    /// Format name: `natlangchain`.
    pub format: String,
    /// Head hash of the chain.
    pub head: String,
    /// Blocks in the chain.
    pub blocks: u64,
    /// Entries in the chain.
    pub entries: u64,
    /// When it was written.
    #[schemars(with = "String")]
    pub written: jiff::Timestamp,
}

/// What the plan will cost in time and calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimates {
    /// Predicted seconds to the end along the critical path: the predicted RTO.
    pub rto_seconds: u64,
    /// The objective, seconds.
    pub rto_objective_seconds: u64,
    /// Age of the backup at planning, seconds: the RPO that will be achieved.
    pub rpo_seconds: u64,
    /// The objective, seconds.
    pub rpo_objective_seconds: u64,
    /// Ids of the steps along the critical path.
    pub critical_path: Vec<String>,
    /// API calls by provider.
    pub calls: BTreeMap<String, u64>,
}

/// Everything that will be done, in one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the tool that made it.
    pub tool: String,
    /// When it was made.
    #[schemars(with = "String")]
    pub created: jiff::Timestamp,
    /// What it is made for.
    pub scenario: Scenario,
    /// The breach it answers, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<Incident>,
    /// What it builds.
    pub target: Target,
    /// SHA-256 of every input, by path or name: environment, templates, overlays, inventory.
    pub inputs: BTreeMap<String, String>,
    /// The backup it stands on; absent only when nothing is seeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PinnedBackup>,
    /// What to do, sorted by layer and address.
    pub steps: Vec<Step>,
    /// Addresses that are as wanted already.
    pub unchanged: Vec<Address>,
    /// Remarks of the checks, the gravest first.
    pub findings: Vec<Finding>,
    /// Time and calls.
    pub estimates: Estimates,
    /// SHA-256 of the canonical JSON of all the above.
    pub hash: String,
}

impl Plan {
    /// The hash that the plan's contents call for.
    ///
    /// # Errors
    /// Never for a plan made by the planner; serde's error otherwise.
    pub fn computed_hash(&self) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        if let Some(map) = value.as_object_mut() {
            map.remove("hash");
        }
        Ok(canonical::digest(&value))
    }

    /// Whether applying would change anything. Checks alone change nothing.
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| step.action.mutates())
    }

    /// Whether a finding forbids applying.
    pub fn is_blocked(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }
}
