//! The way a backup takes when it is seeded: read, verified on the way, decrypted, encrypted with a fresh key, written,
//! read back and verified again.

mod support;

use std::io::{self, Read};

use backup::{
    Code, Encrypted, Encryptor, Options, Plaintext, Tee, Verifier, Word, Wrapping, verify,
};
use secrecy::SecretString;
use support::{NOW, fixture, options, passphrase};

fn fresh() -> SecretString {
    SecretString::from("a fresh key of the new generation")
}

/// Seeds from `source` and returns what was written and whether the source was what it should be.
fn seed(source: &[u8]) -> (io::Result<Vec<u8>>, Option<Word>) {
    let tee = Tee::new(source, Verifier::new(options()));
    let mut plaintext = Plaintext::new(tee, Some(passphrase()));
    let encryptor = Encryptor::new(&fresh()).unwrap();
    let mut written = Vec::new();
    let copied = io::copy(&mut Encrypted::new(&mut plaintext, encryptor), &mut written);
    let word = plaintext
        .into_inner()
        .finish()
        .ok()
        .map(|verified| verified.verdict.verdict);
    (copied.map(|_| written), word)
}

#[test]
fn what_is_seeded_is_the_same_chain_under_the_fresh_key() {
    for (file, wrapping) in [
        ("formats/chain_50k.plain", Wrapping::Enc),
        ("formats/chain_50k.gzip", Wrapping::EncGzip),
        ("formats/chain_50k.enc", Wrapping::Enc),
        ("formats/chain_50k.encgz", Wrapping::EncGzip),
    ] {
        let source = fixture(file);
        let (written, word) = seed(&source);
        assert_eq!(word, Some(Word::Intact), "{file}");
        let written = written.unwrap();
        let before = verify(&mut source.as_slice(), options()).unwrap().verdict;
        let after = verify(
            &mut written.as_slice(),
            Options::at(NOW).with_passphrase(fresh()),
        )
        .unwrap()
        .verdict;
        assert_eq!(after.verdict, Word::Intact, "{file}: {:?}", after.findings);
        assert_eq!(after.format, Some(wrapping), "{file}");
        assert_eq!((&after.head, after.blocks), (&before.head, before.blocks));
        // The old key opens nothing any more.
        let old = verify(&mut written.as_slice(), options()).unwrap().verdict;
        assert_eq!(old.findings[0].code, Code::EncryptionWrongKey);
    }
}

#[test]
fn a_broken_source_leaves_nothing_that_verifies() {
    let mut source = fixture("formats/chain_50k.encgz");
    let middle = source.len() / 2;
    source[middle] = if source[middle] == b'A' { b'B' } else { b'A' };
    let (written, word) = seed(&source);
    assert!(written.is_err());
    assert_eq!(word, Some(Word::Rejected));
}

/// A source that fails after some bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        let count = out.len().min(self.0);
        out[..count].fill(b' ');
        self.0 -= count;
        Ok(count)
    }
}

#[test]
fn a_failing_source_is_an_error_and_no_verdict() {
    let error = verify(&mut Failing(1000), options()).unwrap_err();
    assert!(matches!(error, backup::Error::Read { offset: 1000, .. }));
    let mut written = Vec::new();
    let mut encrypted = Encrypted::new(Failing(1000), Encryptor::new(&fresh()).unwrap());
    assert!(io::copy(&mut encrypted, &mut written).is_err());
    let verdict = verify(
        &mut written.as_slice(),
        Options::at(NOW).with_passphrase(fresh()),
    )
    .unwrap()
    .verdict;
    assert_eq!(verdict.verdict, Word::Rejected);
}

#[test]
fn a_pinned_object_must_be_the_one_pinned() {
    let source = fixture("formats/chain_50k.gzip");
    let found = verify(&mut source.as_slice(), options()).unwrap().verdict;
    let mut pinned = options();
    pinned.pin.sha256 = Some(found.sha256.clone());
    pinned.pin.bytes = Some(found.bytes);
    pinned.pin.blocks = Some(found.blocks);
    let verdict = verify(&mut source.as_slice(), pinned.clone())
        .unwrap()
        .verdict;
    assert_eq!(verdict, found);
    pinned.pin.sha256 = Some("0".repeat(64));
    let verdict = verify(&mut source.as_slice(), pinned).unwrap().verdict;
    assert_eq!(verdict.findings[0].code, Code::PinMismatch);
    assert_eq!(verdict.verdict, Word::Rejected);
}

#[test]
fn pushing_equals_reading() {
    let plain = fixture("formats/chain_50k.gzip");
    let mut encryptor = Encryptor::new(&fresh()).unwrap();
    let mut text = Vec::new();
    for piece in plain.chunks(777) {
        encryptor.push(piece, &mut text).unwrap();
    }
    encryptor.finish(&mut text);
    let mut decrypted = Vec::new();
    Plaintext::new(text.as_slice(), Some(fresh()))
        .read_to_end(&mut decrypted)
        .unwrap();
    assert!(decrypted == plain);
}
