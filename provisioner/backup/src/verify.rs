//! One pass over an object: hash it, unwrap it, check its content, conclude.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::content::Summary;
use crate::finding::Findings;
use crate::identities::Identities;
use crate::sink::Sink;
use crate::unwrap::{Ending, Unwrap};
use crate::verdict::{Verdict, Word};
use crate::witness::Samples;
use crate::{Code, Error, Finding, Options};

const PIECE: usize = 256 << 10;

/// What a verification yields: the verdict, and what later ones can hold against other chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The conclusion.
    pub verdict: Verdict,
    /// Hashes at some heights. Meaningful only if the verdict is not *rejected*.
    pub samples: Samples,
    /// The identities in the data; nothing when they were not asked for, or when nobody vouches for what was decrypted.
    /// Meaningful only if the verdict is not *rejected*.
    pub identities: Option<Identities>,
}

/// A verification fed piece by piece.
///
/// # Guarantees
/// Memory stays constant whatever the bytes are. The verdict does not depend on how they were cut into pieces, apart
/// from how far a decompression bomb got before a limit stopped it.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    digest: Sha256,
    bytes: u64,
    over: bool,
    unwrap: Unwrap,
    sink: Sink,
}

impl Verifier {
    /// Begins a verification. With [`Options::threaded`] it starts a thread that ends with it.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let for_content = options.clone();
        let sink = Sink::new(
            || for_content.application.checker(for_content.clone()),
            options.threaded,
        );
        Self {
            digest: Sha256::new(),
            bytes: 0,
            over: false,
            unwrap: Unwrap::new(options.limits, options.passphrase.clone()),
            sink,
            options,
        }
    }

    /// Takes the next bytes of the stored object. May wait for the checking thread.
    pub fn push(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.bytes > self.options.limits.stored_bytes {
            self.over = true;
            return;
        }
        // However much is handed over at once, no layer holds more than a piece.
        for piece in bytes.chunks(PIECE) {
            self.unwrap.push(piece, &mut self.sink);
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the object and concludes.
    ///
    /// # Errors
    /// [`Error::KeyNeeded`] when the object is encrypted and there is no key, [`Error::Worker`] when the checking
    /// thread failed. Everything wrong with the object itself is a finding.
    pub fn finish(mut self) -> Result<Verified, Error> {
        let ending = self.unwrap.finish(&mut self.sink);
        let ending = match ending {
            Ok(ending) => ending,
            Err(error) => {
                // Ends the thread before the error is told.
                self.sink.finish(false)?;
                return Err(error);
            }
        };
        let summary = self.sink.finish(ending.complete && !self.over)?;
        let sha256 = hex::encode(self.digest.finalize());
        let mut findings = self.unwrap.findings;
        if self.bytes == 0 {
            findings = Findings::new(self.options.limits.findings_per_code);
            findings.push(Finding::new(Code::ObjectEmpty, "the object holds no bytes"));
        }
        if self.over {
            findings.push(Finding::new(
                Code::LimitStoredSize,
                format!(
                    "the object exceeds {} bytes",
                    self.options.limits.stored_bytes
                ),
            ));
        }
        check_pin(&self.options, &sha256, self.bytes, &summary, &mut findings);
        let trusted = !ending.unauthenticated;
        if !trusted {
            say_why_unauthenticated(&ending, &summary, &mut findings);
        }
        let Summary {
            blocks,
            entries,
            pending_entries,
            head,
            genesis,
            head_time,
            signatures,
            samples,
            identities,
            findings: of_content,
            ..
        } = if trusted { summary } else { summary.forget() };
        if self.bytes > 0 && trusted {
            findings.append(of_content);
        }
        let (findings, omitted) = findings.into_parts();
        let verdict = Verdict {
            verdict: Word::of(&findings),
            format: ending.wrapping.filter(|_| self.bytes > 0),
            blocks,
            entries,
            head: head.map(hex::encode),
            genesis: genesis.map(hex::encode),
            bytes: self.bytes,
            sha256,
            plain_bytes: self.unwrap.plain_bytes,
            pending_entries,
            head_time: head_time.map(|time| time.floor() as i64),
            signatures,
            findings,
            omitted,
        };
        Ok(Verified {
            verdict,
            samples,
            identities,
        })
    }
}

fn check_pin(
    options: &Options,
    sha256: &str,
    bytes: u64,
    summary: &Summary,
    findings: &mut Findings,
) {
    let pin = &options.pin;
    if let Some(expected) = &pin.sha256
        && !expected.eq_ignore_ascii_case(sha256)
    {
        findings.push(Finding::new(
            Code::PinMismatch,
            format!("the object has the SHA-256 {sha256}, pinned is {expected}"),
        ));
    }
    if let Some(expected) = pin.bytes
        && expected != bytes
    {
        findings.push(Finding::new(
            Code::PinMismatch,
            format!("the object has {bytes} bytes, pinned are {expected}"),
        ));
    }
    if let Some(expected) = pin.blocks
        && expected != summary.blocks
    {
        findings.push(Finding::new(
            Code::PinMismatch,
            format!(
                "the chain has {} blocks, pinned are {expected}",
                summary.blocks
            ),
        ));
    }
}

/// A tag that does not match has three causes. What came out before it tells them apart: nothing readable, a beginning
/// that just stops, or something else.
fn say_why_unauthenticated(ending: &Ending, summary: &Summary, findings: &mut Findings) {
    if findings.has_error() {
        return;
    }
    let readable = ending.inner_known || summary.recognised;
    let stops = summary.unfinished && !ending.inner_broken;
    findings.push(if !readable {
        Finding::new(
            Code::EncryptionWrongKey,
            "the tag does not match and nothing readable comes out",
        )
    } else if stops {
        Finding::new(
            Code::EncryptionTruncated,
            "the tag does not match and the text stops in the middle",
        )
    } else {
        Finding::new(
            Code::EncryptionTampered,
            "the tag does not match although the key fits",
        )
    });
}

/// Verifies everything `source` yields.
///
/// # Errors
/// As [`Verifier::finish`], and [`Error::Read`] when the source fails.
pub fn verify(source: &mut (impl Read + ?Sized), options: Options) -> Result<Verified, Error> {
    let mut verifier = Verifier::new(options);
    let mut piece = vec![0_u8; PIECE];
    loop {
        match source.read(&mut piece) {
            Ok(0) => return verifier.finish(),
            Ok(count) => verifier.push(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Error::Read {
                    offset: verifier.bytes(),
                    source: error,
                });
            }
        }
    }
}

/// A reader that passes on what it reads and has it verified on the way.
#[derive(Debug)]
pub struct Tee<R> {
    source: R,
    verifier: Verifier,
}

impl<R: Read> Tee<R> {
    /// Verifies what is read through it.
    pub fn new(source: R, verifier: Verifier) -> Self {
        Self { source, verifier }
    }

    /// Ends the verification. Only what was read through is judged, so read to the end first.
    ///
    /// # Errors
    /// As [`Verifier::finish`].
    pub fn finish(self) -> Result<Verified, Error> {
        self.verifier.finish()
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(out)?;
        self.verifier.push(&out[..count]);
        Ok(count)
    }
}
