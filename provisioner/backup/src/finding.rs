//! What a check has to say about a backup: typed codes, each with one severity, one meaning and one hint.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;

/// How much a finding weighs. The heaviest one decides the verdict.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; does not change the verdict.
    Note,
    /// The hashes hold, but something can hide here: *suspect*.
    Warning,
    /// The backup must not be used: *rejected*.
    Error,
}

impl Severity {
    /// The word used in JSON and in the documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One remark about a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What kind of remark this is; stable.
    pub code: Code,
    /// How much it weighs; fixed for each code.
    pub severity: Severity,
    /// What was seen, in one sentence.
    pub message: String,
    /// Position in the chain of the block concerned, counted from 0.
    pub block: Option<u64>,
    /// Byte position: in the stored object for findings about gzip and encryption, in the decoded chain text for all others.
    pub offset: Option<u64>,
    /// What to do about it.
    pub hint: String,
}

impl Finding {
    /// A finding with the severity and the hint that belong to `code`.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            block: None,
            offset: None,
            hint: code.hint().to_owned(),
        }
    }

    /// The same finding, placed at a byte position.
    #[must_use]
    pub fn at(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same finding, placed in a block.
    #[must_use]
    pub fn in_block(mut self, block: u64) -> Self {
        self.block = Some(block);
        self
    }
}

/// Findings as they come in, bounded for each code so that a hostile file can't fill memory with them.
#[derive(Debug)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    seen: BTreeMap<Code, u64>,
    per_code: usize,
}

impl Findings {
    pub(crate) fn new(per_code: usize) -> Self {
        Self {
            kept: Vec::new(),
            seen: BTreeMap::new(),
            per_code: per_code.max(1),
        }
    }

    pub(crate) fn push(&mut self, finding: Finding) {
        let seen = self.seen.entry(finding.code).or_insert(0);
        *seen += 1;
        if *seen <= self.per_code as u64 {
            self.kept.push(finding);
        }
    }

    /// True when one more finding of this code would be kept: lets a caller skip building its message.
    pub(crate) fn wants(&mut self, code: Code) -> bool {
        let seen = self.seen.entry(code).or_insert(0);
        if *seen < self.per_code as u64 {
            return true;
        }
        *seen += 1;
        false
    }

    /// The findings of one code alone.
    pub(crate) fn only(mut self, code: Code) -> Self {
        self.kept.retain(|finding| finding.code == code);
        self.seen.retain(|seen, _| *seen == code);
        self
    }

    /// Forgets what was found in blocks.
    pub(crate) fn forget_blocks(&mut self) {
        self.kept.retain(|finding| finding.block.is_none());
        self.seen.clear();
        for finding in &self.kept {
            *self.seen.entry(finding.code).or_insert(0) += 1;
        }
    }

    pub(crate) fn has_error(&self) -> bool {
        self.kept
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    pub(crate) fn append(&mut self, other: Self) {
        for (code, count) in other.seen {
            *self.seen.entry(code).or_insert(0) += count;
        }
        self.kept.extend(other.kept);
    }

    /// The findings, heaviest first and otherwise by place, and how many of each code were left out.
    pub(crate) fn into_parts(mut self) -> (Vec<Finding>, BTreeMap<Code, u64>) {
        self.kept.sort_by_key(|finding| {
            (
                std::cmp::Reverse(finding.severity),
                finding.offset.unwrap_or(u64::MAX),
            )
        });
        for finding in &self.kept {
            if let Some(seen) = self.seen.get_mut(&finding.code) {
                *seen -= 1;
            }
        }
        self.seen.retain(|_, left| *left > 0);
        (self.kept, self.seen)
    }
}
