//! What stands beside a secret: KV v2 metadata, and our marks in its `custom_metadata`.

use std::collections::BTreeMap;

use planner::identity::metadata as key;
use planner::reference::Outputs;
use planner::{Address, Generation, Observed};
use serde::Deserialize;
use serde_json::{Value, json};

/// Token of the last rotation that was done, so that it is done once.
pub(crate) const TOKEN: &str = "rebuild_token";
const PUBLIC_KEY: &str = "rebuild_public_key";
const CERTIFICATE: &str = "rebuild_certificate";
/// Outputs everybody may know, and the key each is kept under.
pub(crate) const PUBLIC: [(&str, &str); 2] =
    [("public-key", PUBLIC_KEY), ("certificate", CERTIFICATE)];

/// `MOUNT/metadata/PATH` (API: KV v2, "Read secret metadata").
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub current_version: u64,
    #[serde(default)]
    pub custom_metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub versions: BTreeMap<String, Version>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Version {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

impl Metadata {
    pub fn mark(&self, name: &str) -> Option<&str> {
        self.custom_metadata.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether its newest version can be read.
    pub fn has_value(&self) -> bool {
        self.versions
            .get(&self.current_version.to_string())
            .is_some_and(|version| !version.destroyed && version.deletion_time.is_empty())
    }

    /// Nobody ever wrote anything here: neither a value nor marks.
    pub fn is_blank(&self) -> bool {
        self.current_version == 0 && self.custom_metadata.as_ref().is_none_or(BTreeMap::is_empty)
    }

    pub fn is_of(&self, environment: &str, generation: &Generation, address: &Address) -> bool {
        self.mark(key::ENVIRONMENT) == Some(environment)
            && self.mark(key::GENERATION) == Some(generation.as_str())
            && self.mark(key::ADDRESS) == Some(address.to_string().as_str())
    }

    pub fn outputs(&self, mount: &str, path: &str) -> Outputs {
        let mut outputs = Outputs::from([
            ("id".to_owned(), json!(format!("{mount}/{path}"))),
            ("version".to_owned(), json!(self.current_version)),
        ]);
        for (output, name) in PUBLIC {
            if let Some(value) = self.mark(name) {
                outputs.insert(output.to_owned(), json!(value));
            }
        }
        outputs
    }

    /// The object these marks speak of, if they are the environment's.
    pub fn observed(&self, environment: &str, mount: &str, path: &str) -> Option<Observed> {
        if self.mark(key::ENVIRONMENT) != Some(environment) {
            return None;
        }
        Some(Observed {
            address: self.mark(key::ADDRESS)?.parse().ok()?,
            generation: self.mark(key::GENERATION)?.parse().ok()?,
            id: format!("{mount}/{path}"),
            spec: json!({"mount": mount, "path": path}),
            outputs: self.outputs(mount, path),
            digest: self.mark(key::DIGEST).map(str::to_owned),
            ready: self.has_value(),
            marks: BTreeMap::from([("environment".to_owned(), environment.to_owned())]),
        })
    }
}

/// The body that sets marks; it replaces all that were there.
pub(crate) fn body(marks: &BTreeMap<String, String>) -> Value {
    json!({"custom_metadata": marks})
}
