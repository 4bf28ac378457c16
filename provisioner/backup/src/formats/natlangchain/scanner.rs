//! Reads a chain file piece by piece and checks it on the way.
//!
//! The outer structure (file, chain, block, list of entries) is a state machine that can stop at any byte; only single
//! entries and scalars are read as a whole. They are read where they lie in the piece. What a piece leaves over is kept, and
//! when an entry has not arrived completely it is started over once there is twice as much, so the work stays linear.

use super::canonical::{Canonical, skip_space};
use super::chain::{Block, number};
use super::entry::{EntryReader, Field, printable};
use super::fault::{Fault, Scan};
use super::identities::Census;
use super::ledger::Clerk;
use super::registry::Registry;
use super::signature::{self, Signed};
use super::skip::{Skipped, Skipper};
use crate::content::{Content, Summary};
use crate::finding::Findings;
use crate::{Code, Finding, Options};

/// A scalar field of a block as written: Python reads no integer longer than 4,300 digits, hashes have 64.
const SCALAR_BYTES: usize = 16 << 10;
/// Bytes that are added to what a piece left over: more than most entries have.
const COMPLETION: usize = 4 << 10;
/// Nesting from which the application's recursive validation comes near Python's recursion limit.
const DEEP: usize = 900;

/// Seconds after the check from which the date of an entry is in the future. Entries carry no time zone.
const ENTRY_TOLERANCE: i64 = 26 * 3600;

/// What a key of a block introduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Index,
    Nonce,
    PreviousHash,
    Timestamp,
    Hash,
}

/// Where a list of entries belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Mined,
    Pending,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    TopFirst,
    TopKey,
    TopAfter,
    Chain,
    ChainFirst,
    ChainItem,
    ChainAfter,
    BlockFirst,
    BlockKey,
    BlockAfter,
    BlockScalar(Scalar),
    Entries(List),
    EntryFirst(List),
    EntryItem(List),
    EntryAfter(List),
    SkipTop,
    SkipBlock,
    End,
    /// Reading was given up; the findings say why.
    Dead,
}

/// The checker of chain files.
#[derive(Debug)]
pub(crate) struct Scanner {
    options: Options,
    findings: Findings,
    state: State,
    /// What has arrived and is not read yet.
    rest: Vec<u8>,
    /// Where reading stands in the bytes that are being read.
    position: usize,
    /// Position in the chain text of the first of these bytes.
    base: u64,
    /// Bytes that must be there before it is worth trying again.
    need: usize,
    whitespace: u64,
    entry: EntryReader,
    scalar: Canonical,
    key: Vec<u8>,
    /// Room for a key in which something is escaped.
    decoded: Vec<u8>,
    skipper: Skipper,
    registry: Registry,
    block: Block,
    /// Blocks that have ended.
    height: u64,
    clerk: Clerk,
    top_seen: Vec<Vec<u8>>,
    chain_seen: bool,
    pending: u64,
    unsigned: u64,
    /// Entries whose signature can't be one.
    malformed: u64,
    noted: Noted,
    /// Only when identities are asked for.
    census: Option<Census>,
    /// The latest date an entry may have, as `"YYYY-MM-DDTHH:MM:SS` with its opening quote.
    latest: String,
}

/// Remarks that are made once for a whole file.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    overflow: bool,
    surrogate: bool,
    deep: bool,
}

/// Whether a step moved on or needs more bytes.
type Moved = Result<bool, Fault>;

impl Scanner {
    pub(crate) fn new(options: Options) -> Self {
        let limits = options.limits;
        let mut registry = Registry::default();
        if options.identities.is_some() {
            registry.tell_holders();
        }
        Self {
            findings: Findings::new(limits.findings_per_code),
            state: State::Start,
            rest: Vec::new(),
            position: 0,
            base: 0,
            need: 0,
            whitespace: 0,
            entry: EntryReader::new(limits),
            scalar: Canonical::new(limits),
            key: Vec::new(),
            decoded: Vec::new(),
            skipper: Skipper::new(limits),
            registry,
            block: Block::default(),
            height: 0,
            clerk: Clerk::new(&options),
            top_seen: Vec::new(),
            chain_seen: false,
            pending: 0,
            unsigned: 0,
            malformed: 0,
            noted: Noted::default(),
            census: options.identities.map(Census::new),
            latest: latest_entry(options.now),
            options,
        }
    }

