//! What an approver signs.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::Fingerprint;

/// The version of the format of statements and approvals; another one is refused.
pub const FORMAT: u32 = 1;

/// The namespace of the signatures, so that one made for another purpose is none of ours (`PROTOCOL.sshsig`).
pub const NAMESPACE: &str = "rebuild-approval";

/// Characters a name may have.
const LONGEST_NAME: usize = 128;
/// Characters a comment may have.
const LONGEST_COMMENT: usize = 1000;

/// What is approved: one plan and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The environment's name.
    pub environment: String,
    /// The generation's id.
    pub generation: String,
    /// The plan's hash: lower-case hex SHA-256.
    pub plan: String,
    /// Why it is built: `breach`, `drill`, or what else the environment calls it.
    pub scenario: String,
}

/// What an approver says, and signs.
// The fields stand in the order of their names, which makes the JSON canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The approver's name, as in the policy.
    pub approver: String,
    /// What the approver wants to be read with it; may be empty.
    pub comment: String,
    /// The environment's name.
    pub environment: String,
    /// From when on it counts no more. A policy may end it earlier.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Of the key that signs.
    pub fingerprint: Fingerprint,
    /// [`FORMAT`].
    pub format: u32,
    /// The generation's id.
    pub generation: String,
    /// The plan's hash: lower-case hex SHA-256.
    pub plan: String,
    /// Why it is built.
    pub scenario: String,
    /// When it was signed, by the approver's clock.
    #[schemars(with = "String")]
    pub signed_at: Timestamp,
}

/// Why something is no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A field can't have this value.
    #[error("the statement's `{field}` {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Statement {
    /// What `approver` says of `subject` with the key of this fingerprint, from `signed_at` on for `valid_for`. Times are cut to whole
    /// seconds.
    ///
    /// # Errors
    /// When a field is empty, too long, holds control characters, or the time is not positive.
    pub fn new(
        subject: &Subject,
        approver: &str,
        fingerprint: &Fingerprint,
        signed_at: Timestamp,
        valid_for: SignedDuration,
        comment: &str,
    ) -> Result<Self, StatementError> {
        let time = |why: &str| StatementError::Field {
            field: "expires_at",
            why: why.to_owned(),
        };
        let whole = |at: Timestamp| {
            Timestamp::from_second(at.as_second()).map_err(|_| time("is out of range"))
        };
        let signed_at = whole(signed_at)?;
        let expires_at = signed_at
            .checked_add(valid_for)
            .map_err(|_| time("is out of range"))
            .and_then(whole)?;
        let statement = Self {
            approver: approver.to_owned(),
            comment: comment.to_owned(),
            environment: subject.environment.clone(),
            expires_at,
            fingerprint: fingerprint.clone(),
            format: FORMAT,
            generation: subject.generation.clone(),
            plan: subject.plan.clone(),
            scenario: subject.scenario.clone(),
            signed_at,
        };
        statement.check()?;
        Ok(statement)
    }

    /// Exactly the bytes that are signed: canonical JSON (keys sorted, no white space) and one line feed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // Only a map with keys that are no strings could fail, and there is none.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject {
            environment: self.environment.clone(),
            generation: self.generation.clone(),
            plan: self.plan.clone(),
            scenario: self.scenario.clone(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StatementError> {
        let bad = |field, why: &str| {
            Err(StatementError::Field {
                field,
                why: why.to_owned(),
            })
        };
        for (field, text) in [
            ("approver", &self.approver),
            ("environment", &self.environment),
            ("generation", &self.generation),
            ("scenario", &self.scenario),
        ] {
            if let Err(why) = name(text) {
                return bad(field, why);
            }
        }
        if self.comment.chars().count() > LONGEST_COMMENT {
            return bad("comment", "has more than 1000 characters");
        }
        if self.comment.chars().any(char::is_control) {
            return bad("comment", "has control characters");
        }
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.plan.len() != 64 || !self.plan.bytes().all(hex) {
            return bad("plan", "is no lower-case hex SHA-256");
        }
        if self.expires_at <= self.signed_at {
            return bad("expires_at", "is not after `signed_at`");
        }
        Ok(())
    }
}

/// Whether a text can be a name: something to read, no control characters, of limited length.
pub(crate) fn name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.trim() != text {
        Err("is empty, or begins or ends with white space")
    } else if text.chars().count() > LONGEST_NAME {
        Err("has more than 128 characters")
    } else if text.chars().any(char::is_control) {
        Err("has control characters")
    } else {
        Ok(())
    }
}
