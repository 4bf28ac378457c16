//! The credentials of the sandbox's servers: made once, kept in one file that only the owner may read.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;

/// An access key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccessKey {
    pub id: String,
    pub secret: String,
}

/// All of them.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// For the environment: AWS, and all of S3.
    pub environment: AccessKey,
    /// For reading backups, and nothing else.
    pub reader: AccessKey,
    /// Bearer tokens of the Kubernetes API.
    pub kubernetes: KubernetesTokens,
}

/// One per user, so that the API server's log tells them apart.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KubernetesTokens {
    pub admin: String,
    pub controller_manager: String,
    pub scheduler: String,
    pub kwok: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Reads them, or makes them when there are none yet.
    pub(crate) fn kept(path: &Path) -> Result<Self> {
        if let Some(secrets) = files::read_json(path)? {
            return Ok(secrets);
        }
        let secrets = Self::new()?;
        files::write_json(path, &secrets)?;
        Ok(secrets)
    }

    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            environment: AccessKey::new()?,
            reader: AccessKey::new()?,
            kubernetes: KubernetesTokens {
                admin: token()?,
                controller_manager: token()?,
                scheduler: token()?,
                kwok: token()?,
            },
        })
    }
}

impl AccessKey {
    /// In the form that AWS gives them.
    fn new() -> Result<Self> {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let id: String = random::<16>()?
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
            .collect();
        Ok(Self {
            id: format!("AKIA{id}"),
            secret: hex::encode(random::<20>()?),
        })
    }
}

/// 32 random bytes in hexadecimal.
pub(crate) fn token() -> Result<String> {
    Ok(hex::encode(random::<32>()?))
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes)
}
