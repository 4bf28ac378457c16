//! The answer of a verification, as data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Finding, Severity};

/// The word for a backup as a whole.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Everything that can be checked was checked and holds.
    Intact,
    /// The hashes hold, but something can hide.
    Suspect,
    /// Malformed, damaged, altered, or beyond the limits.
    Rejected,
}

impl Word {
    /// The word as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Suspect => "suspect",
            Self::Rejected => "rejected",
        }
    }

    /// The exit code that belongs to the word: 0, 3 and 4.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Suspect => 3,
            Self::Rejected => 4,
        }
    }

    /// The word that follows from findings: the heaviest decides.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Self::Rejected,
            Some(Severity::Warning) => Self::Suspect,
            Some(Severity::Note) | None => Self::Intact,
        }
    }
}

/// How the object is wrapped, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Wrapping {
    /// JSON as it is.
    #[serde(rename = "plain")]
    Plain,
    /// gzip around JSON.
    #[serde(rename = "gzip")]
    Gzip,
    /// `ENC:1` around JSON.
    #[serde(rename = "enc")]
    Enc,
    /// `ENC:1` around gzip around JSON.
    #[serde(rename = "enc+gzip")]
    EncGzip,
}

impl Wrapping {
    /// True when reading the object needs a key.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Enc | Self::EncGzip)
    }
}

/// How many entries carry a signature, and whether it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signatures {
    /// Signed, and the signature verifies.
    pub valid: u64,
    /// Signed, and the signature does not verify.
    pub forged: u64,
    /// Not signed.
    pub unsigned: u64,
}

/// What a verification concludes. Stable: the JSON form is what `--format json` prints and what plans store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The conclusion.
    pub verdict: Word,
    /// How the object is wrapped; absent when it is too broken to tell.
    pub format: Option<Wrapping>,
    /// Blocks read. For a rejected backup, those read until it was given up.
    pub blocks: u64,
    /// Entries read in those blocks.
    pub entries: u64,
    /// Computed hash of the last block, in lower-case hex.
    pub head: Option<String>,
    /// Computed hash of the first block, in lower-case hex.
    pub genesis: Option<String>,
    /// Size of the stored object.
    pub bytes: u64,
    /// SHA-256 of the stored object, in lower-case hex.
    pub sha256: String,
    /// Size of the chain text after decryption and decompression.
    pub plain_bytes: u64,
    /// Entries in the list of those that are not mined yet.
    pub pending_entries: u64,
    /// Timestamp of the last block in seconds since 1970, rounded down.
    pub head_time: Option<i64>,
    /// Signatures of entries in blocks.
    pub signatures: Signatures,
    /// What was found, heaviest first.
    pub findings: Vec<Finding>,
    /// How many more findings of a code there were than `findings` lists.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub omitted: BTreeMap<Code, u64>,
}

impl Verdict {
    /// The codes of what speaks against it, heaviest first, each once; notes left out.
    #[must_use]
    pub fn codes(&self) -> Vec<Code> {
        let mut codes: Vec<Code> = Vec::new();
        for finding in &self.findings {
            if finding.severity > Severity::Note && !codes.contains(&finding.code) {
                codes.push(finding.code);
            }
        }
        codes
    }

    /// Adds findings made elsewhere (metadata, lineage) and concludes again.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.verdict = Word::of(&self.findings);
    }
}
