//! Choosing the newest backup that can be trusted after an incident, and saying why every newer one was passed over.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::Candidate;
use crate::lineage::{How, Record, Standing};
use crate::{Code, Word};

/// How a stored version is kept from being changed, as the storage itself reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Lock {
    /// The storage was not asked, or does not say.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// Nobody can delete it or shorten this before then: S3 Object Lock in compliance mode, a locked bucket retention policy.
    Compliance {
        /// When it ends.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// Only who holds a special permission can: S3 Object Lock in governance mode, an unlocked retention policy.
    Governance {
        /// When it ends.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A legal hold, which whoever may set it may also lift.
    LegalHold,
}

/// How strong a lock has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LockNeed {
    /// None is needed.
    None,
    /// Any lock that holds now.
    Any,
    /// One its owner can't shorten.
    #[default]
    Unshortenable,
}

impl Lock {
    fn strength(self, now: Timestamp) -> LockNeed {
        match self {
            Self::Compliance { until } if until > now => LockNeed::Unshortenable,
            Self::Governance { until } if until > now => LockNeed::Any,
            Self::LegalHold => LockNeed::Any,
            _ => LockNeed::None,
        }
    }
}

/// What has to hold for a backup to be known good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When the incident began, or was noticed.
    pub before: Timestamp,
    /// How long an intruder may have been there unnoticed before that.
    pub dwell: SignedDuration,
    /// The present, for locks.
    pub now: Timestamp,
    /// How strong its lock has to be.
    pub lock: LockNeed,
    /// Whether it needs a version id, without which nothing proves that it is what was stored at the time.
    pub version: bool,
}

impl Policy {
    /// The strict policy: a version and a lock its owner can't shorten are needed.
    #[must_use]
    pub fn strict(before: Timestamp, dwell: SignedDuration, now: Timestamp) -> Self {
        Self {
            before,
            dwell,
            now,
            lock: LockNeed::Unshortenable,
            version: true,
        }
    }

    /// The time a backup must have been stored before.
    #[must_use]
    pub fn cutoff(&self) -> Timestamp {
        self.before
            .checked_sub(self.dwell)
            .unwrap_or(Timestamp::MIN)
    }
}

/// What is known about one candidate.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The backup, as listed.
    pub candidate: &'a Candidate,
    /// Its lock.
    pub lock: Lock,
    /// What reading exactly this version showed; nothing when it was not read.
    pub record: Option<&'a Record>,
    /// How it stands among the others; nothing when it was not traced.
    pub standing: Option<&'a Standing>,
}

/// Why a backup was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Reason {
    /// It was stored at or after the time of the incident minus the dwell time.
    TooYoung {
        /// When it was stored.
        #[schemars(with = "String")]
        taken_in: Timestamp,
        /// The time it must have been stored before.
        #[schemars(with = "String")]
        cutoff: Timestamp,
    },
    /// Nobody ever read it.
    NotRead,
    /// The verification did not find it intact.
    NotIntact {
        /// The verdict.
        verdict: Word,
        /// What spoke against it, heaviest first.
        codes: Vec<Code>,
    },
    /// Another version was stored under its name before: it is a replacement.
    Replacement {
        /// When the first version was stored.
        #[schemars(with = "String")]
        first: Timestamp,
    },
    /// It has no version id.
    NotVersioned,
    /// Its lock is weaker than needed.
    NotLocked {
        /// The lock it has.
        lock: Lock,
        /// The lock needed.
        need: LockNeed,
    },
    /// It was not compared with the others.
    NotTraced,
    /// A backup stored earlier knows another history.
    Contradicts {
        /// In which way.
        how: How,
        /// The first block known to differ.
        from: u64,
    },
    /// A backup stored earlier has a longer chain that begins with this one.
    ShorterThanBefore,
    /// It could not be compared with all backups stored earlier.
    Unproved {
        /// With how many it could not.
        backups: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooYoung { taken_in, cutoff } => {
                write!(f, "stored {taken_in}, not before {cutoff}")
            }
            Self::NotRead => f.write_str("not read"),
            Self::NotIntact { verdict, codes } => {
                f.write_str(verdict.as_str())?;
                for (index, code) in codes.iter().enumerate() {
                    f.write_str(if index == 0 { ": " } else { ", " })?;
                    f.write_str(code.as_str())?;
                }
                Ok(())
            }
            Self::Replacement { first } => {
                write!(f, "replaces a version stored {first}")
            }
            Self::NotVersioned => f.write_str("without a version id"),
            Self::NotLocked { .. } => f.write_str("not held under the lock that is needed"),
            Self::NotTraced => f.write_str("not compared with the other backups"),
            Self::Contradicts { how, from } => {
                let what = match how {
                    How::Genesis => "another first block than",
                    How::Head => "another last block than",
                    How::Suffix => "other blocks than",
                    How::Fork => "another history than",
                };
                write!(f, "{what} an earlier backup, from block {from}")
            }
            Self::ShorterThanBefore => f.write_str("shorter than an earlier backup"),
            Self::Unproved { backups } => {
                write!(f, "not yet comparable with {backups} earlier backup(s)")
            }
        }
    }
}

