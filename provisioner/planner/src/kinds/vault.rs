//! Vault kinds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::spec;
use crate::kind::{Kind, Layer, through};

/// How a secret's value is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Generator {
    /// Random bytes, as text. Field `value`.
    Random {
        /// Bytes, 16 to 1024.
        bytes: u16,
        /// `hex`, `base64` or `base64url`.
        encoding: Encoding,
    },
    /// A password. Field `value`.
    Password {
        /// Characters, 12 to 1024.
        length: u16,
        /// At least so many of each class.
        #[serde(default = "one")]
        lower: u16,
        /// Upper-case letters.
        #[serde(default = "one")]
        upper: u16,
        /// Digits.
        #[serde(default = "one")]
        digits: u16,
        /// Symbols from `!#%+,-.:=@^_~`.
        #[serde(default)]
        symbols: u16,
    },
    /// A random UUID (RFC 9562, version 4). Field `value`.
    Uuid,
    /// An Ed25519 key pair: fields `private-key` (PKCS#8 PEM) and `public-key` (OpenSSH).
    Ed25519,
    /// A TLS key and a certificate for it: fields `private-key`, `certificate` (PEM). Self-signed.
    Tls {
        /// Common name.
        common_name: String,
        /// DNS names and addresses.
        #[serde(default)]
        names: Vec<String>,
        /// Days it is valid, at most 825.
        days: u16,
    },
}

fn one() -> u16 {
    1
}

/// Text form of random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 4648 §8, lower case.
    Hex,
    /// RFC 4648 §4.
    Base64,
    /// RFC 4648 §5, no padding.
    Base64url,
}

spec! {
    /// `vault.secret`: a fresh value in KV v2 at `MOUNT/PATH`, written with check-and-set. Kept on a second run; renewed by a `rotate` step.
    Secret {
        /// KV v2 mount: `secret`.
        mount: String,
        /// Path below it; carries environment and generation.
        path: String,
        /// How its value is made.
        generator: Generator,
    }
}

/// The Vault part of the catalogue.
pub const KINDS: &[Kind] = &[Kind {
    name: "vault.secret",
    layer: Layer::Secrets,
    normalize: through::<Secret>,
    in_place: &[],
    sets: &[],
    opaque: &["generator"],
    named: true,
    outputs: &["id", "version", "public-key", "certificate"],
    seconds: 1,
    calls: 2,
}];
