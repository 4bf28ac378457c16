//! One entry of a block: the fields the application keeps, in the order it hashes them.

use super::canonical::{Canonical, Facts, is_truthy, skip_space};
use super::fault::{Fault, Scan};
use crate::{Code, Limits};

/// The fields that are hashed, in the order of their code points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Field {
    Author,
    Content,
    DerivativeType,
    Intent,
    Metadata,
    ParentRefs,
    PublicKey,
    Signature,
    Timestamp,
    ValidationParaphrases,
    ValidationStatus,
}

const FIELDS: usize = Field::ValidationStatus as usize + 1;

impl Field {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"author" => Self::Author,
            b"content" => Self::Content,
            b"derivative_type" => Self::DerivativeType,
            b"intent" => Self::Intent,
            b"metadata" => Self::Metadata,
            b"parent_refs" => Self::ParentRefs,
            b"public_key" => Self::PublicKey,
            b"signature" => Self::Signature,
            b"timestamp" => Self::Timestamp,
            b"validation_paraphrases" => Self::ValidationParaphrases,
            b"validation_status" => Self::ValidationStatus,
            _ => return None,
        })
    }
}

/// Fields without which the application can't load the entry, or would invent a value that no hash can match.
const NEEDED: [(Field, &str); 4] = [
    (Field::Author, "author"),
    (Field::Content, "content"),
    (Field::Intent, "intent"),
    (Field::Timestamp, "timestamp"),
];

/// Reads entries one after another, keeping the last.
#[derive(Debug)]
pub(super) struct EntryReader {
    canonical: Canonical,
    key: Vec<u8>,
    spans: [Option<(usize, usize)>; FIELDS],
    duplicates: u64,
    unknown: Option<String>,
    unknown_count: u64,
}

impl EntryReader {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            canonical: Canonical::new(limits),
            key: Vec::new(),
            spans: [None; FIELDS],
            duplicates: 0,
            unknown: None,
            unknown_count: 0,
        }
    }

    /// Reads the entry that starts at the first byte of `input`. With [`Scan::More`] nothing is kept.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<Scan, Fault> {
        self.canonical.clear();
        self.spans = [None; FIELDS];
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
            let Some((key, value)) = self.canonical.bare_key(input, at, &mut self.key)? else {
                return Ok(Scan::More);
            };
            let field = Field::named(key);
            if field.is_none() {
                self.unknown_count += 1;
                self.unknown.get_or_insert_with(|| printable(key));
            }
            let start = self.canonical.out.len();
            let end = match self.canonical.value(input, value)? {
                Scan::Done(end) => end,
                Scan::More => return Ok(Scan::More),
            };
            self.keep(field, start);
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

    /// Keeps the text from `start` on as that of a field, or drops it when no field has this name.
    fn keep(&mut self, field: Option<Field>, start: usize) {
        let Some(field) = field else {
            self.canonical.out.truncate(start);
            return;
        };
        let span = &mut self.spans[field as usize];
        if span.is_some() {
            self.duplicates += 1;
        }
        *span = Some((start, self.canonical.out.len()));
    }

    /// Canonical text of a field as it stands in the file.
    pub(super) fn text(&self, field: Field) -> Option<&[u8]> {
        self.spans[field as usize].map(|(start, end)| &self.canonical.out[start..end])
    }

    /// The name of a needed field that is not there.
    pub(super) fn missing(&self) -> Option<&'static str> {
        NEEDED
            .into_iter()
            .find(|(field, _)| self.text(*field).is_none())
            .map(|(_, name)| name)
    }

    /// The name of a needed field that is no string.
    pub(super) fn not_text(&self) -> Option<&'static str> {
        NEEDED
            .into_iter()
            .find(|(field, _)| {
                self.text(*field)
                    .is_some_and(|text| text.first() != Some(&b'"'))
            })
            .map(|(_, name)| name)
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
        let text = |field| self.text(field);
        let truthy = |field| text(field).filter(|text| is_truthy(text));
        line.push(b'{');
        member(line, b"\"author\": ", text(Field::Author));
        member(line, b"\"content\": ", text(Field::Content));
        member(
            line,
            b"\"derivative_type\": ",
            truthy(Field::DerivativeType),
        );
        member(line, b"\"intent\": ", text(Field::Intent));
        let metadata = truthy(Field::Metadata).unwrap_or(b"{}");
        member(line, b"\"metadata\": ", Some(metadata));
        member(line, b"\"parent_refs\": ", truthy(Field::ParentRefs));
        member(line, b"\"public_key\": ", truthy(Field::PublicKey));
        member(line, b"\"signature\": ", truthy(Field::Signature));
        member(line, b"\"timestamp\": ", text(Field::Timestamp));
        let paraphrases = text(Field::ValidationParaphrases).unwrap_or(b"[]");
        member(line, b"\"validation_paraphrases\": ", Some(paraphrases));
        line.extend_from_slice(b"\"validation_status\": ");
        line.extend_from_slice(text(Field::ValidationStatus).unwrap_or(b"\"pending\""));
        line.push(b'}');
    }
}

/// Appends a member and the comma before the next one, if there is a value.
#[inline(always)]
fn member<const N: usize>(line: &mut Vec<u8>, name: &[u8; N], value: Option<&[u8]>) {
    if let Some(value) = value {
        line.extend_from_slice(name);
        line.extend_from_slice(value);
        line.extend_from_slice(b", ");
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
