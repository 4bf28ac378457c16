//! The way of the data: out of the backup, into the generation, and back for a look.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use backup::{Code, Encrypted, Encryptor, Options, Pin, Plaintext, Tee, Verdict, Verifier, Word};
use bytes::Bytes;
use executor::provider::{Error, ErrorKind};
use planner::plan::PinnedBackup;
use provider_object_store::Archive;
use secrecy::SecretString;
use tokio::task::spawn_blocking;
use tokio_util::io::SyncIoBridge;

use crate::pipe::pipe;
use crate::store::{Store, Stores};

/// Bytes handed on at once.
const PIECE: usize = 256 << 10;

/// Where the pinned backup is.
#[derive(Clone)]
pub struct Source {
    /// The bucket that holds it.
    pub store: Arc<dyn Archive>,
    /// Its key there.
    pub key: String,
    /// Its version there; that of the pin, unless a copy elsewhere with the same bytes is read.
    pub version: Option<String>,
    /// What was verified when the plan was made.
    pub pin: PinnedBackup,
    /// The key it is encrypted with; read at use and dropped.
    pub passphrase: Option<SecretString>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("key", &self.key)
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

/// Copies and reads back.
pub struct Seeder {
    stores: Arc<dyn Stores>,
    /// Seconds since 1970 when the run began; what lies later in a chain is suspect.
    now: i64,
}

impl fmt::Debug for Seeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seeder")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Seeder {
    /// Works on these buckets.
    pub fn new(stores: Arc<dyn Stores>, now: i64) -> Self {
        Self { stores, now }
    }

    /// The bucket of a name.
    pub fn bucket(&self, name: &str) -> Arc<dyn Store> {
        self.stores.bucket(name)
    }

    /// Streams the pinned backup into `bucket/key` under a fresh key, where nothing may be but the object with the entity tag `over`. Returns
    /// the version written.
    ///
    /// # Errors
    /// When the source is not what was pinned or not intact; then nothing is left at the destination.
    pub async fn copy(
        &self,
        what: &str,
        source: &Source,
        (bucket, key): (&str, &str),
        over: Option<&str>,
        fresh: SecretString,
        metadata: BTreeMap<String, String>,
    ) -> Result<Option<String>, Error> {
        let reader = source
            .store
            .open(&source.key, source.version.as_deref(), source.pin.size)
            .await?;
        let mut options = Options::at(self.now);
        options.pin = Pin {
            sha256: Some(source.pin.sha256.clone()),
            bytes: Some(source.pin.size),
            blocks: Some(source.pin.blocks),
        };
        options.passphrase = source.passphrase.clone();
        let (passphrase, pin) = (source.passphrase.clone(), source.pin.clone());
        let (input, output) = pipe();
        let work = spawn_blocking(move || {
            let tee = Tee::new(SyncIoBridge::new(reader), Verifier::new(options));
            let mut plaintext = Plaintext::new(tee, passphrase);
            let encryptor =
                Encryptor::new(&fresh).map_err(|error| io::Error::other(error.to_string()));
            let copied = encryptor.and_then(|encryptor| {
                let mut encrypted = Encrypted::new(&mut plaintext, encryptor);
                let mut piece = vec![0_u8; PIECE];
                loop {
                    let count = encrypted.read(&mut piece)?;
                    if count == 0 {
                        return Ok(());
                    }
                    if !input.give(Ok(Bytes::copy_from_slice(&piece[..count]))) {
                        return Err(io::Error::new(
                            io::ErrorKind::BrokenPipe,
                            "the destination takes no more",
                        ));
                    }
                }
            });
            let verified = copied.map_err(|error| error.to_string()).and_then(|()| {
                let verified = plaintext
                    .into_inner()
                    .finish()
                    .map_err(|error| error.to_string())?;
                judge(&verified.verdict, &pin.head, pin.blocks)?;
                if verified.verdict.sha256 != pin.sha256 || verified.verdict.bytes != pin.size {
                    return Err(format!(
                        "the backup is not the pinned one: sha256 {}, {} bytes",
                        verified.verdict.sha256, verified.verdict.bytes
                    ));
                }
                Ok(())
            });
            // Only now is the end given: an object becomes visible when all of it has proved good.
            match &verified {
                Ok(()) => input.give(Ok(Bytes::new())),
                Err(why) => input.give(Err(io::Error::other(why.clone()))),
            };
            verified
        });
        let put = self
            .stores
            .bucket(bucket)
            .put(key, Box::new(output), metadata, over)
            .await;
        let worked = work.await.map_err(|error| {
            Error::new(
                ErrorKind::Server,
                what,
                format!("the work broke off: {error}"),
            )
        })?;
        match (put, worked) {
            (Ok(version), Ok(())) => Ok(version),
            (Err(error), Ok(())) => Err(error),
            // When the destination failed first, that is what the work ran into.
            (Err(error), Err(why)) if why.contains("takes no more") => {
                Err(Error::new(error.kind, what, error.why))
            }
            (_, Err(why)) => Err(Error::new(ErrorKind::Invalid, what, why)),
        }
    }

