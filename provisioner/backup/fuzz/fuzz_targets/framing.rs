//! gzip and `ENC:1` around anything.
#![no_main]

use std::io::Write as _;

use backup::{Encryptor, Options, Verified, Verifier};
use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

fn options() -> Options {
    let mut options =
        Options::at(1_800_000_000).with_passphrase(SecretString::from("a passphrase"));
    options.threaded = false;
    // Small enough to be reached.
    options.limits.whitespace_bytes = 1 << 10;
    options.limits.entry_bytes = 4 << 10;
    options.limits.canonical_bytes = 8 << 10;
    options.limits.gzip_header_bytes = 1 << 10;
    options.limits.gzip_members = 16;
    options.limits.ratio_grace = 16 << 10;
    options
}

fn check(object: &[u8], piece: usize) -> Option<Verified> {
    let mut verifier = Verifier::new(options());
    for piece in object.chunks(piece.max(1)) {
        verifier.push(piece);
    }
    verifier.finish().ok()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn encrypt(bytes: &[u8]) -> Vec<u8> {
    let mut encryptor =
        Encryptor::new(&SecretString::from("a passphrase")).expect("there is randomness");
    let mut text = Vec::new();
    encryptor.push(bytes, &mut text).expect("it is short");
    encryptor.finish(&mut text);
    text
}

fuzz_target!(|input: (u8, u8, u16, u8, &[u8])| {
    let (wrap, piece, at, change, bytes) = input;
    let mut object = match wrap % 5 {
        0 => bytes.to_vec(),
        1 => gzip(bytes),
        2 => encrypt(bytes),
        3 => encrypt(&gzip(bytes)),
        _ => {
            let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
            [gzip(first), gzip(second)].concat()
        }
    };
    let place = usize::from(at) % object.len().max(1);
    match wrap / 5 % 4 {
        0 => {}
        1 => object.truncate(place),
        2 => {
            if let Some(byte) = object.get_mut(place) {
                *byte = change;
            }
        }
        _ => object.insert(place.min(object.len()), change),
    }
    let whole = check(&object, object.len());
    let cut = check(&object, usize::from(piece));
    match (whole, cut) {
        (Some(mut whole), Some(mut cut)) => {
            // How far a bomb got before a limit stopped it may differ.
            let limited = |verified: &Verified| {
                verified
                    .verdict
                    .findings
                    .iter()
                    .any(|finding| finding.code.as_str().starts_with("limit-ratio"))
            };
            if limited(&whole) || limited(&cut) {
                for verified in [&mut whole, &mut cut] {
                    assert_eq!(verified.verdict.verdict, backup::Word::Rejected);
                }
            } else {
                assert_eq!(whole, cut);
            }
            assert!(whole.verdict.findings.len() < 200);
        }
        (None, None) => {}
        other => panic!("{other:?}"),
    }
});
