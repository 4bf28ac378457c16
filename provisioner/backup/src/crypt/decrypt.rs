//! Reading `ENC:1`.

use std::io::{self, Read};

use secrecy::SecretString;
use thiserror::Error;

use super::base64_stream::{Decoder, Incomplete};
use super::gcm::{Gcm, NONCE_BYTES, TAG_BYTES, equal};
use super::{HEADER_BYTES, MARK, SALT_BYTES, derive};

/// Why a text can't be decrypted.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum DecryptError {
    /// The text does not begin with `ENC:1:`.
    #[error("the text does not begin with ENC:1:")]
    NotEncrypted,
    /// The base64 stops in the middle of a group.
    #[error("the base64 of the encrypted text is incomplete")]
    Base64,
    /// There is less than a salt, a nonce and a tag.
    #[error("the encrypted text is shorter than its salt, nonce and tag")]
    TooShort,
    /// The key is another one, or the text was changed.
    #[error("the authentication tag does not match: another key, or a changed text")]
    Authentication,
    /// GCM allows 64 GiB for one message.
    #[error("the encrypted text is longer than AES-GCM allows")]
    TooLong,
}

impl From<Incomplete> for DecryptError {
    fn from(_: Incomplete) -> Self {
        Self::Base64
    }
}

/// Decrypts text fed piece by piece, after its `ENC:1:` mark.
///
/// What comes out before [`Decryptor::finish`] has said yes is *not authenticated*: it may be anything.
pub struct Decryptor {
    base64: Decoder,
    passphrase: SecretString,
    header: Vec<u8>,
    gcm: Option<Gcm>,
    /// Decoded bytes that may turn out to be the tag.
    held: Vec<u8>,
}

impl std::fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decryptor").finish_non_exhaustive()
    }
}

impl Decryptor {
    /// A decryptor for text that begins right after the mark, which ends at byte `position` of the object.
    #[must_use]
    pub fn new(passphrase: SecretString, position: u64) -> Self {
        Self {
            base64: Decoder::new(position),
            passphrase,
            header: Vec::new(),
            gcm: None,
            held: Vec::new(),
        }
    }

    /// Takes the next piece of text and appends what it decrypts to, unauthenticated, to `out`.
    ///
    /// # Errors
    /// [`DecryptError::Base64`] and [`DecryptError::TooLong`].
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), DecryptError> {
        self.base64.push(text, &mut self.held)?;
        if self.gcm.is_none() {
            let missing = HEADER_BYTES - self.header.len();
            let take = missing.min(self.held.len());
            self.header.extend(self.held.drain(..take));
            if self.header.len() < HEADER_BYTES {
                return Ok(());
            }
            let mut salt = [0_u8; SALT_BYTES];
            salt.copy_from_slice(&self.header[..SALT_BYTES]);
            let mut nonce = [0_u8; NONCE_BYTES];
            nonce.copy_from_slice(&self.header[SALT_BYTES..]);
            self.gcm = Some(Gcm::new(&derive(&self.passphrase, &salt), &nonce));
        }
        if let Some(gcm) = &mut self.gcm
            && self.held.len() > TAG_BYTES
        {
            let ready = self.held.len() - TAG_BYTES;
            let mark = out.len();
            out.extend_from_slice(&self.held[..ready]);
            self.held.drain(..ready);
            if !gcm.decrypt(&mut out[mark..]) {
                out.truncate(mark);
                return Err(DecryptError::TooLong);
            }
        }
        Ok(())
    }

    /// Ends the text: with `Ok` everything that came out was what somebody with the key encrypted.
    ///
    /// # Errors
    /// [`DecryptError::Base64`], [`DecryptError::TooShort`] and [`DecryptError::Authentication`].
    pub fn finish(self) -> Result<(), DecryptError> {
        self.base64.finish()?;
        let (Some(gcm), Ok(tag)) = (self.gcm, <[u8; TAG_BYTES]>::try_from(self.held)) else {
            return Err(DecryptError::TooShort);
        };
        if equal(&gcm.tag(), &tag) {
            Ok(())
        } else {
            Err(DecryptError::Authentication)
        }
    }

    /// Position of the first character that is neither base64 nor a line break.
    #[must_use]
    pub fn garbage(&self) -> Option<u64> {
        self.base64.oddities.garbage
    }

    /// Position of the first character after the end of the text that is not white space.
    #[must_use]
    pub fn trailing(&self) -> Option<u64> {
        self.base64.oddities.trailing
    }
}

