//! Going without approvals, said aloud.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statement;
use crate::verify::Outcome;

/// Characters a reason must have: enough for a sentence.
const SHORTEST: usize = 20;
/// Characters a reason may have.
const LONGEST: usize = 2000;

/// Someone goes without approvals and says why. It is shown in the report; it makes no approval valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Raw")]
pub struct BreakGlass {
    #[schemars(with = "String")]
    at: Timestamp,
    reason: String,
    who: String,
}

/// Someone goes without approvals and says why.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Raw {
    /// When.
    #[schemars(with = "String")]
    at: Timestamp,
    /// Why: 20 to 2000 characters.
    reason: String,
    /// Who.
    who: String,
}

/// Why it is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakGlassError {
    /// Nobody stands up for it.
    #[error("the name of who breaks the glass {0}")]
    Who(&'static str),
    /// No reason that anybody could judge later.
    #[error("the reason has {0} characters; it needs {SHORTEST} to {LONGEST}")]
    Length(usize),
    /// It could draw on the terminal.
    #[error("the reason has control characters")]
    Control,
}

impl BreakGlass {
    /// Someone goes without approvals.
    ///
    /// # Errors
    /// When `who` is no name, or `reason` has fewer than 20 characters (white space at its ends does not count) or more than 2000, or
    /// control characters.
    pub fn new(who: &str, reason: &str, at: Timestamp) -> Result<Self, BreakGlassError> {
        statement::name(who).map_err(BreakGlassError::Who)?;
        let reason = reason.trim();
        let length = reason.chars().count();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(BreakGlassError::Length(length));
        }
        if reason.chars().any(char::is_control) {
            return Err(BreakGlassError::Control);
        }
        Ok(Self {
            at,
            reason: reason.to_owned(),
            who: who.to_owned(),
        })
    }

    /// Who.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl TryFrom<Raw> for BreakGlass {
    type Error = BreakGlassError;

    fn try_from(raw: Raw) -> Result<Self, BreakGlassError> {
        Self::new(&raw.who, &raw.reason, raw.at)
    }
}

/// On what a plan was applied, for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Authority {
    /// On approvals, enough or not.
    Approvals(Outcome),
    /// On one person's word.
    BreakGlass(BreakGlass),
}
