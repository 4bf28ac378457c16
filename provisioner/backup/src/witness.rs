//! What is known about a chain from elsewhere, and what a verified chain can tell about itself.
//!
//! A chain that was mined again from some block on is consistent in itself: only somebody who remembers the old one can
//! tell. A witness is such a memory: the hash of the head, or hashes at some heights of a chain verified before.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Code, Finding};

/// The hash of a block.
pub type BlockHash = [u8; 32];

/// What a chain is expected to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// The hash of the last block, if it is known exactly.
    pub head: Option<BlockHash>,
    /// Hashes at heights (0 is the first block) of a chain that this one must extend.
    pub heights: BTreeMap<u64, BlockHash>,
}

impl Witness {
    /// A witness that knows the head.
    #[must_use]
    pub fn of_head(head: BlockHash) -> Self {
        Self {
            head: Some(head),
            heights: BTreeMap::new(),
        }
    }

    /// A witness made of the samples of a chain verified before.
    #[must_use]
    pub fn of_samples(samples: impl IntoIterator<Item = (u64, BlockHash)>) -> Self {
        Self {
            head: None,
            heights: samples.into_iter().collect(),
        }
    }

    pub(crate) fn check(&self, height: u64, hash: &BlockHash) -> Option<Finding> {
        let known = self.heights.get(&height)?;
        (known != hash).then(|| {
            Finding::new(
                Code::WitnessFork,
                format!(
                    "block {height} is {}, the witness knows {}",
                    hex::encode(hash),
                    hex::encode(known)
                ),
            )
            .in_block(height)
        })
    }

    pub(crate) fn check_end(&self, blocks: u64, head: Option<&BlockHash>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some((&highest, _)) = self.heights.last_key_value()
            && highest >= blocks
        {
            findings.push(Finding::new(
                Code::WitnessRollback,
                format!("the chain has {blocks} blocks, the witness knows block {highest}"),
            ));
        }
        if let Some(expected) = &self.head
            && Some(expected) != head
        {
            findings.push(Finding::new(
                Code::WitnessHeadMismatch,
                format!(
                    "the head is {}, expected is {}",
                    head.map_or_else(|| "unknown".to_owned(), hex::encode),
                    hex::encode(expected)
                ),
            ));
        }
        findings
    }
}

/// Hashes at evenly spaced heights, never more than a few thousand however long the chain is; besides them the newest, and
/// those at heights somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    stride: u64,
    taken: Vec<(u64, BlockHash)>,
    last: Option<(u64, BlockHash)>,
    watch: BTreeSet<u64>,
    watched: Vec<(u64, BlockHash)>,
}

impl Default for Samples {
    fn default() -> Self {
        Self::watching(BTreeSet::new())
    }
}

impl Samples {
    const MOST: usize = 4_096;

    /// Samples that also keep the hash at each of these heights. They cost memory, so the caller bounds them.
    #[must_use]
    pub fn watching(heights: BTreeSet<u64>) -> Self {
        Self {
            stride: 1,
            taken: Vec::new(),
            last: None,
            watch: heights,
            watched: Vec::new(),
        }
    }

    /// Takes note of the next block.
    pub fn add(&mut self, height: u64, hash: BlockHash) {
        self.last = Some((height, hash));
        if self.watch.contains(&height) {
            self.watched.push((height, hash));
        }
        if !height.is_multiple_of(self.stride) {
            return;
        }
        if self.taken.len() == Self::MOST {
            self.stride *= 2;
            let stride = self.stride;
            self.taken
                .retain(|(height, _)| height.is_multiple_of(stride));
            if !height.is_multiple_of(stride) {
                return;
            }
        }
        self.taken.push((height, hash));
    }

    /// The samples, by height.
    pub fn iter(&self) -> impl Iterator<Item = (u64, BlockHash)> {
        self.thinned(Self::MOST).into_iter()
    }

    /// At most `most` evenly spaced samples, at multiples of a power of two so that those of different chains meet, and
    /// besides them the watched heights and the newest; by height.
    #[must_use]
    pub fn thinned(&self, most: usize) -> BTreeMap<u64, BlockHash> {
        let mut stride = self.stride;
        while self
            .last
            .is_some_and(|(last, _)| last / stride >= most.max(1) as u64)
        {
            stride *= 2;
        }
        self.taken
            .iter()
            .filter(|(height, _)| height.is_multiple_of(stride))
            .chain(&self.watched)
            .chain(&self.last)
            .copied()
            .collect()
    }
}
