//! The memory of verifications between runs: signed, so that it can lie anywhere.

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Record;
use super::tree::Tree;
use crate::Word;
use crate::catalogue::Candidate;

/// The largest index that is read: about ten thousand backups.
const LARGEST: usize = 64 << 20;
/// Hashes of one record at most: what is sampled and what several rounds of questions add.
const MOST_SAMPLES: usize = 16 << 10;
const VERSION: u64 = 1;
/// Keeps a signature over an index from being one over anything else.
const CONTEXT: &[u8] = b"rebuild lineage index 1\n";

/// What is known of all backups that were ever verified.
///
/// It is worth as much as its signature. Without the key nobody can add a record, so a record is a true statement about
/// the bytes with its SHA-256; whoever can write where the index lies can only make it disappear, or put back an older
/// one. Both cost time, because the backups have to be read again, and never safety: what is missing is read
/// ([`Index::unread`]), and a backup that is to be used is verified in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    sequence: u64,
    records: Vec<Record>,
}

/// Why an index is not believed. The way out is always the same: start with an empty one and read the backups again.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum IndexError {
    /// It is larger than any index would be.
    #[error("the index has {0} bytes, at most {LARGEST} are read")]
    TooLarge(usize),
    /// It is no index in its one canonical spelling.
    #[error("the index is not the canonical JSON of one")]
    Malformed,
    /// It was written by another version of this program.
    #[error("the index has version {0}, known is {VERSION}")]
    Version(u64),
    /// It was signed with another key.
    #[error("the index is signed with another key")]
    OtherKey,
    /// The signature does not fit.
    #[error("the signature of the index does not verify")]
    Forged,
    /// An older index was put back.
    #[error("the index has number {found}, number {expected} was seen before")]
    Older {
        /// Number of this index.
        found: u64,
        /// The least number expected.
        expected: u64,
    },
}

/// The key indexes are signed with. Debug output never shows it, and dropping it wipes it.
pub struct IndexKey(SigningKey);

impl std::fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexKey").finish_non_exhaustive()
    }
}

impl IndexKey {
    /// The Ed25519 key with this seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// What verifies its signatures; no secret.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

// In both the fields stand in the order of their names, which makes their JSON canonical.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    records: Vec<Record>,
    sequence: u64,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    index: Body,
    key: String,
    signature: String,
}

impl Index {
    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records, to add answers to questions.
    #[must_use]
    pub fn records_mut(&mut self) -> &mut [Record] {
        &mut self.records
    }

    /// Counts how often an index was sealed on the way to this one. Who remembers the highest number notices when an
    /// older index is put back.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Adds a record; it replaces one of the same version of the same key.
    pub fn insert(&mut self, record: Record) {
        self.records
            .retain(|known| known.key != record.key || known.version_id != record.version_id);
        let place = self
            .records
            .partition_point(|known| order(known) < order(&record));
        self.records.insert(place, record);
    }

    /// The record of exactly this version, if its size and time are still what they were. Without a version id nothing
    /// says that it is the same object, so there is none.
    #[must_use]
    pub fn find(&self, candidate: &Candidate) -> Option<&Record> {
        candidate.version_id.as_ref()?;
        self.records.iter().find(|record| {
            record.key == candidate.key
                && record.version_id == candidate.version_id
                && record.bytes == candidate.size
                && record.taken_in == candidate.last_modified
        })
    }

    /// The backups of a listing that have to be read because nothing is known of them; oldest first, so that each can be
    /// compared with those before it in the same pass.
    #[must_use]
    pub fn unread<'a>(&self, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
        let mut unread: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| candidate.name().is_some() && self.find(candidate).is_none())
            .collect();
        unread.sort_by_key(|candidate| (candidate.last_modified, &candidate.key));
        unread
    }

    /// The records of backups a listing no longer has. They still witness.
    pub fn gone<'a>(&'a self, candidates: &'a [Candidate]) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(|record| {
            !candidates.iter().any(|candidate| {
                candidate.key == record.key && candidate.version_id == record.version_id
            })
        })
    }

    /// The heights at which the next backup should be sampled so that it can be compared exactly: where the longest chain
    /// of each branch ends.
    #[must_use]
    pub fn watch(&self) -> BTreeSet<u64> {
        Tree::grow(&self.records)
            .leaves
            .into_iter()
            .filter_map(|leaf| self.records[leaf].blocks.checked_sub(1))
            .collect()
    }

    /// Writes the index, signed, as canonical JSON, and counts up its number.
    #[must_use]
    pub fn seal(&mut self, key: &IndexKey) -> Vec<u8> {
        self.sequence += 1;
        let body = Body {
            records: self.records.clone(),
            sequence: self.sequence,
            version: VERSION,
        };
        let text = canonical(&body);
        let signature = key.0.sign(&[CONTEXT, &text].concat());
        canonical(&Sealed {
            index: body,
            key: hex::encode(key.public()),
            signature: hex::encode(signature.to_bytes()),
        })
    }

    /// Reads an index signed with the key that belongs to `public`, and with a number of at least `expected`.
    ///
    /// # Errors
    /// [`IndexError`]; then the index is to be rebuilt from an empty one.
    pub fn open(bytes: &[u8], public: &[u8; 32], expected: u64) -> Result<Self, IndexError> {
        if bytes.len() > LARGEST {
            return Err(IndexError::TooLarge(bytes.len()));
        }
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|_| IndexError::Malformed)?;
        if sealed.index.version != VERSION {
            return Err(IndexError::Version(sealed.index.version));
        }
        // One spelling only, so that nothing can hide in white space, double keys or other notations.
        if canonical(&sealed) != bytes {
            return Err(IndexError::Malformed);
        }
        if sealed.key != hex::encode(public) {
            return Err(IndexError::OtherKey);
        }
        let key = VerifyingKey::from_bytes(public).map_err(|_| IndexError::OtherKey)?;
        let signature = hex::decode(&sealed.signature)
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .ok_or(IndexError::Forged)?;
        let text = canonical(&sealed.index);
        key.verify_strict(&[CONTEXT, &text].concat(), &signature)
            .map_err(|_| IndexError::Forged)?;
        let Body {
            records, sequence, ..
        } = sealed.index;
        if sequence < expected {
            return Err(IndexError::Older {
                found: sequence,
                expected,
            });
        }
        let sound = records.is_sorted_by_key(order) && records.iter().all(is_sound);
        if !sound {
            return Err(IndexError::Malformed);
        }
        Ok(Self { sequence, records })
    }
}

fn order(record: &Record) -> (jiff::Timestamp, &str, Option<&str>) {
    (record.taken_in, &record.key, record.version_id.as_deref())
}

fn is_sound(record: &Record) -> bool {
    let heights = record
        .samples
        .last_key_value()
        .is_none_or(|(&highest, _)| highest < record.blocks);
    heights
        && record.samples.len() <= MOST_SAMPLES
        && (record.samples.is_empty() == (record.verdict == Word::Rejected) || record.blocks == 0)
}

fn canonical(value: &impl Serialize) -> Vec<u8> {
    // Only a map with keys that are no strings could fail, and there is none.
    serde_json::to_vec(value).unwrap_or_default()
}
