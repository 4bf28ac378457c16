//! A policy of three approvers and what they sign.

use approval::{
    Approval, Approver, Outcome, Policy, PrivateKey, Statement, Subject, Submitted, sign, verify,
};
use jiff::{SignedDuration, Timestamp};

pub const PLAN: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    at("2026-11-28T12:00:00Z")
}

pub fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

pub fn approver(name: &str, seed: u8) -> Approver {
    Approver {
        name: name.to_owned(),
        key: key(seed).public_line(),
    }
}

/// Ada has two keys.
pub fn policy() -> Policy {
    Policy {
        approvers: vec![
            approver("ada", 1),
            approver("bea", 2),
            approver("cyd", 3),
            approver("ada", 4),
        ],
        revoked: vec![],
        needed: 2,
        valid_for: hours(8),
    }
}

pub fn subject() -> Subject {
    Subject {
        environment: "production".to_owned(),
        generation: "20261128-9dc4".to_owned(),
        plan: PLAN.to_owned(),
        scenario: "breach".to_owned(),
    }
}

pub fn statement(name: &str, seed: u8) -> Statement {
    Statement::new(
        &subject(),
        name,
        &key(seed).fingerprint(),
        at("2026-11-28T10:00:00Z"),
        hours(4),
        "seen, naïve or not",
    )
    .unwrap()
}

pub fn signed(name: &str, seed: u8) -> Approval {
    sign(statement(name, seed), &key(seed)).unwrap()
}

pub fn judge(policy: &Policy, texts: &[&[u8]]) -> Outcome {
    let submitted: Vec<Submitted<'_>> = texts
        .iter()
        .map(|bytes| Submitted {
            source: "a file",
            bytes,
        })
        .collect();
    verify(policy, &subject(), &submitted, now()).unwrap()
}

/// Codes of the refusals.
pub fn codes(outcome: &Outcome) -> Vec<&'static str> {
    outcome
        .refused
        .iter()
        .map(|refused| refused.why.code())
        .collect()
}
