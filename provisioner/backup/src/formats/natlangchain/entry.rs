//! One entry of a block: the fields the application keeps, in the order it hashes them.

use super::canonical::{Canonical, Facts, is_truthy, skip_space};
use super::fault::{Fault, Scan};
use crate::{Code, Limits};

/// The fields that are hashed, in the order of their code points.
const FIELDS: [&[u8]; 11] = [
    b"author",
    b"content",
    b"derivative_type",
    b"intent",
    b"metadata",
    b"parent_refs",
    b"public_key",
    b"signature",
    b"timestamp",
    b"validation_paraphrases",
    b"validation_status",
];

/// A field by its place in [`FIELDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Field {
    Author = 0,
    Content = 1,
    DerivativeType = 2,
    Intent = 3,
    Metadata = 4,
    ParentRefs = 5,
    PublicKey = 6,
    Signature = 7,
    Timestamp = 8,
}

/// Fields without which the application can't load the entry, or would invent a value that no hash can match.
const NEEDED: [Field; 4] = [
    Field::Author,
    Field::Content,
    Field::Intent,
    Field::Timestamp,
];

/// Reads entries one after another, keeping the last.
#[derive(Debug)]
pub(super) struct EntryReader {
    canonical: Canonical,
    key: Vec<u8>,
    spans: [Option<(usize, usize)>; FIELDS.len()],
    duplicates: u64,
    unknown: Option<String>,
    unknown_count: u64,
}

impl EntryReader {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            canonical: Canonical::new(limits),
            key: Vec::new(),
            spans: [None; FIELDS.len()],
            duplicates: 0,
            unknown: None,
            unknown_count: 0,
        }
    }

    /// Reads the entry that starts at the first byte of `input`. With [`Scan::More`] nothing is kept.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Scan, Fault> {
        self.canonical.clear();
        self.spans = [None; FIELDS.len()];
        self.duplicates = 0;
        self.unknown = None;
        self.unknown_count = 0;
        match input.first() {
            None => return Ok(Scan::More),
            Some(b'{') => {}
            Some(_) => return Err(Fault::new(Code::EntryShape, 0, "an entry is not an object")),
        }
        let mut at = skip_space(input, 1);
        match input.get(at) {
            None => return Ok(Scan::More),
            Some(b'}') => return Ok(Scan::Done(at + 1)),
            Some(_) => {}
        }
        loop {
            let value = match self.canonical.bare_key(input, at, &mut self.key)? {
                Scan::Done(value) => value,
                Scan::More => return Ok(Scan::More),
            };
            let start = self.canonical.out.len();
            let end = match self.canonical.value(input, value)? {
                Scan::Done(end) => end,
                Scan::More => return Ok(Scan::More),
            };
            self.keep(start);
            at = skip_space(input, end);
            match input.get(at) {
                None => return Ok(Scan::More),
                Some(b'}') => return Ok(Scan::Done(at + 1)),
                Some(b',') => {
                    at = skip_space(input, at + 1);
                    if at >= input.len() {
                        return Ok(Scan::More);
                    }
                }
                Some(_) => {
                    return Err(Fault::new(
                        Code::JsonInvalid,
                        at,
                        "a comma or a closing bracket is expected",
                    ));
                }
            }
        }
    }

    fn keep(&mut self, start: usize) {
        match FIELDS.iter().position(|field| *field == self.key) {
            Some(field) => {
                if self.spans[field].is_some() {
                    self.duplicates += 1;
                }
                self.spans[field] = Some((start, self.canonical.out.len()));
            }
            None => {
                self.unknown_count += 1;
                if self.unknown.is_none() {
                    self.unknown = Some(printable(&self.key));
                }
                self.canonical.out.truncate(start);
            }
        }
    }

    /// Canonical text of a field as it stands in the file.
    pub(super) fn text(&self, field: Field) -> Option<&[u8]> {
        self.span(field as usize)
    }

    fn span(&self, field: usize) -> Option<&[u8]> {
        self.spans[field].map(|(start, end)| &self.canonical.out[start..end])
    }

    /// The name of a needed field that is not there.
    pub(super) fn missing(&self) -> Option<String> {
        NEEDED
            .into_iter()
            .find(|field| self.text(*field).is_none())
            .map(|field| printable(FIELDS[field as usize]))
    }

    /// The name of a needed field that is no string.
    pub(super) fn not_text(&self) -> Option<String> {
        NEEDED
            .into_iter()
            .find(|field| {
                self.text(*field)
                    .is_some_and(|text| text.first() != Some(&b'"'))
            })
            .map(|field| printable(FIELDS[field as usize]))
    }

    /// True when metadata is there, counts as true and is no object.
    pub(super) fn metadata_is_odd(&self) -> bool {
        self.text(Field::Metadata)
            .is_some_and(|text| is_truthy(text) && text.first() != Some(&b'{'))
    }

    /// The first field no hash covers, and how many there are.
    pub(super) fn unknown(&self) -> Option<(&str, u64)> {
        self.unknown
            .as_deref()
            .map(|name| (name, self.unknown_count))
    }

    /// How many keys occur twice, at any depth.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates + self.canonical.facts.duplicate_keys
    }

    pub(super) fn facts(&self) -> Facts {
        self.canonical.facts
    }

    /// Appends the text that is hashed: what the application's `to_dict` keeps, with its defaults.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        let mut first = true;
        let mut put = |name: &[u8], text: &[u8]| {
            line.extend_from_slice(if first { b"{\"" } else { b", \"" });
            first = false;
            line.extend_from_slice(name);
            line.extend_from_slice(b"\": ");
            line.extend_from_slice(text);
        };
        for (field, name) in FIELDS.iter().enumerate() {
            let text = self.span(field);
            match *name {
                b"metadata" => put(name, text.filter(|text| is_truthy(text)).unwrap_or(b"{}")),
                b"validation_paraphrases" => put(name, text.unwrap_or(b"[]")),
                b"validation_status" => put(name, text.unwrap_or(b"\"pending\"")),
                b"derivative_type" | b"parent_refs" | b"public_key" | b"signature" => {
                    if let Some(text) = text.filter(|text| is_truthy(text)) {
                        put(name, text);
                    }
                }
                _ => {
                    if let Some(text) = text {
                        put(name, text);
                    }
                }
            }
        }
        line.push(b'}');
    }
}

/// A name from the file, short and harmless enough for a message.
pub(super) fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    let mut shown: String = text.escape_debug().collect();
    if bytes.len() > LONGEST {
        shown.push('…');
    }
    shown
}
