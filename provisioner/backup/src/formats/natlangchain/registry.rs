//! Registries beside the chain, which no hash covers, compared with the chain they speak of.
//!
//! The registry of derivatives repeats what entries say about their parents, so both sides must hold the same records.
//! They are compared as sums of keyed hashes: constant memory, any order, and nobody who lacks the key (made anew for
//! each run) can make different records look the same. Fingerprints name recent entries; those are kept in a window of
//! bounded size and hashed only at the end.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use sha2::{Digest as _, Sha256};

use super::canonical::is_truthy;
use super::entry::{EntryReader, Field};
use super::walk;
use crate::{Code, Finding};

/// Text of recent entries that is kept to check fingerprints; twice as much at most.
const WINDOW_BYTES: usize = 1 << 20;
/// Fingerprints that are checked. The application keeps those of one hour.
const MOST_FINGERPRINTS: usize = 32 << 10;

/// Claims about assets that entries make and that are remembered.
const MOST_CLAIMS: usize = 64 << 10;
/// Holders of assets that are remembered: more than claims can cover, so that one too many never goes unnoticed.
const MOST_HOLDERS: usize = MOST_CLAIMS + 8;

/// Which registry is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Other,
    Derivatives,
    Assets,
    Fingerprints,
}

/// A multiset of records of unlimited size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Records {
    sum: u64,
    count: u64,
}

impl Records {
    fn add(&mut self, hash: u64) {
        self.sum = self.sum.wrapping_add(hash);
        self.count += 1;
    }
}

/// The three tables of the registry of derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Derivatives {
    /// Child → parents.
    parents: Records,
    /// Child → author, intent, time.
    cache: Records,
    /// Parent → children.
    children: Records,
}

/// What registries say, and what the chain says about the same things.
#[derive(Debug, Default)]
pub(super) struct Registry {
    hasher: RandomState,
    reading: Reading,
    section: Vec<u8>,
    reference: Vec<u8>,
    in_chain: Derivatives,
    in_registry: Derivatives,
    /// A record the application does not write.
    odd_records: u64,
    registry_seen: bool,
    assets: u64,
    /// What the registry of assets says: hashes of an asset and one who has or had it.
    holders: HashSet<u64>,
    /// The same as entries say it.
    claims: HashSet<u64>,
    /// Entries claim more than is remembered, so nobody can say that they do not claim something.
    claims_open: bool,
    /// Parts of the registry of assets the application does not write.
    odd_assets: u64,
    /// Keys that should have a value of their own, less the values that came.
    unpaired: i64,
    fingerprints: Vec<([u8; 32], f64)>,
    /// Fingerprints the application does not write.
    odd_fingerprints: u64,
    recent: Window,
    pending: Window,
    text: Vec<u8>,
    /// Names of holders that were read last, for who collects them.
    told: Option<Vec<Vec<u8>>>,
}

impl Registry {
    /// Tells the names of holders of assets from now on.
    pub(super) fn tell_holders(&mut self) {
        self.told = Some(Vec::new());
    }

    /// Names of holders that were read since this was asked last.
    pub(super) fn told(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.told.iter_mut().flat_map(|told| told.drain(..))
    }

    /// Begins the value of a field of the file.
    pub(super) fn begin(&mut self, name: &[u8]) {
        self.section.clear();
        self.reference.clear();
        self.unpaired = 0;
        self.reading = match name {
            b"derivative_registry" => Reading::Derivatives,
            b"asset_registry" => Reading::Assets,
            b"entry_fingerprints" => Reading::Fingerprints,
            _ => Reading::Other,
        };
        // Of equal keys the last counts.
        match self.reading {
            Reading::Derivatives => {
                self.in_registry = Derivatives::default();
                self.odd_records = 0;
                self.registry_seen = true;
            }
            Reading::Assets => {
                self.assets = 0;
                self.odd_assets = 0;
                self.holders.clear();
            }
            Reading::Fingerprints => {
                self.fingerprints.clear();
                self.odd_fingerprints = 0;
            }
            Reading::Other => {}
        }
    }

