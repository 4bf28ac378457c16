//! Checks of the result. They change nothing and run on every apply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::spec;
use super::seed::SecretField;
use crate::kind::{Kind, Layer, through};
use crate::reference::Late;

/// A header whose value comes from Vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretHeader {
    /// `X-API-Key`.
    pub name: String,
    /// Where its value is.
    pub from: SecretField,
}

/// A JSON pointer (RFC 6901) and the value that must stand there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// `/valid`.
    pub pointer: String,
    /// The value.
    pub equals: Value,
}

spec! {
    /// `check.http`: a request whose answer must have a status and, if declared, JSON values.
    Http {
        /// Absolute URL.
        url: String,
        /// Status wanted.
        #[serde(default = "ok")] status: u16,
        /// Header from a secret.
        #[serde(default, skip_serializing_if = "Option::is_none")] header: Option<SecretHeader>,
        /// Values in the JSON answer.
        #[serde(default)] expect: Vec<Expectation>,
        /// Seconds to keep trying.
        #[serde(default = "minute")] deadline: u32,
    }
}
spec! {
    /// `check.workload`: every workload of the namespace is current by kstatus.
    Workload {
        /// Namespace.
        namespace: String,
        /// Seconds to keep trying.
        #[serde(default = "minute")] deadline: u32,
    }
}
spec! {
    /// `check.seed`: reads the seeded object back, decrypts it with the key in Vault and verifies the chain against the pin.
    Seed {
        /// The bucket's name.
        bucket: Late<String>,
        /// Key of the object.
        key: String,
        /// The data key.
        decrypt_with: SecretField,
        /// Head hash wanted.
        head: String,
        /// Blocks wanted.
        blocks: u64,
    }
}

spec! {
    /// `check.rotated`: a secret of an older generation and the one in its place are different values. The outputs are fingerprints under a
    /// key that ends with the process: they tell values of one run apart, and nothing else.
    Rotated {
        /// The older generation's.
        old: SecretField,
        /// The one in its place.
        new: SecretField,
    }
}
spec! {
    /// `check.refused`: a request with an older generation's credential is answered 401 or 403.
    Refused {
        /// Absolute URL.
        url: String,
        /// The old credential.
        header: SecretHeader,
        /// Seconds to keep trying.
        #[serde(default = "minute")] deadline: u32,
    }
}
spec! {
    /// `check.sealed`: an older generation's key does not open the seeded object.
    Sealed {
        /// The bucket's name.
        bucket: Late<String>,
        /// Key of the object.
        key: String,
        /// The old data key.
        decrypt_with: SecretField,
    }
}

fn ok() -> u16 {
    200
}

fn minute() -> u32 {
    60
}

const BASE: Kind = Kind {
    name: "check.http",
    layer: Layer::Validation,
    normalize: through::<Http>,
    in_place: &[],
    sets: &[],
    opaque: &[],
    named: false,
    outputs: &[],
    seconds: 2,
    calls: 1,
};

/// The checks' part of the catalogue.
pub const KINDS: &[Kind] = &[
    BASE,
    Kind {
        name: "check.workload",
        normalize: through::<Workload>,
        seconds: 20,
        ..BASE
    },
    Kind {
        name: "check.seed",
        normalize: through::<Seed>,
        seconds: 5,
        ..BASE
    },
    Kind {
        name: "check.rotated",
        normalize: through::<Rotated>,
        outputs: &["old", "new"],
        calls: 2,
        ..BASE
    },
    Kind {
        name: "check.refused",
        normalize: through::<Refused>,
        outputs: &["status"],
        ..BASE
    },
    Kind {
        name: "check.sealed",
        normalize: through::<Sealed>,
        seconds: 5,
        ..BASE
    },
];