    /// Reads the next bytes of the chain text as far as they go; what it returns is how far that was.
    fn run(&mut self, input: &[u8]) -> usize {
        self.position = 0;
        while self.state != State::Dead {
            match self.step(input) {
                Ok(true) => self.need = 0,
                Ok(false) => {
                    self.need = (input.len() - self.position) * 2;
                    self.base += self.position as u64;
                    return self.position;
                }
                Err(fault) => self.give_up(fault),
            }
        }
        input.len()
    }

    fn give_up(&mut self, fault: Fault) {
        let offset = self.base + (self.position + fault.at) as u64;
        let mut finding = Finding::new(fault.code, fault.message).at(offset);
        if matches!(
            self.state,
            State::BlockFirst
                | State::BlockKey
                | State::BlockAfter
                | State::BlockScalar(_)
                | State::SkipBlock
                | State::Entries(List::Mined)
                | State::EntryFirst(List::Mined)
                | State::EntryItem(List::Mined)
                | State::EntryAfter(List::Mined)
        ) {
            finding = finding.in_block(self.height);
        }
        self.findings.push(finding);
        self.state = State::Dead;
    }

    fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    /// Skips white space and looks at the next byte without taking it.
    fn peek(&mut self, input: &[u8]) -> Result<Option<u8>, Fault> {
        let next = skip_space(input, self.position);
        self.whitespace += (next - self.position) as u64;
        self.position = next;
        if self.whitespace > self.options.limits.whitespace_bytes {
            return Err(Fault::new(
                Code::LimitWhitespace,
                0,
                format!(
                    "more than {} bytes of white space in one place",
                    self.options.limits.whitespace_bytes
                ),
            ));
        }
        let byte = input.get(next).copied();
        if byte.is_some() {
            self.whitespace = 0;
        }
        Ok(byte)
    }

    fn take(&mut self, next: State) -> Moved {
        self.position += 1;
        self.state = next;
        Ok(true)
    }

    fn go(&mut self, next: State) -> Moved {
        self.state = next;
        Ok(true)
    }

    /// Applies the limit on single values to a reader's answer, the same however the input was cut into pieces.
    fn settle(&mut self, input: &[u8], scan: Scan, limit: usize) -> Moved {
        let (length, done) = match scan {
            Scan::Done(end) => (end, true),
            Scan::More => (input.len() - self.position, false),
        };
        if length > limit {
            return Err(Fault::new(
                Code::LimitEntrySize,
                0,
                format!("a value is larger than {limit} bytes"),
            ));
        }
        if done {
            self.position += length;
        }
        Ok(done)
    }

