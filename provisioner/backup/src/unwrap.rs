//! Takes the wrapping off: finds out what an object is, decrypts and decompresses, and passes the content on.

use secrecy::SecretString;

use crate::crypt::{ANY_MARK, DecryptError, Decryptor, MARK};
use crate::finding::Findings;
use crate::gunzip::Gunzip;
use crate::sink::Sink;
use crate::verdict::Wrapping;
use crate::{Code, Error, Finding, Limits};

/// How far in the object an encryption mark is looked for behind something foreign.
const LOOK_FOR_MARK: usize = 64;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The layer that takes the next bytes.
#[derive(Debug)]
enum Layer {
    /// Not enough bytes yet to tell what it is.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<Gunzip>),
    Enc {
        decryptor: Option<Box<Decryptor>>,
        inner: Box<Layer>,
        failed: Option<DecryptError>,
    },
    /// What it is was said in a finding; the rest is skipped.
    Refused,
}

/// Unwraps one object.
#[derive(Debug)]
pub(crate) struct Unwrap {
    layer: Layer,
    limits: Limits,
    passphrase: Option<SecretString>,
    pub(crate) findings: Findings,
    pub(crate) plain_bytes: u64,
    key_needed: bool,
    decrypted: Vec<u8>,
}

/// How the object ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) wrapping: Option<Wrapping>,
    /// The wrapping was whole, so that the content's own end means something.
    pub(crate) complete: bool,
    /// The tag of the encryption did not match; the content must not be believed.
    pub(crate) unauthenticated: bool,
    /// The decompression of what was decrypted went wrong before the end.
    pub(crate) inner_broken: bool,
    /// What was inside the encryption began like a backup.
    pub(crate) inner_known: bool,
}

impl Unwrap {
    pub(crate) fn new(limits: Limits, passphrase: Option<SecretString>) -> Self {
        Self {
            layer: Layer::Unknown(Vec::new()),
            limits,
            passphrase,
            findings: Findings::new(limits.findings_per_code),
            plain_bytes: 0,
            key_needed: false,
            decrypted: Vec::new(),
        }
    }

