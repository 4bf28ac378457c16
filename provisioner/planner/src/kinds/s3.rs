//! Object-store kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::{Tags, spec, yes};
use crate::kind::{Kind, Layer, through};
use crate::reference::Late;

/// How long nobody may delete a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// `governance` or `compliance`.
    pub mode: String,
    /// Days of default retention.
    pub days: i32,
}

spec! {
    /// `s3.bucket`. Ownership is proved by bucket tags.
    Bucket {
        /// Name, 3 to 63 characters.
        name: String,
        /// Keep old versions.
        #[serde(default = "yes")] versioning: bool,
        /// Server-side encryption: `AES256`, or empty for the store's default.
        #[serde(default)] encryption: String,
        /// Default retention; only at creation.
        #[serde(default, skip_serializing_if = "Option::is_none")] object_lock: Option<ObjectLock>,
        /// Bucket policy document.
        #[serde(default, skip_serializing_if = "Option::is_none")] policy: Option<Value>,
        /// Refuse every public access (where the store knows PublicAccessBlock).
        #[serde(default = "yes")] block_public_access: bool,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `s3.generation`: the state of the generation, as a tag on its data bucket. Written when everything it depends on is done.
    GenerationMark {
        /// The bucket's name.
        bucket: Late<String>,
        /// `validated`, `live`, `retired`.
        state: String,
    }
}

const BASE: Kind = Kind {
    name: "s3.bucket",
    layer: Layer::Storage,
    normalize: through::<Bucket>,
    in_place: &[
        "versioning",
        "encryption",
        "policy",
        "block_public_access",
        "tags",
    ],
    sets: &[],
    opaque: &[],
    named: true,
    outputs: &["id", "name", "arn"],
    seconds: 3,
    calls: 7,
};

/// The object-store part of the catalogue.
pub const KINDS: &[Kind] = &[
    BASE,
    Kind {
        name: "s3.generation",
        layer: Layer::Validation,
        normalize: through::<GenerationMark>,
        in_place: &["state"],
        named: false,
        outputs: &["id"],
        seconds: 1,
        calls: 2,
        ..BASE
    },
];
