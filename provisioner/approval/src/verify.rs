//! Holding approvals against a policy.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::approval::{self, Approval, SignError, Unreadable};
use crate::key::Fingerprint;
use crate::policy::{Checked, Policy, PolicyError};
use crate::statement::{Statement, Subject};

/// How far an approver's clock may be ahead of ours.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Approvals that are looked at; the rest is refused unread.
pub const MOST: usize = 1024;

/// One file that is said to be an approval.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'a> {
    /// Where it comes from, for messages: a path.
    pub source: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// What became of the approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Those that count, one for each person, in the order they came.
    pub accepted: Vec<Accepted>,
    /// Those that don't, with the reason.
    pub refused: Vec<Refused>,
    /// How many the policy asks for.
    pub needed: u8,
    /// Whether as many count as are needed.
    pub enough: bool,
}

/// An approval that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Where it comes from.
    pub source: String,
    /// Who approves.
    pub who: String,
    /// The key that signed.
    pub fingerprint: Fingerprint,
    /// When, by the approver's clock.
    pub signed_at: Timestamp,
    /// Until when it counts: what it says itself or what the policy allows, whichever ends first.
    pub valid_until: Timestamp,
    /// What the approver wants to be read with it.
    pub comment: String,
}

/// An approval that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Where it comes from.
    pub source: String,
    /// Who it says it is from, as far as it can be read. Nothing proves it.
    pub who: Option<String>,
    /// The reason. In JSON an object with `code` and `message`.
    pub why: Refusal,
}

/// Why an approval does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many files before it.
    #[error("more than {MOST} approvals were given")]
    TooMany,
    /// Too many bytes.
    #[error("it has {0} bytes; at most {largest} are read", largest = approval::LARGEST)]
    TooLarge(usize),
    /// A version of the format that is not known.
    #[error("it has format {0}, which this tool does not know")]
    UnknownFormat(String),
    /// No approval.
    #[error("{0}")]
    Malformed(String),
    /// Nobody the policy names.
    #[error("the policy knows no approver of this name")]
    UnknownApprover,
    /// The key was revoked.
    #[error("the key {0} is revoked")]
    RevokedKey(Fingerprint),
    /// The key is nobody's, or someone else's.
    #[error("the key {0} is not one of this approver")]
    NotTheirKey(Fingerprint),
    /// The signature is of another key than the statement names.
    #[error("it names the key {stated} but is signed with {found}")]
    OtherKey {
        /// The key the statement names.
        stated: Fingerprint,
        /// The key that signed.
        found: Fingerprint,
    },
    /// A signature made for something else.
    #[error("its signature is for the namespace `{0}`")]
    Namespace(String),
    /// Altered, or never signed.
    #[error(
        "its signature does not fit: it was changed after it was signed, or signed by another key"
    )]
    Signature,
    /// A hardware token signed without being touched.
    #[error("the hardware token that signed was not touched")]
    NotTouched,
    /// It is about something else.
    #[error("it approves the {field} `{found}`, not `{expected}`")]
    OtherSubject {
        /// `plan`, `environment`, `generation` or `scenario`.
        field: &'static str,
        /// What is about to be applied.
        expected: String,
        /// What is approved.
        found: String,
    },
    /// Signed in the future.
    #[error("it was signed at {0}, which is still to come")]
    NotYetValid(Timestamp),
    /// Over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Another approval of this person counts already.
    #[error("another approval of this approver counts already")]
    SameApprover,
}

impl Refusal {
    /// A stable code in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::TooLarge(_) => "too-large",
            Self::UnknownFormat(_) => "unknown-format",
            Self::Malformed(_) => "malformed",
            Self::UnknownApprover => "unknown-approver",
            Self::RevokedKey(_) => "revoked-key",
            Self::NotTheirKey(_) => "not-their-key",
            Self::OtherKey { .. } => "other-key",
            Self::Namespace(_) => "namespace",
            Self::Signature => "signature",
            Self::NotTouched => "not-touched",
            Self::OtherSubject { field, .. } => match *field {
                "plan" => "other-plan",
                "environment" => "other-environment",
                "generation" => "other-generation",
                _ => "other-scenario",
            },
            Self::NotYetValid(_) => "not-yet-valid",
            Self::Expired(_) => "expired",
            Self::SameApprover => "same-approver",
        }
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Refusal", 2)?;
        out.serialize_field("code", self.code())?;
        out.serialize_field("message", &self.to_string())?;
        out.end()
    }
}

