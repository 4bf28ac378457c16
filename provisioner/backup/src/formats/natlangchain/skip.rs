//! Reads past values of any size that no hash covers, checking only that they are JSON.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::canonical::Canonical;
use super::fault::{Fault, Scan};
use super::registry::Registry;
use crate::{Code, Limits};

/// Keys remembered at once to find duplicates; 8 bytes each and the set's own overhead.
const REMEMBERED_KEYS: usize = 128 << 10;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// It took this many bytes.
    Token(usize),
    /// It took this many bytes and the value is over.
    Finished(usize),
    /// It needs more bytes.
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value or the end of an empty list.
    FirstItem,
    /// A key or the end of an empty object.
    FirstKey,
    Key,
    After,
}

#[derive(Debug)]
enum Level {
    List,
    Object(HashSet<u64>),
}

/// Reads one value, token by token; its nesting is bounded and its size is not.
#[derive(Debug)]
pub(super) struct Skipper {
    limits: Limits,
    scalar: Canonical,
    key: Vec<u8>,
    levels: Vec<Level>,
    expect: Expect,
    hasher: RandomState,
    remembered: usize,
    duplicates: bool,
    forgot: bool,
}

impl Skipper {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            scalar: Canonical::new(limits),
            key: Vec::new(),
            levels: Vec::new(),
            expect: Expect::Value,
            hasher: RandomState::new(),
            remembered: 0,
            duplicates: false,
            forgot: false,
        }
    }

    pub(super) fn begin(&mut self) {
        self.levels.clear();
        self.expect = Expect::Value;
        self.remembered = 0;
        self.duplicates = false;
        self.forgot = false;
    }

    /// Remarks about the value that is over.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Code> + use<> {
        [
            self.duplicates.then_some(Code::DuplicateKey),
            self.forgot.then_some(Code::DuplicateCheckLimited),
        ]
        .into_iter()
        .flatten()
    }

    /// Reads the token at the start of `input`, which must not be white space.
    pub(super) fn step(
        &mut self,
        input: &[u8],
        mut registry: Option<&mut Registry>,
    ) -> Result<Skipped, Fault> {
        let Some(&byte) = input.first() else {
            return Ok(Skipped::More);
        };
        match (self.expect, byte) {
            (Expect::FirstItem, b']') | (Expect::FirstKey, b'}') => Ok(self.leave()),
            (Expect::FirstKey | Expect::Key, _) => {
                self.scalar.clear();
                let Some((key, length)) = self.scalar.bare_key(input, 0, &mut self.key)? else {
                    return Ok(Skipped::More);
                };
                let hash = self.hasher.hash_one(key);
                if let Some(registry) = registry.as_mut() {
                    registry.key(self.levels.len(), key);
                }
                self.remember(hash);
                self.expect = Expect::Value;
                Ok(Skipped::Token(length))
            }
            (Expect::Value | Expect::FirstItem, b'{' | b'[')
                if byte == b'['
                    || !registry
                        .as_ref()
                        .is_some_and(|registry| registry.is_record(self.levels.len())) =>
            {
                if self.levels.len() >= self.limits.depth {
                    return Err(Fault::new(
                        Code::LimitDepth,
                        0,
                        format!(
                            "a value is nested more than {} levels deep",
                            self.limits.depth
                        ),
                    ));
                }
                if byte == b'{' {
                    self.levels.push(Level::Object(HashSet::new()));
                    self.expect = Expect::FirstKey;
                } else {
                    self.levels.push(Level::List);
                    self.expect = Expect::FirstItem;
                }
                Ok(Skipped::Token(1))
            }
            (Expect::Value | Expect::FirstItem, _) => {
                self.scalar.clear();
                let scan = self.scalar.value(input, 0)?;
                let Scan::Done(length) = scan else {
                    return Ok(Skipped::More);
                };
                // A record is read as a whole, and a key may occur twice in it.
                self.duplicates |= self.scalar.facts.duplicate_keys > 0;
                if let Some(registry) = registry.as_mut() {
                    registry.value(self.levels.len(), &self.scalar.out);
                }
                self.expect = Expect::After;
                Ok(if self.levels.is_empty() {
                    Skipped::Finished(length)
                } else {
                    Skipped::Token(length)
                })
            }
            (Expect::After, b',') => {
                self.expect = match self.levels.last() {
                    Some(Level::Object(_)) => Expect::Key,
                    _ => Expect::Value,
                };
                Ok(Skipped::Token(1))
            }
            (Expect::After, b'}') if matches!(self.levels.last(), Some(Level::Object(_))) => {
                Ok(self.leave())
            }
            (Expect::After, b']') if matches!(self.levels.last(), Some(Level::List)) => {
                Ok(self.leave())
            }
            (Expect::After, _) => Err(Fault::new(
                Code::JsonInvalid,
                0,
                "a comma or a closing bracket is expected",
            )),
        }
    }

    fn leave(&mut self) -> Skipped {
        if let Some(Level::Object(keys)) = self.levels.pop() {
            self.remembered -= keys.len();
        }
        self.expect = Expect::After;
        if self.levels.is_empty() {
            Skipped::Finished(1)
        } else {
            Skipped::Token(1)
        }
    }

    /// Remembers a key by its hash. That is enough: hashes are keyed, so nobody can prepare a collision.
    fn remember(&mut self, hash: u64) {
        let Some(Level::Object(keys)) = self.levels.last_mut() else {
            return;
        };
        if self.remembered >= REMEMBERED_KEYS {
            self.forgot = true;
            self.duplicates |= keys.contains(&hash);
            return;
        }
        if keys.insert(hash) {
            self.remembered += 1;
        } else {
            self.duplicates = true;
        }
    }
}
