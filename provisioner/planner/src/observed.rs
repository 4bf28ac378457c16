//! What the providers found when they asked the clouds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::identity::Generation;
use crate::reference::Outputs;

/// The mark that names who else writes fields of an object.
pub const OTHER_MANAGERS: &str = "other-managers";

/// The mark of a Kubernetes object that is being deleted, or whose namespace is: as good as gone, its place is taken anew.
pub const ENDING: &str = "ending";

/// Beside `object` in the spec of an observed Kubernetes object: the object as far as its fields are ours, so that what is declared no
/// more is seen. Absent where the provider can't tell.
pub const APPLIED: &str = "applied";

/// An object that carries our ownership marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// The address in its marks.
    pub address: Address,
    /// The generation in its marks.
    pub generation: Generation,
    /// The provider's own id: `vpc-0a1b`, an ARN, a UID, a Vault path.
    pub id: String,
    /// Its state in the normal form of its kind; a field that can't be read back is absent.
    pub spec: Value,
    /// What other resources may refer to.
    pub outputs: Outputs,
    /// The digest mark of fields that can't be read back, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `false` while the provider still works on it (pending, deleting excluded).
    pub ready: bool,
    /// Further marks: the generation's state, the backup a seed came from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, String>,
}

/// An object that stands where one of ours would go but does not carry our marks. Never touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Foreign {
    /// The address whose place it takes.
    pub address: Address,
    /// The provider's id of it.
    pub id: String,
    /// What shows that it is not ours.
    pub why: String,
}

/// All that was observed, over every generation of the environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// Our objects, sorted by generation and address.
    pub objects: Vec<Observed>,
    /// What is in our way.
    pub foreign: Vec<Foreign>,
}

impl Inventory {
    /// Adds another provider's answer, keeping the order.
    pub fn merge(&mut self, other: Inventory) {
        self.objects.extend(other.objects);
        self.foreign.extend(other.foreign);
        self.objects.sort_by(|a, b| {
            (&a.generation, &a.address, &a.id).cmp(&(&b.generation, &b.address, &b.id))
        });
        self.foreign.sort();
    }
}