    /// Begins another chain in place of the one read so far.
    pub(super) fn restart_chain(&mut self) {
        self.in_chain = Derivatives::default();
        self.recent = Window::default();
        self.claims.clear();
        self.claims_open = false;
    }

    /// Ends the value of a field of the file.
    pub(super) fn end(&mut self) {
        // A key without a value of its own, such as one with an empty list under it, is a place to hide in.
        let hidden = self.unpaired.unsigned_abs();
        match self.reading {
            Reading::Assets => self.odd_assets += hidden,
            Reading::Fingerprints => self.odd_fingerprints += hidden,
            Reading::Derivatives | Reading::Other => {}
        }
        self.reading = Reading::Other;
    }

    /// A key at this depth (1 for the keys of the registry itself).
    pub(super) fn key(&mut self, depth: usize, key: &[u8]) {
        match depth {
            1 => {
                self.section.clear();
                self.section.extend_from_slice(key);
                self.reference.clear();
            }
            2 => {
                self.reference.clear();
                self.reference.extend_from_slice(key);
            }
            _ => {}
        }
        // A key may hide something even if nothing lies under it.
        match (self.reading, depth) {
            (Reading::Derivatives, 1) => {
                let usual = matches!(key, b"parents" | b"entry_cache" | b"derivatives");
                self.odd_records += u64::from(!usual);
            }
            (Reading::Derivatives, 2) => self.odd_records += u64::from(!is_reference(key)),
            (Reading::Derivatives, _) => self.odd_records += 1,
            (Reading::Assets, 1) => {
                let usual = matches!(
                    key,
                    b"ownership" | b"pending_transfers" | b"transfer_history"
                );
                self.odd_assets += u64::from(!usual);
            }
            (Reading::Assets, 2) | (Reading::Fingerprints, 1) => self.unpaired += 1,
            (Reading::Assets, _) => self.odd_assets += 1,
            (Reading::Fingerprints, _) => self.odd_fingerprints += 1,
            (Reading::Other, _) => {}
        }
    }

    /// Whether an object at this depth is a record, to be read as a whole.
    pub(super) fn is_record(&self, depth: usize) -> bool {
        match (self.reading, self.section.as_slice()) {
            (Reading::Derivatives, b"entry_cache") => depth == 2,
            (Reading::Derivatives, b"parents" | b"derivatives") => depth == 3,
            (Reading::Assets, b"pending_transfers" | b"transfer_history") => depth == 2,
            _ => false,
        }
    }

    /// A scalar or a record at this depth, in canonical form.
    pub(super) fn value(&mut self, depth: usize, text: &[u8]) {
        match self.reading {
            Reading::Derivatives => self.derivative(depth, text),
            Reading::Assets => {
                self.assets += 1;
                if self.asset(depth, text).is_none() {
                    self.odd_assets += 1;
                }
            }
            Reading::Fingerprints => self.fingerprint(depth, text),
            Reading::Other => {}
        }
    }

    fn derivative(&mut self, depth: usize, text: &[u8]) {
        if !self.is_record(depth) || text.first() != Some(&b'{') {
            self.odd_records += 1;
            return;
        }
        match self.section.as_slice() {
            b"entry_cache" => {
                let hash = self.hasher.hash_one((&self.reference[..], text));
                self.in_registry.cache.add(hash);
            }
            b"parents" => {
                let hash = self.hasher.hash_one((&self.reference[..], text));
                self.in_registry.parents.add(hash);
            }
            _ => {
                // The time of registration is the one part the chain does not know.
                let Some(registered_at) = walk::member(text, b"registered_at") else {
                    self.odd_records += 1;
                    return;
                };
                let part = |name: &[u8]| walk::member(text, name).unwrap_or_default();
                let (block, kind) = (part(b"block_index"), part(b"derivative_type"));
                let (entry, relationship) = (part(b"entry_index"), part(b"relationship"));
                self.text.clear();
                for (name, value) in [
                    ("{\"block_index\": ", block),
                    (", \"derivative_type\": ", kind),
                    (", \"entry_index\": ", entry),
                    (", \"registered_at\": ", registered_at),
                    (", \"relationship\": ", relationship),
                ] {
                    self.text.extend_from_slice(name.as_bytes());
                    self.text.extend_from_slice(value);
                }
                self.text.push(b'}');
                if self.text != text || !matches!(registered_at.first(), Some(b'0'..=b'9')) {
                    self.odd_records += 1;
                    return;
                }
                let hash =
                    self.hasher
                        .hash_one((&self.reference[..], block, kind, entry, relationship));
                self.in_registry.children.add(hash);
            }
        }
    }

