//! Ed25519 signatures of entries.
//!
//! What is signed is the compact JSON of author, content, intent and timestamp; what counts are the signature and the
//! key in the entry's metadata, not the copies beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::canonical::is_truthy;
use super::entry::{EntryReader, Field};

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

/// The text of a member of an object, both in canonical form. `name` must need no escape.
pub(super) fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = object.strip_prefix(b"{\"")?;
    loop {
        let key_end = string_end(rest)?;
        let key = &rest[..key_end];
        let value = rest[key_end + 1..].strip_prefix(b": ")?;
        let end = value_end(value)?;
        if key == name {
            return Some(&value[..end]);
        }
        // Keys are in order, so a later one ends the search.
        if key > name {
            return None;
        }
        rest = value[end..].strip_prefix(b", \"")?;
    }
}

/// The position of the quote that ends the string whose inside `text` begins with.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The length of the canonical value `text` begins with.
fn value_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => at += 1 + string_end(&text[at + 1..])? + 1,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                if depth == 0 {
                    return Some(at);
                }
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return Some(at),
            _ => at += 1,
        }
    }
}
