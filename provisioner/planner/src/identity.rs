//! Names, tokens and marks: what makes an effect happen once and an object provably ours.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::canonical;

/// The id of one fresh build of an environment: `YYYYMMDD-xxxx`, the UTC day it was planned and four random hex digits.
///
/// Fits a DNS label, so that names and namespaces can carry it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Generation(String);

/// What ids of generations begin with that are built to be thrown away.
pub const DRILL: &str = "drill-";

/// A text that is no generation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a generation id: it needs 1 to 24 lower-case letters, digits and inner dashes"
)]
pub struct GenerationError(String);

impl Generation {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is built to be thrown away. The id says so, since that is what even the first object of it carries.
    pub fn is_drill(&self) -> bool {
        self.0.starts_with(DRILL)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Generation {
    type Err = GenerationError;

    fn from_str(text: &str) -> Result<Self, GenerationError> {
        let well_formed = !text.is_empty()
            && text.len() <= 24
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(GenerationError(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for Generation {
    type Error = GenerationError;

    fn try_from(text: String) -> Result<Self, GenerationError> {
        text.parse()
    }
}

impl From<Generation> for String {
    fn from(generation: Generation) -> Self {
        generation.0
    }
}

/// AWS tag keys (EC2, IAM, S3) that prove ownership.
pub mod tags {
    /// The environment's name.
    pub const ENVIRONMENT: &str = "rebuild:environment";
    /// The generation's id.
    pub const GENERATION: &str = "rebuild:generation";
    /// The resource's address.
    pub const ADDRESS: &str = "rebuild:address";
    /// Digest of the fields that can't be read back ([`crate::Kind::opaque`]).
    pub const DIGEST: &str = "rebuild:digest";
    /// State of the generation, on the bucket it was seeded to.
    pub const STATE: &str = "rebuild:state";
}

/// Kubernetes labels and annotations that prove ownership.
pub mod labels {
    /// Label: the environment's name.
    pub const ENVIRONMENT: &str = "rebuild.dev/environment";
    /// Label: the generation's id.
    pub const GENERATION: &str = "rebuild.dev/generation";
    /// Annotation: the resource's address.
    pub const ADDRESS: &str = "rebuild.dev/address";
    /// Annotation: digest of what was applied.
    pub const DIGEST: &str = "rebuild.dev/digest";
    /// The one field manager of server-side apply.
    pub const FIELD_MANAGER: &str = "rebuild";
}

/// Keys of Vault KV v2 `custom_metadata` that prove ownership.
pub mod metadata {
    /// The environment's name.
    pub const ENVIRONMENT: &str = "rebuild_environment";
    /// The generation's id.
    pub const GENERATION: &str = "rebuild_generation";
    /// The resource's address.
    pub const ADDRESS: &str = "rebuild_address";
    /// Digest of the generator's declaration.
    pub const DIGEST: &str = "rebuild_digest";
}

/// `ENV-GENERATION-NAME`, cut to `limit` characters with eight hex digits of its hash where it would be longer.
///
/// For things that are found by name (IAM, key pairs, buckets); ownership is proved by tags, never by the name.
pub fn scoped_name(environment: &str, generation: &Generation, name: &str, limit: usize) -> String {
    let whole = format!("{environment}-{generation}-{name}");
    if whole.chars().count() <= limit {
        return whole;
    }
    let hash = &canonical::digest_bytes(whole.as_bytes())[..8];
    let kept: String = whole.chars().take(limit.saturating_sub(9)).collect();
    format!("{}-{hash}", kept.trim_end_matches(['-', '.']))
}

/// The idempotency token of a create: 64 hex digits from generation, address and the digest of the wanted spec.
///
/// EC2's `ClientToken` takes up to 64 ASCII characters (EC2 API Reference, "Ensuring idempotency").
pub fn client_token(generation: &Generation, address: &Address, spec_digest: &str) -> String {
    canonical::digest_bytes(format!("{generation}\n{address}\n{spec_digest}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_their_limit_and_stay_apart() {
        let generation: Generation = "20261124-7f3a".parse().unwrap();
        assert_eq!(
            scoped_name("sandbox", &generation, "api", 63),
            "sandbox-20261124-7f3a-api"
        );
        let (a, b) = ("x".repeat(80) + "a", "x".repeat(80) + "b");
        let (a, b) = (
            scoped_name("sandbox", &generation, &a, 63),
            scoped_name("sandbox", &generation, &b, 63),
        );
        assert!(a.len() <= 63 && b.len() <= 63 && a != b);
    }

    #[test]
    fn generation_ids() {
        assert!("20261124-7f3a".parse::<Generation>().is_ok());
        for text in ["", "-a", "a-", "A", "a b", "aaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(text.parse::<Generation>().is_err(), "{text:?}");
        }
    }
}