    fn step(&mut self, input: &[u8]) -> Moved {
        match self.state {
            State::SkipTop | State::SkipBlock => return self.skip_step(input),
            State::TopKey => return self.top_key(input),
            State::BlockKey => return self.block_key(input),
            State::EntryItem(list) => return self.entry_item(input, list),
            State::BlockScalar(field) => return self.block_scalar(input, field),
            _ => {}
        }
        let Some(byte) = self.peek(input)? else {
            return Ok(false);
        };
        match (self.state, byte) {
            (State::Start, _) => self.start(input, byte),
            (State::TopFirst, b'}') | (State::TopAfter, b'}') => self.take(State::End),
            (State::TopFirst, _) => self.go(State::TopKey),
            (State::TopAfter, b',') => self.take(State::TopKey),
            (State::Chain, b'[') => self.take(State::ChainFirst),
            (State::Chain, _) => Err(Fault::new(Code::ShapeChain, 0, "the chain is not a list")),
            (State::ChainFirst | State::ChainAfter, b']') => self.take(State::TopAfter),
            (State::ChainFirst, _) => self.go(State::ChainItem),
            (State::ChainAfter, b',') => self.take(State::ChainItem),
            (State::ChainItem, b'{') => {
                self.block = Block::at(self.offset());
                self.take(State::BlockFirst)
            }
            (State::ChainItem, _) => {
                Err(Fault::new(Code::BlockShape, 0, "a block is not an object"))
            }
            (State::BlockFirst | State::BlockAfter, b'}') => {
                let block = std::mem::take(&mut self.block);
                let time = block.timestamp.as_deref().and_then(number);
                self.registry.block_ended(time);
                if let Some(census) = &mut self.census {
                    census.block_ended(time);
                }
                self.clerk.close(block);
                self.height += 1;
                self.take(State::ChainAfter)
            }
            (State::BlockFirst, _) => self.go(State::BlockKey),
            (State::BlockAfter, b',') => self.take(State::BlockKey),
            (State::Entries(list), b'[') => {
                match list {
                    List::Mined => {
                        // A second list replaces the first, as the last of equal keys wins.
                        self.block.has_entries = true;
                        self.block.entries = 0;
                        self.clerk.begin_entries();
                    }
                    List::Pending => {
                        self.pending = 0;
                        self.registry.restart_pending();
                    }
                }
                self.take(State::EntryFirst(list))
            }
            (State::Entries(List::Mined), _) => Err(Fault::new(
                Code::EntryShape,
                0,
                "the entries of a block are not a list",
            )),
            (State::Entries(List::Pending), _) => Err(Fault::new(
                Code::ShapePending,
                0,
                "the pending entries are not a list",
            )),
            (State::EntryFirst(list) | State::EntryAfter(list), b']') => self.take(match list {
                List::Mined => State::BlockAfter,
                List::Pending => State::TopAfter,
            }),
            (State::EntryFirst(list), _) => self.go(State::EntryItem(list)),
            (State::EntryAfter(list), b',') => {
                self.take(State::EntryItem(list))?;
                if list == List::Mined {
                    self.clerk.text(|text| text.extend_from_slice(b", "));
                }
                Ok(true)
            }
            (State::End, _) => Err(Fault::new(
                Code::JsonTrailingData,
                0,
                "something follows the end of the JSON",
            )),
            _ => Err(Fault::new(
                Code::JsonInvalid,
                0,
                "a comma or a closing bracket is expected",
            )),
        }
    }

