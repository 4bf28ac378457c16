//! What a verification needs to know besides the bytes.

use std::collections::BTreeSet;

use secrecy::SecretString;

use crate::formats::Application;
use crate::{Limits, Witness};

/// Properties an object was pinned to; a difference rejects it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of the stored object, in lower-case hex.
    pub sha256: Option<String>,
    /// Size of the stored object in bytes.
    pub bytes: Option<u64>,
    /// Number of blocks.
    pub blocks: Option<u64>,
}

/// Inputs of a verification. Time and keys come from the caller; nothing is read from the surroundings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose format the content has.
    pub application: Application,
    /// The present, in seconds since 1970.
    pub now: i64,
    /// What decrypts the object, if it is encrypted.
    pub passphrase: Option<SecretString>,
    /// Bounds on memory and work.
    pub limits: Limits,
    /// What is known about the chain from elsewhere.
    pub witness: Witness,
    /// What is known about the object from elsewhere.
    pub pin: Pin,
    /// Heights whose hashes the samples must hold, whatever else they hold.
    pub watch: BTreeSet<u64>,
    /// Collect the identities in the data, this many at most; [`crate::identities::MOST`] is a good bound. They are not
    /// collected without it, which is faster.
    pub identities: Option<usize>,
    /// Check the content on a second thread while this one reads, decrypts and decompresses.
    pub threaded: bool,
}

impl Options {
    /// Options for a check at `now` (seconds since 1970) with no key, no witness and the default limits.
    #[must_use]
    pub fn at(now: i64) -> Self {
        Self {
            application: Application::default(),
            now,
            passphrase: None,
            limits: Limits::default(),
            witness: Witness::default(),
            pin: Pin::default(),
            watch: BTreeSet::new(),
            identities: None,
            threaded: true,
        }
    }

    /// The same options with a key.
    #[must_use]
    pub fn with_passphrase(mut self, passphrase: SecretString) -> Self {
        self.passphrase = Some(passphrase);
        self
    }
}