    /// Takes note of what the registry says about an asset; `None` when the application does not write such a thing.
    fn asset(&mut self, depth: usize, text: &[u8]) -> Option<()> {
        if depth != 2 {
            return None;
        }
        let history = self.section == b"transfer_history";
        if !history {
            self.unpaired -= 1;
        }
        if self.section == b"ownership" {
            self.holds(text);
            return Some(());
        }
        let part = |name: &[u8]| walk::member(text, name);
        let (fingerprint, from) = (part(b"fingerprint")?, part(b"from")?);
        let (timestamp, to) = (part(b"timestamp")?, part(b"to")?);
        let mut usual = Vec::with_capacity(text.len());
        for (name, value) in [
            ("{\"asset_id\": ", part(b"asset_id").filter(|_| history)),
            (", \"fingerprint\": ", Some(fingerprint)),
            (", \"from\": ", Some(from)),
            (", \"timestamp\": ", Some(timestamp)),
            (", \"to\": ", Some(to)),
        ] {
            let Some(value) = value else { continue };
            let name = if usual.is_empty() {
                name.replacen(", ", "{", 1)
            } else {
                name.to_owned()
            };
            usual.extend_from_slice(name.as_bytes());
            usual.extend_from_slice(value);
        }
        usual.push(b'}');
        if usual != text || !matches!(timestamp.first(), Some(b'0'..=b'9')) {
            return None;
        }
        if history {
            let asset = part(b"asset_id")?;
            self.reference.clear();
            name_of_asset(asset, &mut self.reference)?;
        }
        self.holds(from);
        self.holds(to);
        Some(())
    }

    fn holds(&mut self, holder: &[u8]) {
        if let Some(told) = &mut self.told {
            told.push(holder.to_vec());
        }
        if self.holders.len() < MOST_HOLDERS {
            let hash = self.hasher.hash_one((&self.reference[..], holder));
            self.holders.insert(hash);
        }
    }

    /// An entry that names an asset says that its author had it and that somebody else gets it. Only through entries do
    /// assets come into the registry.
    fn claim(&mut self, entry: &EntryReader) {
        let metadata = entry.text(Field::Metadata).unwrap_or_default();
        let part = |name: &[u8]| walk::member(metadata, name).filter(|text| is_truthy(text));
        let Some(asset) = part(b"asset_id") else {
            return;
        };
        self.text.clear();
        if self.claims.len() >= MOST_CLAIMS || name_of_asset(asset, &mut self.text).is_none() {
            self.claims_open = true;
            return;
        }
        let to = part(b"recipient")
            .or_else(|| part(b"to"))
            .unwrap_or(b"\"unknown\"");
        for holder in [entry.text(Field::Author).unwrap_or_default(), to] {
            let hash = self.hasher.hash_one((&self.text[..], holder));
            self.claims.insert(hash);
        }
    }

    fn fingerprint(&mut self, depth: usize, text: &[u8]) {
        if depth == 1 {
            self.unpaired -= 1;
        }
        let time = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        let mut hash = [0_u8; 32];
        match time {
            Some(time) if depth == 1 && hex::decode_to_slice(&self.section, &mut hash).is_ok() => {
                if self.fingerprints.len() < MOST_FINGERPRINTS {
                    self.fingerprints.push((hash, time));
                }
            }
            _ => self.odd_fingerprints += 1,
        }
    }

