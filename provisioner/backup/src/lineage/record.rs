//! What is remembered of one backup once it was verified.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trace::{Agreement, agree};
use crate::catalogue::Candidate;
use crate::witness::BlockHash;
use crate::{Code, Verified, Word};

/// Evenly spaced hashes kept of a chain; where chains part, questions get the others.
const KEPT: usize = 64;

/// What was found out about one version of one object by reading all of it.
// The fields stand in the order of their names, which makes their JSON canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Blocks of its chain.
    pub blocks: u64,
    /// Size of the object.
    pub bytes: u64,
    /// What spoke against it, heaviest first; notes left out.
    pub codes: Vec<Code>,
    /// The object's key, or a file's path.
    pub key: String,
    /// Hashes of blocks at some heights, the first and the last among them. None for a backup that was rejected.
    #[serde(with = "hashes")]
    #[schemars(with = "Vec<(u64, String)>")]
    pub samples: BTreeMap<u64, BlockHash>,
    /// SHA-256 of the object, in lower-case hex.
    pub sha256: String,
    /// When the storage took it in, by the storage's clock.
    #[schemars(with = "String")]
    pub taken_in: Timestamp,
    /// What the verification concluded.
    pub verdict: Word,
    /// The version, where the storage keeps versions.
    pub version_id: Option<String>,
}

impl Record {
    /// The record of a backup that was just verified. It keeps the hashes at the heights the verification was asked to
    /// watch, and a few more.
    #[must_use]
    pub fn of(candidate: &Candidate, verified: &Verified) -> Self {
        let verdict = &verified.verdict;
        let usable = verdict.verdict != Word::Rejected && verdict.blocks > 0;
        Self {
            blocks: verdict.blocks,
            bytes: verdict.bytes,
            codes: verdict.codes(),
            key: candidate.key.clone(),
            samples: if usable {
                verified.samples.thinned(KEPT)
            } else {
                BTreeMap::new()
            },
            sha256: verdict.sha256.clone(),
            taken_in: candidate.last_modified,
            verdict: verdict.verdict,
            version_id: candidate.version_id.clone(),
        }
    }

    /// Adds what another verification of the same bytes says about heights it watched. False, and nothing is added, when
    /// they are not the same bytes or not the same chain any more.
    pub fn learn(&mut self, verified: &Verified) -> bool {
        let verdict = &verified.verdict;
        if verdict.sha256 != self.sha256
            || verdict.verdict == Word::Rejected
            || verdict.blocks != self.blocks
        {
            return false;
        }
        self.samples.extend(verified.samples.thinned(KEPT));
        true
    }

    /// How far its chain and another one are known to be the same.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> Agreement {
        agree(&self.samples, &other.samples)
    }

    /// The hash of the last block.
    #[must_use]
    pub fn head(&self) -> Option<BlockHash> {
        self.samples.get(&self.blocks.checked_sub(1)?).copied()
    }

    /// The hash of the first block.
    #[must_use]
    pub fn genesis(&self) -> Option<BlockHash> {
        self.samples.get(&0).copied()
    }

    /// Whether its chain says anything: it was not rejected, and its first and last hash are there.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.verdict != Word::Rejected && self.head().is_some() && self.genesis().is_some()
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.version_id {
            Some(version) => format!("{}@{version}", self.key),
            None => self.key.clone(),
        }
    }
}

/// Hashes as pairs of height and hex, by height.
pub(super) mod hashes {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::witness::BlockHash;

    pub(crate) fn serialize<S: Serializer>(
        samples: &BTreeMap<u64, BlockHash>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            samples
                .iter()
                .map(|(height, hash)| (height, hex::encode(hash))),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, BlockHash>, D::Error> {
        let pairs = Vec::<(u64, String)>::deserialize(deserializer)?;
        pairs
            .into_iter()
            .map(|(height, text)| {
                let mut hash = BlockHash::default();
                hex::decode_to_slice(&text, &mut hash).map_err(D::Error::custom)?;
                Ok((height, hash))
            })
            .collect()
    }
}
