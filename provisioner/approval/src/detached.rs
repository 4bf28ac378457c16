//! Signatures over any bytes, beside them: SSHSIG, what `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks.

use ssh_key::public::KeyData;
use ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};

use crate::key::{self, Fingerprint, PrivateKey};

/// Bytes an armoured signature may have.
pub const LARGEST: usize = 16 << 10;

/// Why a signature is not taken, or none is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetachedError {
    /// Not an SSH signature, or not in its one spelling.
    #[error("it is no SSH signature in its canonical form")]
    Malformed,
    /// Made by a key that is not trusted.
    #[error("it is made with the key {found}, trusted is {trusted}")]
    OtherKey {
        /// The trusted key.
        trusted: Fingerprint,
        /// The key that signed.
        found: Fingerprint,
    },
    /// Made for another purpose.
    #[error("it is for the namespace `{found}`, not for `{wanted}`")]
    Namespace {
        /// The namespace asked for.
        wanted: String,
        /// The signature's.
        found: String,
    },
    /// It is over other bytes.
    #[error("it is not one over these bytes")]
    Signature,
    /// Made by a hardware token that nobody touched.
    #[error("the hardware token that made it was not touched")]
    NotTouched,
    /// The key is refused.
    #[error("the key can't be used: {0}")]
    Key(String),
}

/// Signs bytes for a purpose, which the namespace names. Armoured text, as `ssh-keygen` writes it.
///
/// # Errors
/// When the namespace is empty or the key can't sign.
pub fn sign(key: &PrivateKey, namespace: &str, bytes: &[u8]) -> Result<String, DetachedError> {
    key.0
        .sign(namespace, HashAlg::Sha512, bytes)
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(|error| DetachedError::Key(error.to_string()))
}

/// Whether `signature` is one by the trusted key over these bytes and for this purpose. The key itself is in the signature; its
/// fingerprint, a SHA-256, is as good as it.
///
/// # Errors
/// When it is not.
pub fn verify(
    trusted: &Fingerprint,
    namespace: &str,
    bytes: &[u8],
    signature: &str,
) -> Result<(), DetachedError> {
    if signature.len() > LARGEST {
        return Err(DetachedError::Malformed);
    }
    let parsed = SshSig::from_pem(signature).map_err(|_| DetachedError::Malformed)?;
    if parsed.to_pem(LineEnding::LF).ok().as_deref() != Some(signature) {
        return Err(DetachedError::Malformed);
    }
    let found = Fingerprint::of(parsed.public_key());
    if found != *trusted {
        return Err(DetachedError::OtherKey {
            trusted: trusted.clone(),
            found,
        });
    }
    key::usable(parsed.public_key()).map_err(|error| DetachedError::Key(error.to_string()))?;
    check(&parsed, parsed.public_key(), namespace, bytes)
}

/// Whether `signature` is one of `key` over the bytes.
pub(crate) fn check(
    signature: &SshSig,
    key: &KeyData,
    namespace: &str,
    bytes: &[u8],
) -> Result<(), DetachedError> {
    if signature.namespace() != namespace {
        return Err(DetachedError::Namespace {
            wanted: namespace.to_owned(),
            found: signature.namespace().chars().take(64).collect(),
        });
    }
    PublicKey::from(key.clone())
        .verify(namespace, bytes, signature)
        .map_err(|_| DetachedError::Signature)?;
    // A token's signature ends with one byte of flags, of which bit 0 is the user's presence, and a counter of four bytes
    // (OpenSSH `PROTOCOL.u2f`, "SSH U2F Signatures").
    let hardware = matches!(key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_));
    let signed = signature.signature_bytes();
    let touched = signed
        .len()
        .checked_sub(5)
        .and_then(|at| signed.get(at))
        .is_some_and(|flags| flags & 1 == 1);
    if hardware && !touched {
        return Err(DetachedError::NotTouched);
    }
    Ok(())
}
