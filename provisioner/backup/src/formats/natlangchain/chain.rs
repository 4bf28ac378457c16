//! The rules of the chain: hashes, links, places, proof of work and time.

use sha2::{Digest, Sha256};

use super::entry::printable;
use crate::finding::Findings;
use crate::witness::Samples;
use crate::{Code, Finding, Options};

/// Seconds by which clocks of honest machines may differ.
const CLOCK_TOLERANCE: f64 = 300.0;

/// The block being read.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Position of its opening bracket in the chain text.
    pub(super) offset: u64,
    pub(super) entries: u64,
    pub(super) index: Option<Vec<u8>>,
    pub(super) nonce: Option<Vec<u8>>,
    pub(super) previous_hash: Option<Vec<u8>>,
    pub(super) timestamp: Option<Vec<u8>>,
    pub(super) hash: Option<Vec<u8>>,
    /// It has a list of entries.
    pub(super) has_entries: bool,
    /// Something is missing, so that its hash says nothing more.
    pub(super) broken: bool,
}

impl Block {
    pub(super) fn at(offset: u64) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    /// Bytes its fields hold.
    pub(super) fn size(&self) -> usize {
        [
            &self.index,
            &self.nonce,
            &self.previous_hash,
            &self.timestamp,
            &self.hash,
        ]
        .into_iter()
        .flatten()
        .map(Vec::len)
        .sum()
    }
}

/// The chain as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub(super) height: u64,
    pub(super) entries: u64,
    pub(super) genesis: Option<[u8; 32]>,
    pub(super) head: Option<[u8; 32]>,
    pub(super) head_time: Option<f64>,
    pub(super) samples: Samples,
    /// The hash the last block states: what the next one must name. Computed when it states none.
    stated: Option<Vec<u8>>,
    last_offset: u64,
    hash_missing: bool,
}

impl Chain {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            samples: Samples::watching(options.watch.clone()),
            ..Self::default()
        }
    }

    /// Ends a block: computes its hash, of which `entries` has the text of the entries, and compares everything that can
    /// be compared.
    pub(super) fn close(
        &mut self,
        block: Block,
        entries: Sha256,
        options: &Options,
        findings: &mut Findings,
    ) {
        let height = self.height;
        let offset = block.offset;
        let mut report = |code: Code, message: String| {
            findings.push(Finding::new(code, message).in_block(height).at(offset))
        };
        if self.hash_missing {
            report(
                Code::BlockHashMissing,
                format!("block {} carries no hash", height.saturating_sub(1)),
            );
        }
        self.hash_missing = false;
        self.last_offset = offset;
        self.height += 1;
        self.entries += block.entries;
        let Some(fields) = Fields::of(&block, &mut report) else {
            self.stated = block.hash;
            self.head = None;
            return;
        };
        let computed = fields.hash(entries);
        let computed_hex = quoted_hex(&computed);
        if fields.index != height.to_string().as_bytes() {
            report(
                Code::BlockIndexWrong,
                format!("block {height} has the index {}", printable(fields.index)),
            );
        }
        match &self.stated {
            None if height == 0 && fields.previous_hash != b"\"0\"" => {
                report(
                    Code::BlockLinkBroken,
                    "the first block names a previous block".to_owned(),
                );
            }
            Some(stated) if stated != fields.previous_hash => {
                report(
                    Code::BlockLinkBroken,
                    format!(
                        "block {height} does not name the hash of block {}",
                        height.saturating_sub(1)
                    ),
                );
            }
            _ => {}
        }
        match &block.hash {
            None => self.hash_missing = true,
            Some(hash) if *hash != computed_hex && !block.broken => {
                report(
                    Code::BlockHashMismatch,
                    format!(
                        "block {height} states the hash {}, its content has {}",
                        printable(hash),
                        hex::encode(computed)
                    ),
                );
            }
            Some(_) => {}
        }
        // The first block is made without work, and the application asks it of no empty block.
        if height > 0 && block.entries == 0 {
            report(Code::EmptyBlock, format!("block {height} has no entries"));
        } else if height > 0 && !computed_hex.starts_with(b"\"0") && !block.broken {
            report(
                Code::ProofOfWorkMissing,
                format!("the hash of block {height} does not begin with 0"),
            );
        }
        if !fields.time.is_finite() {
            report(
                Code::TimeNotFinite,
                format!("block {height} has the timestamp {}", fields.time),
            );
        } else {
            if let Some(before) = self.head_time
                && fields.time < before
            {
                report(
                    Code::TimeBackwards,
                    format!(
                        "block {height} is {:.0} s older than the one before it",
                        before - fields.time
                    ),
                );
            }
            if fields.time > options.now as f64 + CLOCK_TOLERANCE {
                report(
                    Code::TimeInFuture,
                    format!(
                        "block {height} is dated {:.0} s after the check",
                        fields.time - options.now as f64
                    ),
                );
            }
            self.head_time = Some(fields.time);
        }
        if let Some(finding) = options.witness.check(height, &computed) {
            findings.push(finding.at(offset));
        }
        self.samples.add(height, computed);
        if height == 0 {
            self.genesis = Some(computed);
        }
        self.head = Some(computed);
        self.stated = Some(block.hash.unwrap_or(computed_hex));
    }

    /// Ends the chain.
    pub(super) fn finish(&mut self, options: &Options, findings: &mut Findings) {
        if self.hash_missing {
            let head = self.height.saturating_sub(1);
            findings.push(
                Finding::new(
                    Code::HeadHashMissing,
                    format!("block {head}, the last one, carries no hash"),
                )
                .in_block(head)
                .at(self.last_offset),
            );
        }
        if self.height == 0 {
            findings.push(Finding::new(Code::ChainEmpty, "the chain has no block"));
        }
        for finding in options.witness.check_end(self.height, self.head.as_ref()) {
            findings.push(finding.at(self.last_offset));
        }
    }
}

