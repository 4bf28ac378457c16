//! Keys: public ones as OpenSSH writes them or as bare Ed25519, private ones from files.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{HashAlg, Kdf, PublicKey};

/// Bytes a key may have, public or private, as text.
const LARGEST: usize = 64 << 10;
/// Rounds of bcrypt that are waited for. `ssh-keygen` takes 24 unless told otherwise; a thousand take some ten seconds.
const MOST_ROUNDS: u32 = 1024;

/// `SHA256:` and the unpadded base64 of a public key's SHA-256, as `ssh-keygen -l` prints it.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Fingerprint(String);

/// The text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fingerprint: that is `SHA256:` and 43 characters of base64")]
pub struct FingerprintError(String);

impl Fingerprint {
    /// The fingerprint as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(key: &KeyData) -> Self {
        Self(key.fingerprint(HashAlg::Sha256).to_string())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let known = text
            .parse::<ssh_key::Fingerprint>()
            .ok()
            .filter(|parsed| parsed.is_sha256() && parsed.to_string() == text);
        match known {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(FingerprintError(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

/// Why a public key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Neither an OpenSSH public key line nor `ed25519:BASE64`.
    #[error("it is neither a line `ssh-ed25519 AAAA…` nor `ed25519:` and 32 bytes of base64")]
    Malformed,
    /// A kind of key whose signatures are not checked here.
    #[error("keys of the kind {0} are not taken; Ed25519 and ECDSA are, also in hardware, and RSA")]
    Unsupported(String),
    /// An RSA key of a size that is not checked.
    #[error("the RSA key has {0} bits; 2048 to 4096 are taken")]
    RsaSize(u32),
    /// A point of small order, for which signatures can be made without a private key.
    #[error("it is a weak key: signatures for it can be made by anyone")]
    Weak,
}

/// The fingerprint of a public key: an OpenSSH public key line, or `ed25519:` and the base64 of its 32 bytes.
///
/// # Errors
/// When it is none, or one of a kind whose signatures are not checked.
pub fn fingerprint_of(public_key: &str) -> Result<Fingerprint, PublicKeyError> {
    public(public_key).map(|key| Fingerprint::of(&key))
}

pub(crate) fn public(text: &str) -> Result<KeyData, PublicKeyError> {
    if text.len() > LARGEST {
        return Err(PublicKeyError::Malformed);
    }
    let key = match text.trim().strip_prefix("ed25519:") {
        Some(encoded) => {
            let bytes: [u8; 32] = STANDARD
                .decode(encoded)
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(PublicKeyError::Malformed)?;
            KeyData::Ed25519(Ed25519PublicKey(bytes))
        }
        None => PublicKey::from_openssh(text.trim())
            .map_err(|_| PublicKeyError::Malformed)?
            .key_data()
            .clone(),
    };
    usable(&key)?;
    Ok(key)
}

/// Whether signatures of such a key are checked.
pub(crate) fn usable(key: &KeyData) -> Result<(), PublicKeyError> {
    let curve = match key {
        KeyData::Ed25519(key) => key,
        KeyData::SkEd25519(key) => key.public_key(),
        KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => return Ok(()),
        KeyData::Rsa(key) if (2048..=4096).contains(&key.key_size()) => return Ok(()),
        KeyData::Rsa(key) => return Err(PublicKeyError::RsaSize(key.key_size())),
        other => {
            return Err(PublicKeyError::Unsupported(
                other.algorithm().as_str().chars().take(64).collect(),
            ));
        }
    };
    let point =
        ed25519_dalek::VerifyingKey::from_bytes(&curve.0).map_err(|_| PublicKeyError::Malformed)?;
    if point.is_weak() {
        return Err(PublicKeyError::Weak);
    }
    Ok(())
}

/// Why a private key can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too large for a key.
    #[error("the private key has {0} bytes; at most {LARGEST} are read")]
    TooLarge(usize),
    /// Neither an OpenSSH key nor PKCS#8.
    #[error("it is neither an OpenSSH private key nor PKCS#8 PEM of an Ed25519 key")]
    Malformed,
    /// It is encrypted and no passphrase was given.
    #[error("the private key is encrypted and there is no passphrase")]
    Encrypted,
    /// The passphrase does not open it, or it is damaged.
    #[error(
        "the private key can't be decrypted: the passphrase is another one or the file is damaged"
    )]
    Passphrase,
    /// More rounds of its key derivation than are waited for.
    #[error(
        "the private key's passphrase takes {0} rounds to check; at most {MOST_ROUNDS} are done"
    )]
    Rounds(u32),
    /// The key is in hardware: the file only points at it.
    #[error("the private key is in a hardware token, which only ssh-keygen reaches")]
    Hardware,
    /// A kind of key that is not signed with here; ssh-keygen may.
    #[error("keys of the kind {0} are not signed with here; Ed25519 and ECDSA are")]
    Unsupported(String),
}

