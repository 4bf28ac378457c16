//! Who may approve.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ssh_key::public::KeyData;

use crate::key::{self, Fingerprint, PublicKeyError};
use crate::statement;

/// Approvers a policy may have.
const MOST_APPROVERS: usize = 256;
/// Revoked fingerprints a policy may have.
const MOST_REVOKED: usize = 4096;

/// One key of one person. A person with two keys stands there twice, under the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The person's name; what counts as one.
    pub name: String,
    /// An OpenSSH public key line, or `ed25519:` and the base64 of 32 bytes.
    pub key: String,
}

/// Who may approve, how many are needed, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Keys with the names of those who hold them.
    pub approvers: Vec<Approver>,
    /// Fingerprints of keys that count no more, whoever holds them.
    #[serde(default)]
    pub revoked: Vec<Fingerprint>,
    /// How many different people must approve; at least one.
    pub needed: u8,
    /// How long an approval holds at most, from when it was signed: `8h`, or ISO 8601.
    #[schemars(with = "String")]
    pub valid_for: SignedDuration,
}

/// Why a policy is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No approval would be needed.
    #[error("the policy asks for no approval: `needed` is 0")]
    NoneNeeded,
    /// More people are needed than there are.
    #[error(
        "the policy asks for {needed} approvals, but only {there} approvers have a key that is not revoked"
    )]
    Unreachable {
        /// How many are needed.
        needed: u8,
        /// How many there are.
        there: usize,
    },
    /// Approvals would hold for no time.
    #[error("the policy's `valid_for` is not more than zero")]
    NoTime,
    /// More than are read.
    #[error("the policy has more than {0} approvers or revoked keys")]
    TooMany(usize),
    /// A name that can't be one.
    #[error("the name of approver {place} {why}")]
    Name {
        /// Place in the list, from 1.
        place: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A key that can't be one.
    #[error("the key of approver `{name}` is not taken: {why}")]
    Key {
        /// Whose.
        name: String,
        /// What is wrong with it.
        why: PublicKeyError,
    },
    /// The same key twice.
    #[error("the key {fingerprint} stands under `{first}` and again under `{second}`")]
    SameKey {
        /// The key.
        fingerprint: Fingerprint,
        /// Where it stands first.
        first: String,
        /// Where it stands again.
        second: String,
    },
    /// Two spellings of what may be one person.
    #[error("the approvers `{0}` and `{1}` differ only in upper and lower case")]
    Alike(String, String),
}

/// A policy whose keys were read.
pub(crate) struct Checked {
    /// By fingerprint: who holds it, and the key.
    pub(crate) keys: BTreeMap<Fingerprint, (String, KeyData)>,
    pub(crate) names: BTreeSet<String>,
    pub(crate) revoked: BTreeSet<Fingerprint>,
}

impl Policy {
    /// Whether it can be used.
    ///
    /// # Errors
    /// When a name or a key is none, a key stands there twice, or it asks for nobody or for more than there are.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.checked().map(|_| ())
    }

    pub(crate) fn checked(&self) -> Result<Checked, PolicyError> {
        if self.needed == 0 {
            return Err(PolicyError::NoneNeeded);
        }
        if self.valid_for <= SignedDuration::ZERO {
            return Err(PolicyError::NoTime);
        }
        if self.approvers.len() > MOST_APPROVERS {
            return Err(PolicyError::TooMany(MOST_APPROVERS));
        }
        if self.revoked.len() > MOST_REVOKED {
            return Err(PolicyError::TooMany(MOST_REVOKED));
        }
        let revoked: BTreeSet<Fingerprint> = self.revoked.iter().cloned().collect();
        let mut keys: BTreeMap<Fingerprint, (String, KeyData)> = BTreeMap::new();
        let mut spellings: BTreeMap<String, &str> = BTreeMap::new();
        for (index, Approver { name, key }) in self.approvers.iter().enumerate() {
            statement::name(name).map_err(|why| PolicyError::Name {
                place: index + 1,
                why: why.to_owned(),
            })?;
            let spelling = spellings.entry(name.to_lowercase()).or_insert(name);
            if spelling != name {
                return Err(PolicyError::Alike((*spelling).to_owned(), name.clone()));
            }
            let data = key::public(key).map_err(|why| PolicyError::Key {
                name: name.clone(),
                why,
            })?;
            let fingerprint = Fingerprint::of(&data);
            if let Some((first, _)) = keys.get(&fingerprint) {
                return Err(PolicyError::SameKey {
                    first: first.clone(),
                    second: name.clone(),
                    fingerprint,
                });
            }
            keys.insert(fingerprint, (name.clone(), data));
        }
        let able: BTreeSet<&String> = keys
            .iter()
            .filter(|(fingerprint, _)| !revoked.contains(fingerprint))
            .map(|(_, (name, _))| name)
            .collect();
        if able.len() < usize::from(self.needed) {
            return Err(PolicyError::Unreachable {
                needed: self.needed,
                there: able.len(),
            });
        }
        let names = keys.values().map(|(name, _)| name.clone()).collect();
        Ok(Checked {
            keys,
            names,
            revoked,
        })
    }
}