/// The fields of a block that has all it needs.
struct Fields<'a> {
    index: &'a [u8],
    nonce: &'a [u8],
    previous_hash: &'a [u8],
    timestamp: &'a [u8],
    time: f64,
}

impl<'a> Fields<'a> {
    fn of(block: &'a Block, report: &mut impl FnMut(Code, String)) -> Option<Self> {
        let mut missing = Vec::new();
        for (name, there) in [
            ("entries", block.has_entries),
            ("index", block.index.is_some()),
            ("previous_hash", block.previous_hash.is_some()),
            ("timestamp", block.timestamp.is_some()),
        ] {
            if !there {
                missing.push(name);
            }
        }
        if !missing.is_empty() {
            report(
                Code::BlockFieldMissing,
                format!("a block lacks {}", missing.join(", ")),
            );
            return None;
        }
        let fields = Self {
            index: block.index.as_deref()?,
            nonce: block.nonce.as_deref().unwrap_or(b"0"),
            previous_hash: block.previous_hash.as_deref()?,
            timestamp: block.timestamp.as_deref()?,
            time: number(block.timestamp.as_deref()?).unwrap_or(f64::NAN),
        };
        for (name, right) in [
            ("index", is_integer(fields.index)),
            ("nonce", is_integer(fields.nonce)),
            ("previous_hash", is_string(fields.previous_hash)),
            ("timestamp", number(fields.timestamp).is_some()),
            ("hash", block.hash.as_deref().is_none_or(is_string)),
        ] {
            if !right {
                report(
                    Code::BlockFieldType,
                    format!("the field {name} of a block has the wrong type"),
                );
            }
        }
        Some(fields)
    }

    fn hash(&self, mut hasher: Sha256) -> [u8; 32] {
        for (name, text) in [
            ("], \"index\": ", self.index),
            (", \"nonce\": ", self.nonce),
            (", \"previous_hash\": ", self.previous_hash),
            (", \"timestamp\": ", self.timestamp),
        ] {
            hasher.update(name.as_bytes());
            hasher.update(text);
        }
        hasher.update(b"}");
        hasher.finalize().into()
    }
}

fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_string(text: &[u8]) -> bool {
    text.first() == Some(&b'"')
}

/// The value of a number in canonical text.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => match text.first() {
            Some(b'-' | b'0'..=b'9') => std::str::from_utf8(text).ok()?.parse().ok(),
            _ => None,
        },
    }
}

fn quoted_hex(hash: &[u8; 32]) -> Vec<u8> {
    format!("\"{}\"", hex::encode(hash)).into_bytes()
}
