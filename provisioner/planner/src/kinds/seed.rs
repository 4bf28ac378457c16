//! Seeding data from the pinned backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::spec;
use crate::kind::{Kind, Layer, through};
use crate::reference::Late;

/// Which field of which secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretField {
    /// KV v2 mount.
    pub mount: String,
    /// Path below it.
    pub path: String,
    /// Field of the secret.
    pub field: String,
}

spec! {
    /// `seed.object`: the pinned backup, verified again, re-encrypted with the fresh key, in the generation's bucket.
    ///
    /// The object's metadata records what it was seeded from (sha256, head, generation); never written over data of another origin.
    Object {
        /// The bucket's name.
        bucket: Late<String>,
        /// Key of the object.
        key: String,
        /// The fresh data key: a passphrase for `ENC:1`.
        encrypt_with: SecretField,
        /// Digest of the backup's stored bytes: the pin.
        sha256: String,
        /// The damaged object it is written over, where one is there; that stays as an older version.
        #[serde(default, skip_serializing_if = "Option::is_none")] over: Option<Damaged>,
    }
}
spec! {
    /// The very object that proved damaged.
    Damaged {
        /// Its version.
        version: String,
        /// Its entity tag.
        etag: String,
    }
}

/// The seeding part of the catalogue.
pub const KINDS: &[Kind] = &[Kind {
    name: "seed.object",
    layer: Layer::Seed,
    normalize: through::<Object>,
    in_place: &[],
    sets: &[],
    opaque: &[],
    named: true,
    outputs: &["id", "version"],
    seconds: 20,
    calls: 6,
}];