/// Which approvals count for `subject` at `now`, and whether they are enough. Each person counts once, with however many keys.
///
/// # Errors
/// When the policy can't be used ([`Policy::check`]). An approval that does not count is no error.
pub fn verify(
    policy: &Policy,
    subject: &Subject,
    approvals: &[Submitted<'_>],
    now: Timestamp,
) -> Result<Outcome, PolicyError> {
    let checked = policy.checked()?;
    let mut accepted: Vec<Accepted> = Vec::new();
    let mut refused = Vec::new();
    let mut counted = BTreeSet::new();
    for (index, submitted) in approvals.iter().enumerate() {
        let mut who = None;
        let result = if index < MOST {
            judge(&checked, policy, subject, submitted, now, &mut who).and_then(|approval| {
                if counted.insert(approval.who.clone()) {
                    Ok(approval)
                } else {
                    Err(Refusal::SameApprover)
                }
            })
        } else {
            Err(Refusal::TooMany)
        };
        match result {
            Ok(approval) => accepted.push(approval),
            Err(why) => refused.push(Refused {
                source: submitted.source.to_owned(),
                who,
                why,
            }),
        }
    }
    Ok(Outcome {
        enough: accepted.len() >= usize::from(policy.needed),
        needed: policy.needed,
        accepted,
        refused,
    })
}

fn judge(
    checked: &Checked,
    policy: &Policy,
    subject: &Subject,
    submitted: &Submitted<'_>,
    now: Timestamp,
    who: &mut Option<String>,
) -> Result<Accepted, Refusal> {
    let (Approval { statement, .. }, signature) =
        Approval::parse(submitted.bytes).map_err(|error| match error {
            Unreadable::TooLarge(bytes) => Refusal::TooLarge(bytes),
            Unreadable::Format(found) => Refusal::UnknownFormat(found),
            other => Refusal::Malformed(other.to_string()),
        })?;
    *who = Some(statement.approver.clone());
    let found = Fingerprint::of(signature.public_key());
    if found != statement.fingerprint {
        return Err(Refusal::OtherKey {
            stated: statement.fingerprint,
            found,
        });
    }
    if checked.revoked.contains(&found) {
        return Err(Refusal::RevokedKey(found));
    }
    if !checked.names.contains(&statement.approver) {
        return Err(Refusal::UnknownApprover);
    }
    let key = match checked.keys.get(&found) {
        Some((name, key)) if *name == statement.approver => key,
        _ => return Err(Refusal::NotTheirKey(found)),
    };
    approval::check(&signature, key, &statement).map_err(|error| match error {
        SignError::Namespace(found) => Refusal::Namespace(found),
        SignError::NotTouched => Refusal::NotTouched,
        _ => Refusal::Signature,
    })?;
    same_subject(subject, &statement)?;
    let valid_until = in_time(&statement, policy.valid_for, now)?;
    Ok(Accepted {
        source: submitted.source.to_owned(),
        who: statement.approver,
        fingerprint: statement.fingerprint,
        signed_at: statement.signed_at,
        valid_until,
        comment: statement.comment,
    })
}

fn same_subject(subject: &Subject, statement: &Statement) -> Result<(), Refusal> {
    for (field, expected, found) in [
        ("environment", &subject.environment, &statement.environment),
        ("generation", &subject.generation, &statement.generation),
        ("scenario", &subject.scenario, &statement.scenario),
        ("plan", &subject.plan, &statement.plan),
    ] {
        if expected != found {
            return Err(Refusal::OtherSubject {
                field,
                expected: expected.clone(),
                found: found.clone(),
            });
        }
    }
    Ok(())
}

fn in_time(
    statement: &Statement,
    valid_for: SignedDuration,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    let until = statement
        .signed_at
        .checked_add(valid_for)
        .map_or(statement.expires_at, |limit| {
            limit.min(statement.expires_at)
        });
    if now >= until {
        return Err(Refusal::Expired(until));
    }
    // The sum fails only at the end of time, where nothing is still to come.
    let early = now
        .checked_add(SKEW)
        .is_ok_and(|latest| statement.signed_at > latest);
    if early {
        return Err(Refusal::NotYetValid(statement.signed_at));
    }
    Ok(until)
}