    /// Reads an object, decrypts it and verifies that it is the chain wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is not.
    #[expect(
        clippy::too_many_arguments,
        reason = "each says another thing of one object"
    )]
    pub async fn read_back(
        &self,
        what: &str,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        passphrase: SecretString,
        head: &str,
        blocks: u64,
    ) -> Result<(), Error> {
        let reader = self.stores.bucket(bucket).open(key, version).await?;
        let options = Options::at(self.now).with_passphrase(passphrase);
        let verified =
            spawn_blocking(move || backup::verify(&mut SyncIoBridge::new(reader), options)).await;
        let verified = verified.map_err(|error| {
            Error::new(
                ErrorKind::Server,
                what,
                format!("the work broke off: {error}"),
            )
        })?;
        let verified = verified.map_err(|error| {
            Error::new(
                ErrorKind::Unreachable,
                what,
                format!("{bucket}/{key}: {error}"),
            )
        })?;
        judge(&verified.verdict, head, blocks)
            .map_err(|why| Error::new(ErrorKind::Invalid, what, format!("{bucket}/{key}: {why}")))
    }
}

impl Seeder {
    /// Reads an object with a key that must not open it.
    ///
    /// # Errors
    /// When the key opens it, it is not encrypted at all, or it can't be read.
    pub async fn stays_sealed(
        &self,
        what: &str,
        bucket: &str,
        key: &str,
        passphrase: SecretString,
    ) -> Result<(), Error> {
        let reader = self.stores.bucket(bucket).open(key, None).await?;
        let options = Options::at(self.now).with_passphrase(passphrase);
        let read = spawn_blocking(move || backup::verify(&mut SyncIoBridge::new(reader), options))
            .await
            .map_err(|error| error.to_string())
            .and_then(|read| read.map_err(|error| error.to_string()))
            .map_err(|why| {
                Error::new(
                    ErrorKind::Unreachable,
                    what,
                    format!("{bucket}/{key}: {why}"),
                )
            })?;
        let sealed = read
            .verdict
            .findings
            .iter()
            .any(|finding| finding.code == Code::EncryptionWrongKey);
        if sealed {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!("{bucket}/{key}: the old key opens it, or no key is needed"),
        ))
    }
}

/// Intact, and the chain wanted.
fn judge(verdict: &Verdict, head: &str, blocks: u64) -> Result<(), String> {
    if verdict.verdict != Word::Intact {
        let why = verdict
            .findings
            .first()
            .map_or_else(String::new, |finding| format!(": {}", finding.message));
        return Err(format!(
            "it is {}{why}",
            format!("{:?}", verdict.verdict).to_lowercase()
        ));
    }
    if verdict.head.as_deref() != Some(head) || verdict.blocks != blocks {
        return Err(format!(
            "its head is {} after {} blocks, wanted {head} after {blocks}",
            verdict.head.as_deref().unwrap_or("none"),
            verdict.blocks
        ));
    }
    Ok(())
}
