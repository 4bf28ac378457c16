//! Ed25519 signatures of entries.
//!
//! What is signed is the compact JSON of author, content, intent and timestamp; what counts are the signature and the
//! key in the entry's metadata, not the copies beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::canonical::is_truthy;
use super::entry::{EntryReader, Field};
use super::walk::member;

/// What an entry's signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    No,
    Valid,
    Forged,
    /// A signature without a key, or the other way round.
    Half,
}

/// Checks the signature of the entry `reader` holds; the second value says whether the copies beside the metadata agree.
pub(super) fn check(reader: &EntryReader, message: &mut Vec<u8>) -> (Signed, bool) {
    let metadata = reader.text(Field::Metadata).unwrap_or_default();
    let signature = member(metadata, b"signature").filter(|text| is_truthy(text));
    let key = member(metadata, b"public_key").filter(|text| is_truthy(text));
    let copies_agree = [(Field::Signature, signature), (Field::PublicKey, key)]
        .into_iter()
        .all(
            |(field, inner)| match reader.text(field).filter(|text| is_truthy(text)) {
                None => true,
                Some(copy) => inner == Some(copy),
            },
        );
    let signed = match (signature, key) {
        (None, None) => Signed::No,
        (Some(signature), Some(key)) => {
            if verify(reader, signature, key, message).is_some() {
                Signed::Valid
            } else {
                Signed::Forged
            }
        }
        _ => Signed::Half,
    };
    (signed, copies_agree)
}

fn verify(reader: &EntryReader, signature: &[u8], key: &[u8], message: &mut Vec<u8>) -> Option<()> {
    let signature: [u8; 64] = decode(signature)?;
    let key: [u8; 32] = decode(key)?;
    message.clear();
    for (prefix, field) in [
        ("{\"author\":", Field::Author),
        (",\"content\":", Field::Content),
        (",\"intent\":", Field::Intent),
        (",\"timestamp\":", Field::Timestamp),
    ] {
        message.extend_from_slice(prefix.as_bytes());
        message.extend_from_slice(reader.text(field)?);
    }
    message.push(b'}');
    // Strict: a key of small order would "verify" signatures nobody made.
    VerifyingKey::from_bytes(&key)
        .ok()?
        .verify_strict(message, &Signature::from_bytes(&signature))
        .ok()
}

fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    // Base64 of a key or a signature; longer text is neither.
    if inner.len() > 128 {
        return None;
    }
    STANDARD.decode(inner).ok()?.try_into().ok()
}