    fn start(&mut self, input: &[u8], byte: u8) -> Moved {
        match byte {
            b'{' => self.take(State::TopFirst),
            0xef if input.len() - self.position < 3 => Ok(false),
            0xef if input[self.position..].starts_with(b"\xef\xbb\xbf") => Err(Fault::new(
                Code::JsonByteOrderMark,
                0,
                "the text begins with a byte order mark",
            )),
            b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I' => Err(Fault::new(
                Code::ShapeTopLevel,
                0,
                "the file is not a JSON object",
            )),
            0x80.. => Err(Fault::new(Code::JsonUtf8Invalid, 0, "the file is not text")),
            _ => Err(Fault::new(
                Code::JsonInvalid,
                0,
                "the file does not begin with a JSON value",
            )),
        }
    }

    /// Reads a key and its colon into `self.key`.
    fn read_key(&mut self, input: &[u8]) -> Moved {
        if self.peek(input)?.is_none() {
            return Ok(false);
        }
        self.scalar.clear();
        let limit = self.options.limits.entry_bytes;
        let rest = view(&input[self.position..], limit);
        let mut decoded = std::mem::take(&mut self.decoded);
        let scan = match self.scalar.bare_key(rest, 0, &mut decoded)? {
            Some((key, value)) => {
                self.key.clear();
                self.key.extend_from_slice(key);
                Scan::Done(value)
            }
            None => Scan::More,
        };
        self.decoded = decoded;
        self.settle(input, scan, limit)
    }

    fn warn(
        &mut self,
        code: Code,
        offset: u64,
        block: Option<u64>,
        message: impl FnOnce() -> String,
    ) {
        if self.findings.wants(code) {
            let mut finding = Finding::new(code, message()).at(offset);
            finding.block = block;
            self.findings.push(finding);
        }
    }

    fn top_key(&mut self, input: &[u8]) -> Moved {
        self.peek(input)?;
        let offset = self.offset();
        if !self.read_key(input)? {
            return Ok(false);
        }
        let key = std::mem::take(&mut self.key);
        let seen = self.top_seen.contains(&key);
        if seen {
            self.warn(Code::DuplicateKey, offset, None, || {
                format!("the file has the key {} twice", printable(&key))
            });
        }
        let known = matches!(
            key.as_slice(),
            b"chain"
                | b"pending_entries"
                | b"derivative_registry"
                | b"asset_registry"
                | b"entry_fingerprints"
        );
        match key.as_slice() {
            b"chain" => {
                if seen {
                    // The last one counts, and what was found in the first with it.
                    self.clerk.restart();
                    self.findings.forget_blocks();
                    self.registry.restart_chain();
                    self.height = 0;
                    self.unsigned = 0;
                    self.malformed = 0;
                }
                self.chain_seen = true;
                self.state = State::Chain;
            }
            b"pending_entries" => self.state = State::Entries(List::Pending),
            _ => {
                if !known {
                    self.warn(Code::UnknownTopField, offset, None, || {
                        format!("the file has the unknown field {}", printable(&key))
                    });
                }
                self.skipper.begin();
                self.registry.begin(&key);
                self.state = State::SkipTop;
            }
        }
        if known && !seen {
            self.top_seen.push(key);
        }
        Ok(true)
    }

    fn block_key(&mut self, input: &[u8]) -> Moved {
        self.peek(input)?;
        let offset = self.offset();
        if !self.read_key(input)? {
            return Ok(false);
        }
        let seen = match self.key.as_slice() {
            b"entries" => self.block.has_entries,
            b"index" => self.block.index.is_some(),
            b"nonce" => self.block.nonce.is_some(),
            b"previous_hash" => self.block.previous_hash.is_some(),
            b"timestamp" => self.block.timestamp.is_some(),
            b"hash" => self.block.hash.is_some(),
            _ => false,
        };
        let height = self.height;
        let key = std::mem::take(&mut self.key);
        if seen {
            self.warn(Code::DuplicateKey, offset, Some(height), || {
                format!("block {height} has the key {} twice", printable(&key))
            });
        }
        self.state = match key.as_slice() {
            b"entries" => State::Entries(List::Mined),
            b"index" => State::BlockScalar(Scalar::Index),
            b"nonce" => State::BlockScalar(Scalar::Nonce),
            b"previous_hash" => State::BlockScalar(Scalar::PreviousHash),
            b"timestamp" => State::BlockScalar(Scalar::Timestamp),
            b"hash" => State::BlockScalar(Scalar::Hash),
            _ => {
                self.warn(Code::UnknownBlockField, offset, Some(height), || {
                    format!("block {height} has the unknown field {}", printable(&key))
                });
                self.skipper.begin();
                State::SkipBlock
            }
        };
        self.key = key;
        Ok(true)
    }

    fn block_scalar(&mut self, input: &[u8], field: Scalar) -> Moved {
        if self.peek(input)?.is_none() {
            return Ok(false);
        }
        self.scalar.clear();
        let rest = view(&input[self.position..], SCALAR_BYTES);
        let scan = self.scalar.value(rest, 0)?;
        if !self.settle(input, scan, SCALAR_BYTES)? {
            return Ok(false);
        }
        let text = Some(self.scalar.out.clone());
        match field {
            Scalar::Index => self.block.index = text,
            Scalar::Nonce => self.block.nonce = text,
            Scalar::PreviousHash => self.block.previous_hash = text,
            Scalar::Timestamp => self.block.timestamp = text,
            Scalar::Hash => self.block.hash = text,
        }
        self.go(State::BlockAfter)
    }

    fn skip_step(&mut self, input: &[u8]) -> Moved {
        if self.peek(input)?.is_none() {
            return Ok(false);
        }
        let registry = (self.state == State::SkipTop).then_some(&mut self.registry);
        let limit = self.options.limits.entry_bytes;
        let rest = view(&input[self.position..], limit);
        let skipped = self.skipper.step(rest, registry)?;
        let scan = match skipped {
            Skipped::Token(length) | Skipped::Finished(length) => Scan::Done(length),
            Skipped::More => Scan::More,
        };
        if let Some(census) = &mut self.census {
            for holder in self.registry.told() {
                census.holder(&holder);
            }
        }
        if !self.settle(input, scan, limit)? {
            return Ok(false);
        }
        if matches!(skipped, Skipped::Finished(_)) {
            let offset = self.offset();
            let block = (self.state == State::SkipBlock).then_some(self.height);
            for code in self.skipper.remarks() {
                self.warn(code, offset, block, || {
                    "a value that no hash covers has such keys".to_owned()
                });
            }
            self.state = match self.state {
                State::SkipBlock => State::BlockAfter,
                _ => {
                    self.registry.end();
                    State::TopAfter
                }
            };
        }
        Ok(true)
    }

    fn entry_item(&mut self, input: &[u8], list: List) -> Moved {
        if self.peek(input)?.is_none() {
            return Ok(false);
        }
        let offset = self.offset();
        let limit = self.options.limits.entry_bytes;
        let scan = self.entry.read(view(&input[self.position..], limit))?;
        if !self.settle(input, scan, limit)? {
            return Ok(false);
        }
        self.judge_entry(list, offset);
        if let Some(census) = &mut self.census {
            census.entry((list == List::Mined).then_some(self.height), &self.entry);
        }
        match list {
            List::Mined => {
                self.clerk.text(|text| self.entry.write(text));
                self.block.entries += 1;
                self.registry
                    .mined(self.height, self.block.entries - 1, &self.entry);
            }
            List::Pending => {
                self.pending += 1;
                self.registry.pending(&self.entry);
            }
        }
        self.go(State::EntryAfter(list))
    }

    fn judge_entry(&mut self, list: List, offset: u64) {
        let block = (list == List::Mined).then_some(self.height);
        let place = match list {
            List::Mined => self.block.entries,
            List::Pending => self.pending,
        };
        let whose = || match block {
            Some(height) => format!("entry {place} of block {height}"),
            None => format!("pending entry {place}"),
        };
        if let Some(name) = self.entry.missing() {
            self.block.broken = true;
            self.warn(Code::EntryFieldMissing, offset, block, || {
                format!("{} lacks {name}", whose())
            });
            return;
        }
        if let Some(name) = self.entry.not_text() {
            self.warn(Code::EntryFieldType, offset, block, || {
                format!("the field {name} of {} is no text", whose())
            });
        }
        if self
            .entry
            .text(Field::Timestamp)
            .is_some_and(|text| is_after(text, &self.latest))
        {
            self.warn(Code::EntryTimeInFuture, offset, block, || {
                format!("{} is dated after the check", whose())
            });
        }
        if self.entry.metadata_is_odd() {
            self.warn(Code::EntryMetadataType, offset, block, || {
                format!("the metadata of {} is not an object", whose())
            });
        }
        if let Some((name, count)) = self.entry.unknown() {
            let name = name.to_owned();
            self.warn(Code::UnknownEntryField, offset, block, || match count {
                1 => format!("{} has the unknown field {name}", whose()),
                _ => format!(
                    "{} has {count} unknown fields, the first is {name}",
                    whose()
                ),
            });
        }
        let duplicates = self.entry.duplicates();
        if duplicates > 0 {
            self.warn(Code::DuplicateKey, offset, block, || {
                format!("{} has {duplicates} key(s) more than once", whose())
            });
        }
        self.note_facts(offset, block);
        let (signed, copies_agree) = signature::read(&self.entry);
        if list == List::Mined && matches!(signed, Signed::No | Signed::Half) {
            self.unsigned += 1;
        }
        match signed {
            Signed::Claim(mut claim) => {
                claim.offset = offset;
                claim.block = block;
                claim.place = place;
                self.clerk.claim(claim);
            }
            Signed::Malformed => {
                self.malformed += u64::from(list == List::Mined);
                self.warn(Code::SignatureForged, offset, block, || {
                    format!("the signature of {} can't be one", whose())
                });
            }
            Signed::Half => self.warn(Code::SignatureIncomplete, offset, block, || {
                format!("{} has only half a signature", whose())
            }),
            Signed::No => {}
        }
        if !copies_agree {
            self.warn(Code::SignatureFieldsDisagree, offset, block, || {
                format!(
                    "{} shows another signature than the one in its metadata",
                    whose()
                )
            });
        }
    }

    fn note_facts(&mut self, offset: u64, block: Option<u64>) {
        let facts = self.entry.facts();
        if facts.overflows && !std::mem::replace(&mut self.noted.overflow, true) {
            self.warn(Code::NumberOverflow, offset, block, || {
                "a number is beyond the range of a double".to_owned()
            });
        }
        if facts.lone_surrogates && !std::mem::replace(&mut self.noted.surrogate, true) {
            self.warn(Code::LoneSurrogate, offset, block, || {
                "a string holds half a surrogate pair".to_owned()
            });
        }
        if facts.deepest >= DEEP && !std::mem::replace(&mut self.noted.deep, true) {
            self.warn(Code::DeepNesting, offset, block, || {
                format!("a value is nested {} levels deep", facts.deepest)
            });
        }
    }

    /// Says how the file ends; true when the chain was read to its end.
    fn conclude(&mut self) -> bool {
        if self.state == State::Dead {
            return false;
        }
        if self.state == State::Start {
            self.findings.push(
                Finding::new(Code::JsonEmpty, "the file holds nothing but white space").at(0),
            );
            return false;
        }
        if self.state != State::End {
            let end = self.base + self.rest.len() as u64;
            self.findings.push(
                Finding::new(Code::JsonTruncated, "the JSON ends before its last bracket").at(end),
            );
            return false;
        }
        if !self.chain_seen {
            self.findings.push(Finding::new(
                Code::ShapeChainMissing,
                "the file has no chain",
            ));
            return false;
        }
        if self.pending > 0 {
            self.findings.push(Finding::new(
                Code::PendingEntries,
                format!("{} entries are not mined yet", self.pending),
            ));
        }
        for finding in self.registry.finish() {
            self.findings.push(finding);
        }
        true
    }
}

