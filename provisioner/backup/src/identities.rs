//! Who and what a backup lets in again: the identities found in its data.
//!
//! An intruder who had write access may have left a user, a key or a webhook behind, and a backup brings it back with
//! everything else. What is found here is compared with an older backup; whoever is new is a question for a person.
//! Names are bounded and escaped, and of secrets there is only a fingerprint, so that all of it may be shown.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Identities that are kept by default: about 20 MB if every name is as long as it may be.
pub const MOST: usize = 64 << 10;
/// Bytes of a name, escapes included; of a longer one the beginning and a fingerprint are kept.
pub const LONGEST_NAME: usize = 160;

/// What an identity may do, or what it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Wrote an entry.
    Author,
    /// A public key that entries are signed with.
    Signer,
    /// Is given something.
    Recipient,
    /// Has a role that the data names: `validator=NAME`, `agent=NAME`.
    Party,
    /// Is told of events: the origin of a URL, and a fingerprint of all of it.
    Webhook,
    /// An API key, a token, a password: what it is, and its fingerprint.
    Credential,
}

impl Kind {
    /// The word used in JSON and in environments.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Signer => "signer",
            Self::Recipient => "recipient",
            Self::Party => "party",
            Self::Webhook => "webhook",
            Self::Credential => "credential",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody or something that the data lets in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// What it is.
    pub kind: Kind,
    /// How it is called: printable, bounded, and never a secret.
    pub name: String,
    /// The first block that has it, counted from 0; absent when it only stands beside the chain.
    pub first_block: Option<u64>,
    /// The time of that block in seconds since 1970, rounded down.
    pub first_time: Option<i64>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// All identities of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identities {
    /// Each once, in the order in which they appear.
    pub found: Vec<Identity>,
    /// There are more than are kept: nobody can say that something is not among them.
    pub truncated: bool,
}

/// The identities of `candidate` that `known_good` does not have, in the order in which they appear.
///
/// Complete only if `candidate` is not truncated; a truncated `known_good` makes more of them new, never less.
#[must_use]
pub fn new_since(known_good: &Identities, candidate: &Identities) -> Vec<Identity> {
    let known: HashSet<(Kind, &str)> = known_good
        .found
        .iter()
        .map(|identity| (identity.kind, identity.name.as_str()))
        .collect();
    candidate
        .found
        .iter()
        .filter(|identity| !known.contains(&(identity.kind, identity.name.as_str())))
        .cloned()
        .collect()
}

/// Collects identities while a backup is read; memory is bounded by their number.
#[derive(Debug)]
pub(crate) struct Collector {
    most: usize,
    hasher: RandomState,
    /// Keyed hashes of what was seen: nobody without the key can make one identity pass for another.
    seen: HashSet<u64>,
    identities: Identities,
    /// How many were found before the current block.
    before_block: usize,
}

impl Collector {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            hasher: RandomState::new(),
            seen: HashSet::new(),
            identities: Identities::default(),
            before_block: 0,
        }
    }

    /// Takes note of an identity that `raw` tells from all others of its kind. `name` is asked once for each.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        raw: &[&[u8]],
        block: Option<u64>,
        name: impl FnOnce() -> String,
    ) {
        let hash = self.hasher.hash_one((kind, raw));
        if self.seen.contains(&hash) {
            return;
        }
        if self.identities.found.len() >= self.most {
            self.identities.truncated = true;
            return;
        }
        self.seen.insert(hash);
        self.identities.found.push(Identity {
            kind,
            name: bounded(&name()),
            first_block: block,
            first_time: None,
        });
    }

    /// A block ended that was made at this time, in seconds since 1970.
    pub(crate) fn block_ended(&mut self, time: Option<f64>) {
        let time = time
            .filter(|time| time.is_finite())
            .map(|time| time.floor() as i64);
        for identity in self
            .identities
            .found
            .iter_mut()
            .skip(self.before_block)
            .filter(|identity| identity.first_block.is_some())
        {
            identity.first_time = time;
        }
        self.before_block = self.identities.found.len();
    }

    pub(crate) fn finish(self) -> Identities {
        self.identities
    }
}

/// A short fingerprint of a value that must not be shown: the first 64 bits of its SHA-256.
pub(crate) fn fingerprint(value: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(value));
    format!("sha256:{}", digest.get(..16).unwrap_or(&digest))
}

/// A text without anything a terminal or a report could take for something else. Different texts stay different.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

