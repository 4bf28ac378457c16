//! What the old environment's things are called.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of name an identifier is: it decides what may stand around it in a text.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierKind {
    /// A cloud's id: `i-0abc`, `sg-0abc`, a generation's id.
    Id,
    /// An Amazon resource name.
    Arn,
    /// The IPv4 or IPv6 address of an instance, a network interface or an elastic address.
    Address,
    /// A range of addresses. Private ones are not looked for.
    Cidr,
    /// A name: of a key pair, a role, a bucket.
    Name,
    /// An access key id, `AKIA…`, or a public key.
    Key,
    /// Fingerprint of a key: `SHA256:…` or hex with colons.
    Fingerprint,
    /// Digest of an image: `sha256:` and hex.
    Digest,
    /// An account: 12 digits.
    Account,
    /// A DNS name.
    Host,
}

impl std::fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Arn => "ARN",
            Self::Address => "address",
            Self::Cidr => "address range",
            Self::Name => "name",
            Self::Key => "key",
            Self::Fingerprint => "key fingerprint",
            Self::Digest => "image digest",
            Self::Account => "account",
            Self::Host => "host name",
        })
    }
}

/// One name of one old thing.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// What kind of name.
    pub kind: IdentifierKind,
    /// The name itself.
    pub value: String,
    /// What it is of, and where that was read: `terraform aws_instance.web: private_ip`.
    pub origin: String,
}

/// Everything known of the old environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OldInventory {
    /// Its names. Of equal ones the first counts.
    pub identifiers: Vec<Identifier>,
}

impl OldInventory {
    /// Adds what another source knows.
    pub fn merge(&mut self, other: Self) {
        let known: BTreeSet<(IdentifierKind, String)> = self
            .identifiers
            .iter()
            .map(|known| (known.kind, known.value.clone()))
            .collect();
        self.identifiers.extend(
            other
                .identifiers
                .into_iter()
                .filter(|new| !known.contains(&(new.kind, new.value.clone()))),
        );
    }
}

/// Collects identifiers, each once.
#[derive(Default)]
pub(super) struct Collector {
    seen: BTreeSet<(IdentifierKind, String)>,
    found: Vec<Identifier>,
}

impl Collector {
    pub(super) fn add(&mut self, kind: IdentifierKind, value: &str, origin: &str) {
        if value.is_empty() || !self.seen.insert((kind, value.to_owned())) {
            return;
        }
        self.found.push(Identifier {
            kind,
            value: value.to_owned(),
            origin: origin.to_owned(),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    pub(super) fn finish(self) -> OldInventory {
        OldInventory {
            identifiers: self.found,
        }
    }
}

/// `i-0abc…`, `eipalloc-…`: a prefix of letters and 8 or 17 hex digits (EC2 User Guide, "Resource IDs").
pub(super) fn is_cloud_id(text: &str) -> bool {
    let Some((prefix, digits)) = text.rsplit_once('-') else {
        return false;
    };
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    !prefix.is_empty()
        && prefix.len() <= 24
        && prefix.bytes().all(letters)
        && matches!(digits.len(), 8 | 17)
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The account in an ARN, `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE` (AWS General Reference).
pub(super) fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?
        .split(':')
        .nth(3)
        .filter(|account| is_account(account))
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