/// What may be looked at of a value with this limit: one byte more shows that it is too large. What lies behind must not
/// show, because whether it is there already depends on how the input was cut into pieces.
fn view(rest: &[u8], limit: usize) -> &[u8] {
    &rest[..rest.len().min(limit.saturating_add(1))]
}

/// The latest date an entry may have; nothing when the clock is beyond what dates can say, so that no date is later.
fn latest_entry(now: i64) -> String {
    jiff::Timestamp::from_second(now.saturating_add(ENTRY_TOLERANCE))
        .map(|time| time.strftime("\"%Y-%m-%dT%H:%M:%S").to_string())
        .unwrap_or_default()
}

/// Compares dates of the same shape as text; what has another shape is not compared.
fn is_after(date: &[u8], latest: &str) -> bool {
    let latest = latest.as_bytes();
    let Some(date) = date.get(..latest.len()) else {
        return false;
    };
    let same_shape = date.iter().zip(latest).all(|(byte, model)| {
        byte.is_ascii_digit() == model.is_ascii_digit() && (byte.is_ascii_digit() || byte == model)
    });
    same_shape && date > latest
}

impl Content for Scanner {
    fn push(&mut self, mut bytes: &[u8]) {
        // What was left over is completed by no more than it needs, so that the bulk is read where it lies.
        while !self.rest.is_empty() && !bytes.is_empty() {
            let mut rest = std::mem::take(&mut self.rest);
            let before = rest.len();
            let (more, later) = bytes.split_at(bytes.len().min(before.max(COMPLETION)));
            rest.extend_from_slice(more);
            if rest.len() < self.need.min(self.options.limits.entry_bytes + 1) {
                bytes = later;
                self.rest = rest;
                continue;
            }
            let read = self.run(&rest);
            if read < before {
                bytes = later;
                rest.drain(..read);
            } else {
                bytes = &bytes[read - before..];
                rest.clear();
            }
            self.rest = rest;
        }
        if !bytes.is_empty() {
            let read = self.run(bytes);
            self.rest.extend_from_slice(&bytes[read..]);
        }
    }

    fn finish(mut self: Box<Self>, complete: bool) -> Option<Summary> {
        let mut rest = std::mem::take(&mut self.rest);
        let read = self.run(&rest);
        rest.drain(..read);
        self.rest = rest;
        let whole = complete && self.conclude();
        let mut ledger = self.clerk.finish()?;
        ledger.finish(whole);
        let mut signatures = ledger.signatures;
        signatures.unsigned = self.unsigned;
        signatures.forged += self.malformed;
        let mut findings = self.findings;
        findings.append(ledger.findings);
        Some(Summary {
            recognised: self.height > 0 || !matches!(self.state, State::Start | State::Dead),
            unfinished: !matches!(self.state, State::End | State::Dead),
            blocks: ledger.chain.height,
            entries: ledger.chain.entries,
            pending_entries: self.pending,
            head: ledger.chain.head,
            genesis: ledger.chain.genesis,
            head_time: ledger.chain.head_time,
            signatures,
            samples: ledger.chain.samples,
            identities: self.census.map(Census::finish),
            findings,
        })
    }
}
