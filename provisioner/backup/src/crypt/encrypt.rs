//! Writing `ENC:1`.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use thiserror::Error;

use super::gcm::{Gcm, NONCE_BYTES};
use super::{HEADER_BYTES, MARK, SALT_BYTES, derive};

/// Why a text can't be encrypted.
#[derive(Debug, Error)]
pub enum EncryptError {
    /// The system gave no random bytes for salt and nonce.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// GCM allows 64 GiB for one message.
    #[error("the text is longer than AES-GCM allows")]
    TooLong,
}

/// Encrypts bytes fed piece by piece. The result is one line, as the application writes it.
pub struct Encryptor {
    gcm: Gcm,
    /// Bytes that do not fill a group of three yet.
    pending: Vec<u8>,
    started: bool,
}

impl std::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryptor").finish_non_exhaustive()
    }
}

impl Encryptor {
    /// An encryptor with a fresh random salt and nonce. Derives the key, which takes some tenths of a second.
    ///
    /// # Errors
    /// [`EncryptError::Random`].
    pub fn new(passphrase: &SecretString) -> Result<Self, EncryptError> {
        let mut header = [0_u8; HEADER_BYTES];
        getrandom::fill(&mut header).map_err(EncryptError::Random)?;
        Ok(Self::with_header(passphrase, header))
    }

    /// Salt and nonce must never be used twice under one passphrase; tests alone choose them.
    pub(crate) fn with_header(passphrase: &SecretString, header: [u8; HEADER_BYTES]) -> Self {
        let mut salt = [0_u8; SALT_BYTES];
        salt.copy_from_slice(&header[..SALT_BYTES]);
        let mut nonce = [0_u8; NONCE_BYTES];
        nonce.copy_from_slice(&header[SALT_BYTES..]);
        Self {
            gcm: Gcm::new(&derive(passphrase, &salt), &nonce),
            pending: header.to_vec(),
            started: false,
        }
    }

    /// Takes the next bytes and appends their encrypted text to `out`.
    ///
    /// # Errors
    /// [`EncryptError::TooLong`].
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncryptError> {
        let mark = self.pending.len();
        self.pending.extend_from_slice(bytes);
        if !self.gcm.encrypt(&mut self.pending[mark..]) {
            return Err(EncryptError::TooLong);
        }
        let whole = self.pending.len() / 3 * 3;
        self.write(whole, out);
        Ok(())
    }

    fn write(&mut self, count: usize, out: &mut Vec<u8>) {
        if !self.started {
            out.extend_from_slice(MARK);
            self.started = true;
        }
        out.extend_from_slice(STANDARD.encode(&self.pending[..count]).as_bytes());
        self.pending.drain(..count);
    }

    /// Ends the text: appends what is left and the authentication tag.
    pub fn finish(self, out: &mut Vec<u8>) {
        let Self {
            gcm,
            mut pending,
            started,
        } = self;
        if !started {
            out.extend_from_slice(MARK);
        }
        pending.extend_from_slice(&gcm.tag());
        out.extend_from_slice(STANDARD.encode(&pending).as_bytes());
    }
}

/// A reader of `ENC:1` text made from the bytes of `source`, in constant memory.
#[derive(Debug)]
pub struct Encrypted<R> {
    source: R,
    encryptor: Option<Encryptor>,
    input: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
}

const PIECE: usize = 48 << 10;

impl<R: Read> Encrypted<R> {
    /// Encrypts what `source` yields.
    pub fn new(source: R, encryptor: Encryptor) -> Self {
        Self {
            source,
            encryptor: Some(encryptor),
            input: vec![0; PIECE],
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// The source, for what it has to say once everything has been read.
    pub fn into_inner(self) -> R {
        self.source
    }
}

impl<R: Read> Read for Encrypted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.taken == self.ready.len() {
            let Some(encryptor) = &mut self.encryptor else {
                return Ok(0);
            };
            self.ready.clear();
            self.taken = 0;
            // An error of the source leaves the text without its tag, so that half a text never verifies.
            match self.source.read(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) => {
                    if let Some(encryptor) = self.encryptor.take() {
                        encryptor.finish(&mut self.ready);
                    }
                }
                Ok(count) => encryptor
                    .push(&self.input[..count], &mut self.ready)
                    .map_err(|error| io::Error::new(io::ErrorKind::FileTooLarge, error))?,
            }
        }
        let count = out.len().min(self.ready.len() - self.taken);
        out[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