    /// Takes the next bytes of the object.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut Sink) {
        let mut layer = std::mem::replace(&mut self.layer, Layer::Refused);
        self.feed(&mut layer, bytes, false, sink);
        self.layer = layer;
    }

    fn feed(&mut self, layer: &mut Layer, bytes: &[u8], encrypted: bool, sink: &mut Sink) {
        match layer {
            Layer::Unknown(head) => {
                head.extend_from_slice(bytes);
                if let Some(found) = recognise(head, false) {
                    let head = std::mem::take(head);
                    *layer = self.enter(found, &head, encrypted);
                    let skip = match found {
                        Found::Enc(at) => at + MARK.len(),
                        _ => 0,
                    };
                    self.feed(layer, &head[skip..], encrypted, sink);
                }
            }
            Layer::Plain => {
                self.plain_bytes += bytes.len() as u64;
                if self.plain_bytes > self.limits.plain_bytes {
                    let most = self.limits.plain_bytes;
                    self.findings.push(Finding::new(
                        Code::LimitPlainSize,
                        format!("the text exceeds {most} bytes"),
                    ));
                    *layer = Layer::Refused;
                    return;
                }
                sink.push(bytes);
            }
            Layer::Gzip(gunzip) => {
                let plain_bytes = &mut self.plain_bytes;
                gunzip.push(bytes, &mut self.findings, &mut |text| {
                    *plain_bytes += text.len() as u64;
                    sink.push(text);
                });
            }
            Layer::Enc {
                decryptor,
                inner,
                failed,
            } => {
                let Some(open) = decryptor else {
                    return;
                };
                let mut decrypted = std::mem::take(&mut self.decrypted);
                decrypted.clear();
                if let Err(error) = open.push(bytes, &mut decrypted) {
                    *failed = Some(error);
                    *decryptor = None;
                }
                if !decrypted.is_empty() {
                    self.feed(inner, &decrypted, true, sink);
                }
                self.decrypted = decrypted;
            }
            Layer::Refused => {}
        }
    }

    fn enter(&mut self, found: Found, head: &[u8], encrypted: bool) -> Layer {
        match found {
            Found::Plain => Layer::Plain,
            Found::Gzip => Layer::Gzip(Box::new(Gunzip::new(self.limits, 0))),
            Found::Enc(_) | Found::OtherEnc(_) if encrypted => {
                self.findings.push(Finding::new(
                    Code::EncryptionNested,
                    "the decrypted text is encrypted again",
                ));
                Layer::Refused
            }
            Found::OtherEnc(at) => {
                // What was looked at, and no more: how the bytes were cut must not show.
                let version = &head[at..head.len().min(LOOK_FOR_MARK + MARK.len())];
                let version = &version[..version.len().min(12)];
                self.findings.push(
                    Finding::new(
                        Code::EncryptionVersionUnknown,
                        format!(
                            "the text is marked {}",
                            String::from_utf8_lossy(version).escape_debug()
                        ),
                    )
                    .at(at as u64),
                );
                Layer::Refused
            }
            Found::Enc(at) => {
                if at > 0 {
                    self.findings.push(
                        Finding::new(
                            Code::EncryptionLeadingData,
                            format!("{at} bytes stand before the ENC:1: mark"),
                        )
                        .at(0),
                    );
                }
                let Some(passphrase) = self.passphrase.clone() else {
                    self.key_needed = true;
                    return Layer::Refused;
                };
                Layer::Enc {
                    decryptor: Some(Box::new(Decryptor::new(
                        passphrase,
                        (at + MARK.len()) as u64,
                    ))),
                    inner: Box::new(Layer::Unknown(Vec::new())),
                    failed: None,
                }
            }
        }
    }

    /// Ends the object.
    pub(crate) fn finish(&mut self, sink: &mut Sink) -> Result<Ending, Error> {
        let mut layer = std::mem::replace(&mut self.layer, Layer::Refused);
        self.settle(&mut layer, false, sink);
        if self.key_needed {
            return Err(Error::KeyNeeded);
        }
        Ok(match layer {
            Layer::Enc {
                decryptor,
                mut inner,
                failed,
            } => self.finish_encrypted(decryptor, &mut inner, failed, sink),
            mut other => {
                let (wrapping, complete) = self.finish_layer(&mut other);
                Ending {
                    wrapping,
                    complete,
                    unauthenticated: false,
                    inner_broken: false,
                    inner_known: wrapping.is_some(),
                }
            }
        })
    }

    /// Decides what an object is that ended before it could be told.
    fn settle(&mut self, layer: &mut Layer, encrypted: bool, sink: &mut Sink) {
        if let Layer::Unknown(head) = layer {
            let head = std::mem::take(head);
            let found = recognise(&head, true).unwrap_or(Found::Plain);
            *layer = self.enter(found, &head, encrypted);
            let skip = match found {
                Found::Enc(at) => at + MARK.len(),
                _ => 0,
            };
            self.feed(layer, &head[skip..], encrypted, sink);
        }
    }

    fn finish_layer(&mut self, layer: &mut Layer) -> (Option<Wrapping>, bool) {
        match layer {
            Layer::Plain => (Some(Wrapping::Plain), true),
            Layer::Gzip(gunzip) => (Some(Wrapping::Gzip), gunzip.finish(&mut self.findings)),
            Layer::Unknown(_) | Layer::Refused | Layer::Enc { .. } => (None, false),
        }
    }

    fn finish_encrypted(
        &mut self,
        decryptor: Option<Box<Decryptor>>,
        inner: &mut Layer,
        failed: Option<DecryptError>,
        sink: &mut Sink,
    ) -> Ending {
        self.settle(inner, true, sink);
        let mut outer = Findings::new(self.limits.findings_per_code);
        let mut error = failed;
        if let Some(decryptor) = decryptor {
            if let Some(offset) = decryptor.garbage() {
                outer.push(
                    Finding::new(
                        Code::EncryptionGarbage,
                        "characters that are not base64 are mixed in",
                    )
                    .at(offset),
                );
            }
            if let Some(offset) = decryptor.trailing() {
                outer.push(
                    Finding::new(
                        Code::EncryptionTrailingData,
                        "something follows the encrypted text",
                    )
                    .at(offset),
                );
            }
            error = error.or(decryptor.finish().err());
        }
        let broken_before_end = matches!(&*inner, Layer::Gzip(gunzip) if gunzip.is_broken());
        let nested = matches!(&*inner, Layer::Refused);
        let (inner_wrapping, complete) = self.finish_layer(inner);
        let wrapping = match inner_wrapping {
            Some(Wrapping::Gzip) => Wrapping::EncGzip,
            _ => Wrapping::Enc,
        };
        let inner_known = match inner {
            Layer::Gzip(gunzip) => gunzip.has_started(),
            Layer::Refused => nested,
            _ => false,
        };
        let unauthenticated = error.is_some();
        let ending = Ending {
            wrapping: Some(wrapping),
            complete: complete && !unauthenticated,
            unauthenticated,
            inner_broken: broken_before_end,
            inner_known,
        };
        if let Some(error) = error {
            // Findings about text nobody vouches for would be somebody else's words.
            let leading = std::mem::replace(
                &mut self.findings,
                Findings::new(self.limits.findings_per_code),
            );
            self.findings = leading.only(Code::EncryptionLeadingData);
            match error {
                DecryptError::Base64 => outer.push(Finding::new(
                    Code::EncryptionBase64Invalid,
                    error.to_string(),
                )),
                DecryptError::TooShort => {
                    outer.push(Finding::new(Code::EncryptionTruncated, error.to_string()))
                }
                DecryptError::TooLong => {
                    outer.push(Finding::new(Code::LimitPlainSize, error.to_string()))
                }
                // Said by the caller, who knows what the content looked like.
                DecryptError::Authentication | DecryptError::NotEncrypted => {}
            }
        }
        self.findings.append(outer);
        ending
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Plain,
    Gzip,
    /// `ENC:1:` at this position.
    Enc(usize),
    /// `ENC:` of another version at this position.
    OtherEnc(usize),
}

/// What an object is, from its first bytes; `None` when more are needed.
fn recognise(head: &[u8], all: bool) -> Option<Found> {
    let start = head
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let Some(&first) = head.get(start) else {
        // Nothing but white space so far: JSON would allow any amount of it.
        return (all || head.len() > LOOK_FOR_MARK).then_some(Found::Plain);
    };
    if start == 0 && first == GZIP[0] {
        return match head.get(1) {
            Some(&second) => Some(if second == GZIP[1] {
                Found::Gzip
            } else {
                Found::Plain
            }),
            None => all.then_some(Found::Plain),
        };
    }
    if matches!(first, b'{' | b'[' | b'"') {
        return Some(Found::Plain);
    }
    let window = &head[..head.len().min(LOOK_FOR_MARK + MARK.len())];
    if let Some(at) = window.windows(MARK.len()).position(|part| part == MARK) {
        return Some(Found::Enc(at));
    }
    if !all && head.len() < LOOK_FOR_MARK + MARK.len() {
        return None;
    }
    // A mark that begins later could be one of version 1 as well.
    let other = window
        .windows(ANY_MARK.len())
        .take(LOOK_FOR_MARK + 1)
        .position(|part| part == ANY_MARK);
    Some(other.map_or(Found::Plain, Found::OtherEnc))
}