/// A key to sign with. Debug output never shows it, and dropping it wipes it.
pub struct PrivateKey(pub(crate) ssh_key::PrivateKey);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// Reads an OpenSSH private key, encrypted or not, or an Ed25519 key as PKCS#8 PEM (RFC 8410), unencrypted.
    ///
    /// # Errors
    /// [`KeyError::Encrypted`] when it needs a passphrase and there is none; otherwise when it is no such key or the passphrase is wrong.
    pub fn read(text: &SecretString, passphrase: Option<&SecretString>) -> Result<Self, KeyError> {
        let text = text.expose_secret();
        if text.len() > LARGEST {
            return Err(KeyError::TooLarge(text.len()));
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(KeyError::Unsupported("encrypted PKCS#8".to_owned()));
        }
        if text.contains("-----BEGIN PRIVATE KEY-----") {
            let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text.trim_start())
                .map_err(|_| KeyError::Malformed)?;
            return Self::wrap(KeypairData::Ed25519(Ed25519Keypair::from(&key)));
        }
        let mut key =
            ssh_key::PrivateKey::from_openssh(text.trim()).map_err(|_| KeyError::Malformed)?;
        if key.is_encrypted() {
            let passphrase = passphrase.ok_or(KeyError::Encrypted)?;
            if let Kdf::Bcrypt { rounds, .. } = key.kdf()
                && *rounds > MOST_ROUNDS
            {
                return Err(KeyError::Rounds(*rounds));
            }
            key = key
                .decrypt(passphrase.expose_secret())
                .map_err(|_| KeyError::Passphrase)?;
        }
        match key.key_data() {
            KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) => Ok(Self(key)),
            KeypairData::SkEd25519(_) | KeypairData::SkEcdsaSha2NistP256(_) => {
                Err(KeyError::Hardware)
            }
            _ => Err(KeyError::Unsupported(
                key.algorithm().as_str().chars().take(64).collect(),
            )),
        }
    }

    /// The Ed25519 key with this seed (RFC 8032, 5.1.5).
    ///
    /// # Errors
    /// Never for a seed; the error of the encoding otherwise.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::wrap(KeypairData::Ed25519(Ed25519Keypair::from_seed(seed)))
    }

    fn wrap(data: KeypairData) -> Result<Self, KeyError> {
        ssh_key::PrivateKey::new(data, "")
            .map(Self)
            .map_err(|_| KeyError::Malformed)
    }

    /// Of its public key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.public_key().key_data())
    }

    /// The key as OpenSSH keeps it, unencrypted.
    ///
    /// # Errors
    /// Never for a key that was read; the error of the encoding otherwise.
    pub fn openssh(&self) -> Result<SecretString, KeyError> {
        let text = self
            .0
            .to_openssh(ssh_key::LineEnding::LF)
            .map_err(|_| KeyError::Malformed)?;
        Ok(SecretString::from(text.as_str()))
    }

    /// Its public key as an OpenSSH line, for a policy.
    #[must_use]
    pub fn public_line(&self) -> String {
        self.0.public_key().to_string()
    }
}
