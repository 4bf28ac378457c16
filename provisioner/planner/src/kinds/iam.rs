//! IAM kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::{Tags, spec};
use crate::kind::{Kind, Layer, through};
use crate::reference::Late;

spec! {
    /// `iam.role` with its inline policy.
    Role {
        /// Name, at most 64 characters.
        name: String,
        /// What the role is for.
        #[serde(default)] description: String,
        /// Trust policy document.
        trust: Value,
        /// Managed policies by ARN.
        #[serde(default)] policies: Vec<Late<String>>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `iam.policy`: a managed policy.
    Policy {
        /// Name, at most 128 characters.
        name: String,
        /// What it allows, in words (can't be changed).
        #[serde(default)] description: String,
        /// Policy document.
        document: Value,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `iam.instance-profile`.
    InstanceProfile {
        /// Name, at most 128 characters.
        name: String,
        /// The role's name.
        role: Late<String>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}

const BASE: Kind = Kind {
    name: "iam.role",
    layer: Layer::Identity,
    normalize: through::<Role>,
    in_place: &["description", "trust", "policies", "tags"],
    sets: &["policies"],
    opaque: &[],
    named: true,
    outputs: &["id", "name", "arn"],
    seconds: 3,
    calls: 3,
};

/// The IAM part of the catalogue.
pub const KINDS: &[Kind] = &[
    BASE,
    Kind {
        name: "iam.policy",
        normalize: through::<Policy>,
        in_place: &["document", "tags"],
        sets: &[],
        ..BASE
    },
    // An instance profile takes seconds to be visible to EC2.
    Kind {
        name: "iam.instance-profile",
        normalize: through::<InstanceProfile>,
        in_place: &["role", "tags"],
        sets: &[],
        seconds: 10,
        ..BASE
    },
];
