//! Ed25519 signatures of entries.
//!
//! What is signed is the compact JSON of author, content, intent and timestamp; what counts are the signature and the
//! key in the entry's metadata, not the copies beside it. Claims are collected and verified many at once, which costs a
//! fraction; only when such a batch fails is each of its claims looked at alone.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey, verify_batch};

use super::canonical::is_truthy;
use super::entry::{EntryReader, Field};
use super::walk::members;

/// Claims verified at once, and bytes of their messages.
const BATCH_CLAIMS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// Keys remembered in decompressed form.
const REMEMBERED_KEYS: usize = 1_024;

/// What an entry says about its signature.
#[derive(Debug)]
pub(super) enum Signed {
    No,
    /// A signature and a key; whether they fit is still to be found out.
    Claim(Box<Claim>),
    /// Something that can't be a signature or a key.
    Malformed,
    /// A signature without a key, or the other way round.
    Half,
}

/// A signature to be verified, and where it came from.
#[derive(Debug)]
pub(super) struct Claim {
    message: Vec<u8>,
    signature: [u8; 64],
    key: [u8; 32],
    /// Position of the entry in the chain text.
    pub(super) offset: u64,
    /// The block, unless the entry is not mined yet.
    pub(super) block: Option<u64>,
    /// Place of the entry in its list.
    pub(super) place: u64,
}

impl Claim {
    /// Bytes it holds.
    pub(super) fn size(&self) -> usize {
        self.message.len()
    }
}

/// Reads the signature of the entry `reader` holds; the second value says whether the copies beside the metadata agree.
pub(super) fn read(reader: &EntryReader) -> (Signed, bool) {
    let metadata = reader.text(Field::Metadata).unwrap_or_default();
    let [key, signature] = members(metadata, [b"public_key", b"signature"])
        .map(|value| value.filter(|text| is_truthy(text)));
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
        (Some(signature), Some(key)) => match claim(reader, signature, key) {
            Some(claim) => Signed::Claim(Box::new(claim)),
            None => Signed::Malformed,
        },
        _ => Signed::Half,
    };
    (signed, copies_agree)
}

fn claim(reader: &EntryReader, signature: &[u8], key: &[u8]) -> Option<Claim> {
    let mut message = Vec::with_capacity(1 << 10);
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
    Some(Claim {
        message,
        signature: decode(signature)?,
        key: decode(key)?,
        offset: 0,
        block: None,
        place: 0,
    })
}

fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    // Base64 of a key or a signature; longer text is neither.
    if inner.len() > 128 {
        return None;
    }
    STANDARD.decode(inner).ok()?.try_into().ok()
}

/// Verifies claims in batches.
#[derive(Debug, Default)]
pub(super) struct Notary {
    claims: Vec<Claim>,
    bytes: usize,
    keys: HashMap<[u8; 32], Option<VerifyingKey>>,
}

impl Notary {
    /// Takes a claim. Every claim is sooner or later passed to `judge` with whether it holds.
    pub(super) fn add(&mut self, claim: Claim, judge: &mut dyn FnMut(&Claim, bool)) {
        self.bytes += claim.message.len();
        self.claims.push(claim);
        if self.claims.len() >= BATCH_CLAIMS || self.bytes >= BATCH_BYTES {
            self.settle(judge);
        }
    }

    /// Verifies all claims that wait.
    pub(super) fn settle(&mut self, judge: &mut dyn FnMut(&Claim, bool)) {
        let claims = std::mem::take(&mut self.claims);
        self.bytes = 0;
        let keys: Vec<Option<VerifyingKey>> =
            claims.iter().map(|claim| self.key(&claim.key)).collect();
        let sound: Vec<(&Claim, VerifyingKey)> = claims
            .iter()
            .zip(&keys)
            .filter_map(|(claim, key)| key.map(|key| (claim, key)))
            .collect();
        let messages: Vec<&[u8]> = sound
            .iter()
            .map(|(claim, _)| claim.message.as_slice())
            .collect();
        let signatures: Vec<Signature> = sound
            .iter()
            .map(|(claim, _)| Signature::from_bytes(&claim.signature))
            .collect();
        let verifying: Vec<VerifyingKey> = sound.iter().map(|(_, key)| *key).collect();
        let all_hold = sound.len() > 1 && verify_batch(&messages, &signatures, &verifying).is_ok();
        for (claim, key) in claims.iter().zip(&keys) {
            let holds = key.is_some_and(|key| {
                all_hold
                    || key
                        .verify_strict(&claim.message, &Signature::from_bytes(&claim.signature))
                        .is_ok()
            });
            judge(claim, holds);
        }
    }

    /// The key, unless it is none or one of the few under which anybody can sign.
    fn key(&mut self, bytes: &[u8; 32]) -> Option<VerifyingKey> {
        if let Some(known) = self.keys.get(bytes) {
            return *known;
        }
        let key = VerifyingKey::from_bytes(bytes)
            .ok()
            .filter(|key| !key.is_weak());
        if self.keys.len() >= REMEMBERED_KEYS {
            self.keys.clear();
        }
        self.keys.insert(*bytes, key);
        key
    }
}
