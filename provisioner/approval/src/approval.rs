//! The approval file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ssh_key::public::KeyData;
use ssh_key::{LineEnding, SshSig};

use crate::detached::{self, DetachedError};
use crate::key::{self, Fingerprint, PrivateKey};
use crate::statement::{FORMAT, NAMESPACE, Statement, StatementError};

/// Bytes an approval file may have.
pub const LARGEST: usize = 16 << 10;

/// A signed statement: one file, canonical JSON and a line feed.
// The fields stand in the order of their names, which makes the JSON canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The SSHSIG over [`Statement::bytes`], armoured as `ssh-keygen -Y sign` writes it.
    pub signature: String,
    /// What is signed.
    pub statement: Statement,
}

/// Why bytes are no approval.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Larger than [`LARGEST`].
    #[error("it has {0} bytes; at most {LARGEST} are read")]
    TooLarge(usize),
    /// Another version of the format.
    #[error("it has format {0}; this tool reads format {FORMAT}")]
    Format(String),
    /// Not the JSON of an approval.
    #[error("it is no approval: {0}")]
    Malformed(serde_json::Error),
    /// The JSON of an approval in another spelling than its only one, in which nothing can hide.
    #[error("it is not the canonical JSON of an approval")]
    NotCanonical,
    /// A field can't have its value.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The signature is no SSHSIG.
    #[error("its signature is no SSH signature in its canonical form")]
    Signature,
}

/// Why a statement can't be signed, or a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The statement names another key.
    #[error("the statement is to be signed with the key {expected}, not with {found}")]
    OtherKey {
        /// The key that the statement names.
        expected: Fingerprint,
        /// The key that signs.
        found: Fingerprint,
    },
    /// A field can't have its value.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Not an SSH signature.
    #[error("it is no SSH signature: that begins with `-----BEGIN SSH SIGNATURE-----`")]
    Malformed,
    /// Made for another purpose.
    #[error("the signature is for the namespace `{0}`, not for `{NAMESPACE}`")]
    Namespace(String),
    /// It is over other bytes than the statement's.
    #[error("the signature is not one over this statement")]
    Signature,
    /// Made by a hardware token that nobody touched.
    #[error("the hardware token did not see its owner: it was not touched")]
    NotTouched,
    /// The key is refused.
    #[error("the key can't be used: {0}")]
    Key(String),
}

/// Signs a statement.
///
/// # Errors
/// When the statement names another key or is none, or the key can't sign.
pub fn sign(statement: Statement, key: &PrivateKey) -> Result<Approval, SignError> {
    statement.check()?;
    same_key(&statement, key.fingerprint())?;
    let signature = detached::sign(key, NAMESPACE, &statement.bytes())
        .map_err(|error| SignError::Key(error.to_string()))?;
    Ok(Approval {
        signature,
        statement,
    })
}

impl Approval {
    /// Makes an approval of a statement and the signature that `ssh-keygen -Y sign -n rebuild-approval` made over its bytes.
    ///
    /// # Errors
    /// When it is no signature, or not one of the named key over these bytes.
    pub fn attach(statement: Statement, signature: &str) -> Result<Self, SignError> {
        statement.check()?;
        if signature.len() > LARGEST {
            return Err(SignError::Malformed);
        }
        let parsed = SshSig::from_pem(signature.trim()).map_err(|_| SignError::Malformed)?;
        same_key(&statement, Fingerprint::of(parsed.public_key()))?;
        key::usable(parsed.public_key()).map_err(|error| SignError::Key(error.to_string()))?;
        check(&parsed, parsed.public_key(), &statement)?;
        let signature = parsed
            .to_pem(LineEnding::LF)
            .map_err(|_| SignError::Malformed)?;
        Ok(Self {
            signature,
            statement,
        })
    }

    /// Reads an approval file, without judging the signature: that is [`crate::verify`]'s.
    ///
    /// # Errors
    /// When it is too large, of another format, or not the canonical JSON of an approval.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        Self::parse(bytes).map(|(approval, _)| approval)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, SshSig), Unreadable> {
        if bytes.len() > LARGEST {
            return Err(Unreadable::TooLarge(bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(Unreadable::Malformed)?;
        let format = value
            .pointer("/statement/format")
            .cloned()
            .unwrap_or(Value::Null);
        if format.as_u64() != Some(u64::from(FORMAT)) {
            return Err(Unreadable::Format(
                format.to_string().chars().take(40).collect(),
            ));
        }
        let approval: Self = serde_json::from_slice(bytes).map_err(Unreadable::Malformed)?;
        if approval.text().as_bytes() != bytes {
            return Err(Unreadable::NotCanonical);
        }
        approval.statement.check()?;
        let signature = SshSig::from_pem(&approval.signature).map_err(|_| Unreadable::Signature)?;
        if signature.to_pem(LineEnding::LF).ok().as_deref() != Some(approval.signature.as_str()) {
            return Err(Unreadable::Signature);
        }
        Ok((approval, signature))
    }

    /// The file's text: canonical JSON and a line feed.
    #[must_use]
    pub fn text(&self) -> String {
        // Only a map with keys that are no strings could fail, and there is none.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// The JSON Schema of the approval file. Checked in as `docs/approval.schema.json`.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Approval).to_value()
}

fn same_key(statement: &Statement, found: Fingerprint) -> Result<(), SignError> {
    if statement.fingerprint == found {
        return Ok(());
    }
    Err(SignError::OtherKey {
        expected: statement.fingerprint.clone(),
        found,
    })
}

/// Whether `signature` is one of `key` over the statement.
pub(crate) fn check(
    signature: &SshSig,
    key: &KeyData,
    statement: &Statement,
) -> Result<(), SignError> {
    detached::check(signature, key, NAMESPACE, &statement.bytes()).map_err(|error| match error {
        DetachedError::Namespace { found, .. } => SignError::Namespace(found),
        DetachedError::NotTouched => SignError::NotTouched,
        _ => SignError::Signature,
    })
}
