//! Typed remarks of a check on a plan or a backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use manifest::Severity;

/// One remark: what was found, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// A stable code in kebab case: `network.overlap`, `image.without-digest`.
    pub code: String,
    /// What it is about: an address, a file place, a backup id.
    pub subject: String,
    /// What is the matter, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