fn bounded(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let print = fingerprint(name.as_bytes());
    let room = LONGEST_NAME.saturating_sub(print.len() + "… ".len());
    let end = (0..=room)
        .rev()
        .find(|&end| name.is_char_boundary(end))
        .unwrap_or(0);
    format!("{}… {print}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identities(names: &[(Kind, &str)]) -> Identities {
        let mut collector = Collector::new(MOST);
        for (kind, name) in names {
            collector.add(*kind, &[name.as_bytes()], None, || (*name).to_owned());
        }
        collector.finish()
    }

    #[test]
    fn only_what_was_not_known_is_new() {
        let (a, b) = ((Kind::Author, "a"), (Kind::Author, "b"));
        let (key_a, hook) = ((Kind::Credential, "a"), (Kind::Webhook, "h"));
        for (known, candidate, new) in [
            (vec![], vec![], vec![]),
            (vec![a], vec![a], vec![]),
            (vec![a, b], vec![a], vec![]),
            (vec![a], vec![b, a, b], vec![b]),
            // The same name as something else is somebody else.
            (vec![a], vec![a, key_a], vec![key_a]),
            (vec![], vec![hook, a], vec![hook, a]),
        ] {
            let found = new_since(&identities(&known), &identities(&candidate));
            let found: Vec<(Kind, &str)> = found
                .iter()
                .map(|identity| (identity.kind, identity.name.as_str()))
                .collect();
            assert_eq!(found, new);
        }
    }

    #[test]
    fn a_flood_is_cut_and_said() {
        let mut collector = Collector::new(3);
        for number in 0..5_u64 {
            collector.add(Kind::Author, &[&number.to_le_bytes()], Some(number), || {
                number.to_string()
            });
            // What is known already takes no room.
            collector.add(Kind::Author, &[&0_u64.to_le_bytes()], Some(number), || {
                unreachable!("it is known")
            });
            assert_eq!(collector.identities.truncated, number >= 3);
        }
        assert_eq!(collector.finish().found.len(), 3);
    }

    #[test]
    fn the_time_is_that_of_the_first_block() {
        let mut collector = Collector::new(MOST);
        let mut add = |name: &'static str, block, time: Option<f64>| {
            collector.add(Kind::Author, &[name.as_bytes()], block, || name.to_owned());
            if block.is_some() {
                collector.block_ended(time);
            }
        };
        add("a", Some(0), Some(10.9));
        add("a", Some(1), Some(20.0));
        add("b", Some(2), Some(f64::INFINITY));
        add("c", None, None);
        add("d", Some(3), Some(-0.5));
        let times: Vec<_> = collector
            .finish()
            .found
            .into_iter()
            .map(|identity| (identity.first_block, identity.first_time))
            .collect();
        assert_eq!(
            times,
            [
                (Some(0), Some(10)),
                (Some(2), None),
                (None, None),
                (Some(3), Some(-1))
            ]
        );
    }

    #[test]
    fn names_can_be_shown() {
        for (text, shown) in [
            ("Müller \"& Söhne\"", "Müller \"& Söhne\""),
            ("a\u{1b}[2J\nb", "a\\u{1b}[2J\\nb"),
            ("\u{202e}abc", "\\u{202e}abc"),
            ("\\n", "\\\\n"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    proptest! {
        #[test]
        fn different_names_stay_different(left in ".{0,200}", right in ".{0,200}") {
            let (shown, other) = (bounded(&printable(&left)), bounded(&printable(&right)));
            prop_assert_eq!(left == right, shown == other);
            for name in [shown, other] {
                prop_assert!(name.len() <= LONGEST_NAME, "{}", name);
                prop_assert!(!name.chars().any(char::is_control));
            }
        }

        #[test]
        fn new_is_a_difference_of_sets(known in ".{0,12}", candidate in ".{0,12}") {
            let of = |text: &str| {
                let mut collector = Collector::new(MOST);
                for character in text.chars() {
                    let raw = u32::from(character).to_le_bytes();
                    collector.add(Kind::Author, &[&raw], None, || character.to_string());
                }
                collector.finish()
            };
            let new = new_since(&of(&known), &of(&candidate));
            for identity in &of(&candidate).found {
                prop_assert_eq!(new.contains(identity), !known.contains(&identity.name));
            }
            prop_assert!(new_since(&of(&candidate), &of(&candidate)).is_empty());
        }
    }
}