/// A reader of the bytes inside an object: decrypted when it is `ENC:1`, unchanged otherwise. What is inside (gzip or
/// plain) stays as it is.
///
/// Bytes are authenticated only once the end has been read without an error: whoever stores them must be able to throw
/// them away. White space before the mark is skipped.
#[derive(Debug)]
pub struct Plaintext<R> {
    source: R,
    passphrase: Option<SecretString>,
    state: Layer,
    input: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
}

#[derive(Debug)]
enum Layer {
    Unknown(Vec<u8>),
    Open,
    Encrypted(Option<Box<Decryptor>>),
    Done,
}

const PIECE: usize = 64 << 10;

impl<R: Read> Plaintext<R> {
    /// Reads through `source`; the passphrase is needed only when it turns out to be encrypted.
    pub fn new(source: R, passphrase: Option<SecretString>) -> Self {
        Self {
            source,
            passphrase,
            state: Layer::Unknown(Vec::new()),
            input: vec![0; PIECE],
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// The source, for what it has to say once everything has been read.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// Takes one piece from the source; sets `ready`.
    fn fill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.taken = 0;
        let count = loop {
            match self.source.read(&mut self.input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let piece = &self.input[..count];
        match &mut self.state {
            Layer::Unknown(head) => {
                head.extend_from_slice(piece);
                let start = head
                    .iter()
                    .take_while(|byte| byte.is_ascii_whitespace())
                    .count();
                let inner = &head[start..];
                let could_be = MARK.starts_with(&inner[..inner.len().min(MARK.len())]);
                if could_be && inner.len() < MARK.len() && count > 0 && head.len() < PIECE {
                    return Ok(());
                }
                let head = std::mem::take(head);
                if could_be && head.len() - start >= MARK.len() {
                    let passphrase = self.passphrase.clone().ok_or_else(|| {
                        io::Error::new(
                            io::ErrorKind::PermissionDenied,
                            "the object is encrypted and no key was given",
                        )
                    })?;
                    let begin = start + MARK.len();
                    let mut decryptor = Decryptor::new(passphrase, begin as u64);
                    decryptor
                        .push(&head[begin..], &mut self.ready)
                        .map_err(invalid)?;
                    self.state = Layer::Encrypted(Some(Box::new(decryptor)));
                } else {
                    self.ready = head;
                    self.state = if count == 0 { Layer::Done } else { Layer::Open };
                }
            }
            Layer::Open if count == 0 => self.state = Layer::Done,
            Layer::Open => self.ready.extend_from_slice(piece),
            Layer::Encrypted(decryptor) if count == 0 => {
                let decryptor = decryptor.take();
                self.state = Layer::Done;
                match decryptor {
                    Some(decryptor) => decryptor.finish().map_err(invalid)?,
                    // An earlier error was ignored; it must not look like a good end.
                    None => return Err(invalid(DecryptError::Authentication)),
                }
            }
            Layer::Encrypted(Some(decryptor)) => {
                decryptor.push(piece, &mut self.ready).map_err(invalid)?
            }
            Layer::Encrypted(None) => return Err(invalid(DecryptError::Authentication)),
            Layer::Done => {}
        }
        Ok(())
    }
}

fn invalid(error: DecryptError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<R: Read> Read for Plaintext<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.taken == self.ready.len() {
            if matches!(self.state, Layer::Done) {
                return Ok(0);
            }
            self.fill()?;
        }
        let count = out.len().min(self.ready.len() - self.taken);
        out[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