    /// An entry of the chain.
    pub(super) fn mined(&mut self, block: u64, place: u64, entry: &EntryReader) {
        self.recent.add(entry);
        self.claim(entry);
        let Some(refs) = entry.text(Field::ParentRefs).filter(|text| is_truthy(text)) else {
            return;
        };
        let kind = entry
            .text(Field::DerivativeType)
            .filter(|text| is_truthy(text))
            .unwrap_or(b"\"reference\"");
        let child = format!("{block}:{place}");
        for parent in walk::items(refs) {
            let (Some(parent_block), Some(parent_entry)) = (
                walk::member(parent, b"block_index"),
                walk::member(parent, b"entry_index"),
            ) else {
                continue;
            };
            let relationship = walk::member(parent, b"relationship").unwrap_or(kind);
            self.text.clear();
            for (name, value) in [
                ("{\"block_index\": ", parent_block),
                (", \"entry_index\": ", parent_entry),
                (", \"relationship\": ", relationship),
            ] {
                self.text.extend_from_slice(name.as_bytes());
                self.text.extend_from_slice(value);
            }
            self.text.push(b'}');
            let hash = self.hasher.hash_one((child.as_bytes(), &self.text[..]));
            self.in_chain.parents.add(hash);
            let parent = [parent_block, b":", parent_entry].concat();
            let (block, place) = (block.to_string(), place.to_string());
            let hash = self.hasher.hash_one((
                &parent[..],
                block.as_bytes(),
                kind,
                place.as_bytes(),
                relationship,
            ));
            self.in_chain.children.add(hash);
        }
        self.text.clear();
        for (name, field) in [
            ("{\"author\": ", Field::Author),
            (", \"intent\": ", Field::Intent),
            (", \"timestamp\": ", Field::Timestamp),
        ] {
            self.text.extend_from_slice(name.as_bytes());
            self.text
                .extend_from_slice(entry.text(field).unwrap_or_default());
        }
        self.text.push(b'}');
        let hash = self.hasher.hash_one((child.as_bytes(), &self.text[..]));
        self.in_chain.cache.add(hash);
    }

    /// A block ended that was made at this time.
    pub(super) fn block_ended(&mut self, time: Option<f64>) {
        self.recent.block_ended(time);
    }

    /// An entry that is not mined yet.
    pub(super) fn pending(&mut self, entry: &EntryReader) {
        self.pending.add(entry);
        self.claim(entry);
    }

    /// Another list of entries replaces the one read so far.
    pub(super) fn restart_pending(&mut self) {
        self.pending = Window::default();
    }

    /// Compares.
    pub(super) fn finish(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.odd_records > 0 {
            findings.push(Finding::new(
                Code::RegistryMismatch,
                format!(
                    "the registry of derivatives has {} unusual records",
                    self.odd_records
                ),
            ));
        }
        if !self.registry_seen && self.in_chain.cache.count > 0 {
            findings.push(Finding::new(
                Code::RegistryMismatch,
                format!(
                    "{} entries have parents, but there is no registry of them",
                    self.in_chain.cache.count
                ),
            ));
        } else if self.registry_seen {
            let (chain, registry) = (&self.in_chain, &self.in_registry);
            for (name, chain, registry) in [
                ("parents", chain.parents, registry.parents),
                ("entry_cache", chain.cache, registry.cache),
                ("derivatives", chain.children, registry.children),
            ] {
                if chain != registry {
                    findings.push(Finding::new(
                        Code::RegistryMismatch,
                        format!(
                            "{name} of the registry of derivatives holds {} records that are not the {} of the chain",
                            registry.count, chain.count
                        ),
                    ));
                }
            }
        }
        if self.odd_assets > 0 {
            findings.push(Finding::new(
                Code::RegistryMismatch,
                format!(
                    "the registry of assets has {} unusual records",
                    self.odd_assets
                ),
            ));
        }
        let unclaimed = self.holders.difference(&self.claims).count();
        if unclaimed > 0 && !self.claims_open {
            findings.push(Finding::new(
                Code::RegistryMismatch,
                format!(
                    "the registry of assets names {unclaimed} owner(s) that no entry speaks of"
                ),
            ));
        }
        if self.assets > 0 {
            findings.push(Finding::new(
                Code::AssetsUnverified,
                format!("the registry of assets holds {} values", self.assets),
            ));
        }
        findings.extend(self.check_fingerprints());
        findings
    }

