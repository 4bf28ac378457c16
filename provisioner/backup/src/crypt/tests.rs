//! Encryption against itself, against `aes-gcm` and against what Python wrote.

use std::io::Read;

use aes_gcm::aead::{Aead as _, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::{DecryptError, Decryptor, Encrypted, Encryptor, HEADER_BYTES, MARK, Plaintext, derive};

const HEADER: [u8; HEADER_BYTES] = *b"sixteen bytes!!!twelve bytes";

fn passphrase() -> SecretString {
    SecretString::from("correct-horse-battery-staple-2026")
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 % 251) as u8).collect()
}

fn encrypt(plain: &[u8], piece: usize) -> Vec<u8> {
    let mut encryptor = Encryptor::with_header(&passphrase(), HEADER);
    let mut out = Vec::new();
    for piece in plain.chunks(piece) {
        encryptor.push(piece, &mut out).unwrap();
    }
    encryptor.finish(&mut out);
    out
}

#[test]
fn the_stream_equals_the_one_shot_construction() {
    let salt: [u8; 16] = HEADER[..16].try_into().unwrap();
    let key = derive(&passphrase(), &salt);
    let cipher = aes_gcm::Aes256Gcm::new((&*key).into());
    for length in [0, 1, 15, 16, 17, 100, 4096, 100_001] {
        let plain = text(length);
        let nonce: [u8; 12] = HEADER[16..].try_into().unwrap();
        let sealed = cipher.encrypt((&nonce).into(), plain.as_slice()).unwrap();
        let expected = [
            MARK,
            STANDARD.encode([&HEADER[..], &sealed].concat()).as_bytes(),
        ]
        .concat();
        assert_eq!(encrypt(&plain, 1000), expected, "{length}");
    }
}

#[test]
fn readers_undo_each_other() {
    let plain = text(300_000);
    let encrypted = Encrypted::new(plain.as_slice(), Encryptor::new(&passphrase()).unwrap());
    let mut back = Vec::new();
    Plaintext::new(encrypted, Some(passphrase()))
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == plain);
    // What is not encrypted passes through, with or without a key.
    for bytes in [&b""[..], b"ENC", b"  ENC:1", b"{\"chain\":[]}", &plain] {
        let mut back = Vec::new();
        Plaintext::new(bytes, None).read_to_end(&mut back).unwrap();
        assert!(back == bytes);
    }
    let error = Plaintext::new(&b"ENC:1:AAAA"[..], None)
        .read_to_end(&mut Vec::new())
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn a_change_anywhere_is_noticed_at_the_end() {
    let sealed = encrypt(&text(100), 100);
    for index in MARK.len()..sealed.len() {
        // One position in each part is enough; deriving a key takes time.
        if ![
            MARK.len() + 1,
            MARK.len() + 25,
            sealed.len() / 2,
            sealed.len() - 4,
        ]
        .contains(&index)
        {
            continue;
        }
        let mut changed = sealed.clone();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let mut out = Vec::new();
        let mut decryptor = Decryptor::new(passphrase(), 0);
        decryptor.push(&changed[MARK.len()..], &mut out).unwrap();
        assert_eq!(
            decryptor.finish(),
            Err(DecryptError::Authentication),
            "{index}"
        );
        let error = Plaintext::new(changed.as_slice(), Some(passphrase()))
            .read_to_end(&mut Vec::new())
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}

#[test]
fn short_and_cut_texts_are_told_apart() {
    let sealed = encrypt(b"", 1);
    for (end, expected) in [
        (MARK.len(), DecryptError::TooShort),
        (MARK.len() + 8, DecryptError::TooShort),
        (sealed.len() - 4, DecryptError::TooShort),
        (sealed.len() - 3, DecryptError::Base64),
    ] {
        let mut decryptor = Decryptor::new(passphrase(), 0);
        decryptor
            .push(&sealed[MARK.len()..end], &mut Vec::new())
            .unwrap();
        assert_eq!(decryptor.finish(), Err(expected), "{end}");
    }
}

#[test]
fn base64_is_taken_as_pythons_decoder_takes_it() {
    // One byte more than groups of three, so that there is padding.
    let plain = text(101);
    let sealed = encrypt(&plain, 100);
    let body = &sealed[MARK.len()..];
    let with = |at: usize, inserted: &[u8]| [&body[..at], inserted, &body[at..]].concat();
    for (body, garbage, trailing) in [
        (body.to_vec(), false, false),
        (with(10, b"\r\n"), false, false),
        (with(10, b"#-_"), true, false),
        (with(12, b"="), true, false),
        (with(body.len(), b"\n \t"), false, false),
        (with(body.len(), b"AAAA"), false, true),
    ] {
        for size in [3, 1000] {
            let mut decryptor = Decryptor::new(passphrase(), 6);
            let mut out = Vec::new();
            for piece in body.chunks(size) {
                decryptor.push(piece, &mut out).unwrap();
            }
            assert_eq!(decryptor.garbage().is_some(), garbage);
            assert_eq!(decryptor.trailing().is_some(), trailing);
            decryptor.finish().unwrap();
            assert!(out == plain);
        }
    }
}

/// Written by Python's `cryptography` with the application's parameters; its twin `python_reads_ours` was read by it.
#[test]
fn python_and_we_agree() {
    let python = include_str!("../../tests/vectors/python.enc");
    let mut back = Vec::new();
    Plaintext::new(python.as_bytes(), Some(passphrase()))
        .read_to_end(&mut back)
        .unwrap();
    assert_eq!(back, "{\"chain\": []} – written by Python".as_bytes());
    let ours = include_str!("../../tests/vectors/ours.enc");
    assert_eq!(
        encrypt("written by Rust – read by Python".as_bytes(), 5),
        ours.trim_end().as_bytes()
    );
}