/// A backup that was passed over, and all that speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PassedOver {
    /// Position in the list of candidates.
    pub candidate: usize,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
}

/// What was chosen, and why nothing newer was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KnownGood {
    /// Position in the list of candidates of the newest backup that is known good.
    pub chosen: Option<usize>,
    /// Every newer backup (all of them when none was chosen), newest first.
    pub passed_over: Vec<PassedOver>,
    /// Newer backups that have another history at heights the chosen one knows.
    pub disputed_by: Vec<usize>,
}

/// Chooses the newest backup that is known good: stored before the incident minus the dwell time, intact, the first
/// version under its name, held under the lock that is needed, and proved to extend every backup stored before it.
///
/// *Newest* goes by the storage's clock alone. A newer backup that contradicts the chosen one does not speak against that,
/// since rewriting history is what an intruder does; it is passed over itself, and listed in `disputed_by`.
/// Objects whose names are none of the manager's are no candidates.
#[must_use]
pub fn known_good(evidence: &[Evidence<'_>], policy: &Policy) -> KnownGood {
    let mut order: Vec<usize> = (0..evidence.len())
        .filter(|&index| evidence[index].candidate.name().is_some())
        .collect();
    order.sort_by(|&left, &right| {
        let key = |index: usize| {
            let candidate = evidence[index].candidate;
            (candidate.last_modified, &candidate.key)
        };
        key(right).cmp(&key(left)).then(left.cmp(&right))
    });
    let mut passed_over = Vec::new();
    let mut chosen = None;
    for &index in &order {
        let reasons = reasons(evidence, index, policy);
        if reasons.is_empty() {
            chosen = Some(index);
            break;
        }
        passed_over.push(PassedOver {
            candidate: index,
            reasons,
        });
    }
    let blocks = chosen
        .and_then(|chosen| evidence[chosen].record)
        .map(|record| record.blocks);
    let disputes = |index: usize| {
        evidence[index].standing.is_some_and(|standing| {
            standing
                .contradicts
                .iter()
                .any(|contradiction| contradiction.agreement.differ_from < blocks)
        })
    };
    let disputed_by = passed_over
        .iter()
        .map(|passed| passed.candidate)
        .filter(|&index| disputes(index))
        .collect();
    KnownGood {
        chosen,
        passed_over,
        disputed_by,
    }
}

fn reasons(evidence: &[Evidence<'_>], index: usize, policy: &Policy) -> Vec<Reason> {
    let Evidence {
        candidate,
        lock,
        record,
        standing,
    } = evidence[index];
    let mut reasons = Vec::new();
    let cutoff = policy.cutoff();
    if candidate.last_modified >= cutoff {
        reasons.push(Reason::TooYoung {
            taken_in: candidate.last_modified,
            cutoff,
        });
    }
    match record {
        None => reasons.push(Reason::NotRead),
        Some(record) if record.verdict != Word::Intact => reasons.push(Reason::NotIntact {
            verdict: record.verdict,
            codes: record.codes.clone(),
        }),
        Some(_) => {}
    }
    // Listings count whole seconds; of two versions of the same second the latest is the replacement.
    let first = evidence
        .iter()
        .map(|other| other.candidate)
        .filter(|other| other.key == candidate.key && other.version_id != candidate.version_id)
        .filter(|other| {
            other.last_modified < candidate.last_modified
                || (other.last_modified == candidate.last_modified && candidate.is_latest)
        })
        .map(|other| other.last_modified)
        .min();
    if let Some(first) = first {
        reasons.push(Reason::Replacement { first });
    }
    if policy.version && candidate.version_id.is_none() {
        reasons.push(Reason::NotVersioned);
    }
    if lock.strength(policy.now) < policy.lock {
        reasons.push(Reason::NotLocked {
            lock,
            need: policy.lock,
        });
    }
    match standing {
        None => reasons.push(Reason::NotTraced),
        // What makes it unusable is said by the verdict.
        Some(standing) => {
            for contradiction in &standing.contradicts {
                reasons.push(Reason::Contradicts {
                    how: contradiction.how,
                    from: contradiction.agreement.differ_from.unwrap_or_default(),
                });
            }
            if standing.shorter_than.is_some() {
                reasons.push(Reason::ShorterThanBefore);
            }
            if !standing.open.is_empty() {
                reasons.push(Reason::Unproved {
                    backups: standing.open.len(),
                });
            }
            if !standing.usable && record.is_some_and(|record| record.verdict == Word::Intact) {
                reasons.push(Reason::NotTraced);
            }
        }
    }
    reasons
}