    fn check_fingerprints(&self) -> Option<Finding> {
        let mut unknown = self.odd_fingerprints;
        if !self.fingerprints.is_empty() && self.pending.covers_from.is_none() {
            let mut known = HashSet::new();
            self.recent.fingerprints(&mut known);
            self.pending.fingerprints(&mut known);
            // An entry is mined after it was fingerprinted, so one from inside the window must be there.
            unknown += self
                .fingerprints
                .iter()
                .filter(|(_, time)| self.recent.covers_from.is_none_or(|from| *time > from))
                .filter(|(hash, _)| !known.contains(hash))
                .count() as u64;
        }
        (unknown > 0).then(|| {
            Finding::new(
                Code::FingerprintUnknown,
                format!("{unknown} fingerprints belong to no entry of the chain"),
            )
        })
    }
}

/// `BLOCK:ENTRY`, as the application names an entry.
fn is_reference(key: &[u8]) -> bool {
    let digits =
        |part: &[u8]| (1..=20).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let mut parts = key.split(|&byte| byte == b':');
    matches!((parts.next(), parts.next(), parts.next()), (Some(block), Some(entry), None) if digits(block) && digits(entry))
}

/// Appends what an asset is called as a key; `None` when UTF-8 can't express it.
fn name_of_asset(asset: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if asset.first() == Some(&b'"') {
        return walk::decode(asset, out);
    }
    // Python makes a key of a number or a truth value by writing it as text.
    out.extend_from_slice(asset);
    Some(())
}

/// Author, intent and content of the newest entries, in two buffers that take turns.
#[derive(Debug, Default)]
struct Window {
    older: Vec<u8>,
    newer: Vec<u8>,
    /// Time of the last block before the older buffer begins; none while everything is kept.
    covers_from: Option<f64>,
    newer_from: Option<f64>,
    last_block: f64,
}

impl Window {
    fn add(&mut self, entry: &EntryReader) {
        if self.newer.len() > WINDOW_BYTES {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.newer.clear();
            self.covers_from = self.newer_from;
            self.newer_from = Some(self.last_block);
        }
        for field in [Field::Author, Field::Intent, Field::Content] {
            let text = entry.text(field).unwrap_or_default();
            self.newer
                .extend_from_slice(&(text.len() as u64).to_le_bytes());
            self.newer.extend_from_slice(text);
        }
    }

    fn block_ended(&mut self, time: Option<f64>) {
        // The end of time when it is not known: then nothing is claimed about what came before.
        self.last_block = time.unwrap_or(f64::INFINITY);
    }

    fn fingerprints(&self, known: &mut HashSet<[u8; 32]>) {
        let mut text = Vec::new();
        for buffer in [&self.older, &self.newer] {
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                text.clear();
                let mut complete = true;
                for index in 0..3 {
                    let Some((length, after)) = rest.split_first_chunk::<8>() else {
                        return;
                    };
                    let (part, after) =
                        after.split_at((u64::from_le_bytes(*length) as usize).min(after.len()));
                    rest = after;
                    if index > 0 {
                        text.push(b':');
                    }
                    complete &= walk::decode(part, &mut text).is_some();
                }
                if complete {
                    known.insert(Sha256::digest(&text).into());
                }
            }
        }
    }
}
