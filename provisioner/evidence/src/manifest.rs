//! What is in a bundle, in order.

use approval::Fingerprint;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The version of the bundle's format; another one is refused.
pub const FORMAT: u32 = 1;

/// Bytes a manifest may have: some hundred thousand entries.
pub const LARGEST_MANIFEST: u64 = 64 << 20;

/// What a bundle is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// What was found of an environment, before anything of it is touched.
    Evidence,
    /// What a run leaves.
    Report,
}

/// What is said of a bundle as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The environment's name.
    pub environment: String,
    /// The generations that it is about.
    pub generations: Vec<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// When it was begun.
    pub created: Timestamp,
    /// Name and version of the tool.
    pub tool: String,
}

/// Where something was read.
// In all that follows the fields stand in the order of their names, which makes the JSON canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The request, command or path: `DescribeInstances`, `GET /api/v1/pods`.
    pub call: String,
    /// What answered: `ec2.eu-central-1`, `kubernetes`, `journal`.
    pub service: String,
}

/// One thing that was read, or that could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Lower-case hex SHA-256 of the chain before (32 bytes; zeros before the first) and the canonical JSON of this entry without `chain`.
    pub chain: String,
    /// When it was read.
    #[schemars(with = "String")]
    pub collected_at: Timestamp,
    /// Why it could not be read. Then there is no file, no hash and no size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Its name in the bundle.
    pub name: String,
    /// Lower-case hex SHA-256 of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where it was read.
    pub source: Source,
}

/// The manifest of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// When it was begun.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// What is in it, in the order of collecting.
    pub entries: Vec<Entry>,
    /// The environment's name.
    pub environment: String,
    /// [`FORMAT`].
    pub format: u32,
    /// The generations that it is about.
    pub generations: Vec<String>,
    /// The last entry's `chain`; zeros when there is none.
    pub head: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The key that signs.
    #[schemars(with = "String")]
    pub signer: Fingerprint,
    /// Name and version of the tool.
    pub tool: String,
}

/// The chain before the first entry.
pub(crate) const START: [u8; 32] = [0; 32];

#[derive(Serialize)]
struct Unchained<'a> {
    collected_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    source: &'a Source,
}

impl Entry {
    /// The chain after this entry.
    pub(crate) fn link(&self, before: &[u8; 32]) -> [u8; 32] {
        let unchained = Unchained {
            collected_at: self.collected_at,
            missing: self.missing.as_deref(),
            name: &self.name,
            sha256: self.sha256.as_deref(),
            size: self.size,
            source: &self.source,
        };
        Sha256::new()
            .chain_update(before)
            .chain_update(text(&unchained))
            .finalize()
            .into()
    }
}

impl Manifest {
    /// The file's bytes: canonical JSON and a line feed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = text(self);
        bytes.push(b'\n');
        bytes
    }
}

fn text(value: &impl Serialize) -> Vec<u8> {
    // Only a map with keys that are no strings could fail, and there is none.
    serde_json::to_vec(value).unwrap_or_default()
}

/// The JSON Schema of `manifest.json`. Checked in as `docs/evidence-manifest.schema.json`.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Manifest).to_value()
}
