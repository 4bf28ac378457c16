//! The key that signs bundles: made, kept in a file of its owner's alone, read again.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use approval::{KeyError, PrivateKey};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Bytes a key's file may have.
const LARGEST: u64 = 64 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system has no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The random bytes make no key.
    #[error("no key can be made: {0}")]
    Made(KeyError),
    /// The file can't be made or read. A key is never overwritten.
    #[error("the key's file `{path}` can't be used: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Others may read it.
    #[error("the key's file `{path}` has mode {mode:03o}: others than its owner can use it")]
    Open {
        /// Which.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key that can sign.
    #[error("the key's file `{path}` holds none: {why}")]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        why: KeyError,
    },
}

/// A new Ed25519 key.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate() -> Result<PrivateKey, KeyFileError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(KeyFileError::Random)?;
    PrivateKey::from_seed(&seed).map_err(KeyFileError::Made)
}

/// Keeps a key in a new file, as OpenSSH does, with mode 0600, and its public key beside it with `.pub` at the end of the name.
///
/// # Errors
/// When there is such a file already, or it can't be written.
pub fn store(key: &PrivateKey, path: &Path) -> Result<(), KeyFileError> {
    let text = key.openssh().map_err(|why| KeyFileError::Key {
        path: path.to_owned(),
        why,
    })?;
    write(path, text.expose_secret())?;
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    write(Path::new(&public), &format!("{}\n", key.public_line()))
}

/// Reads a key from a file that only its owner can use.
///
/// # Errors
/// When the file is a link, is open to others, or holds no key, or the passphrase is missing or wrong.
pub fn load(path: &Path, passphrase: Option<&SecretString>) -> Result<PrivateKey, KeyFileError> {
    let file_error = |why| KeyFileError::File {
        path: path.to_owned(),
        why,
    };
    let file = crate::bundle::open_file(path).map_err(file_error)?;
    let mode = file.metadata().map_err(file_error)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(file_error)?;
    PrivateKey::read(&SecretString::from(text.as_str()), passphrase).map_err(|why| {
        KeyFileError::Key {
            path: path.to_owned(),
            why,
        }
    })
}

fn write(path: &Path, text: &str) -> Result<(), KeyFileError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|why| KeyFileError::File {
            path: path.to_owned(),
            why,
        })
}
