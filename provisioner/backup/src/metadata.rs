//! The file beside a backup: what the backup manager wrote about it, cross-checked with what the object really is.
//!
//! Nothing in it is believed and nothing in it is followed; it is one more witness that may disagree.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::catalogue::BackupName;
use crate::verdict::{Verdict, Wrapping};
use crate::{Code, Finding};

/// What the name of the metadata adds to the name of its backup.
pub const SUFFIX: &str = ".meta.json";

/// The manager writes about 500 bytes.
const LARGEST: usize = 64 << 10;

/// Characters of a message.
const LONGEST: usize = 200;

const TEXTS: [&str; 7] = [
    "backup_id",
    "timestamp",
    "backup_type",
    "source_file",
    "checksum_sha256",
    "backend",
    "location",
];
const COUNTS: [&str; 4] = [
    "size_bytes",
    "compressed_size_bytes",
    "chain_blocks",
    "chain_entries",
];
const RATIO: &str = "compression_ratio";

/// Members in the order of the file, so that a repeated key shows.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Compares the metadata of the backup stored under `name` (the last part of its key) with the verdict on it. `None`
/// means there is none.
#[must_use]
pub fn check(name: &str, metadata: Option<&[u8]>, verdict: &Verdict) -> Vec<Finding> {
    let Some(bytes) = metadata else {
        return vec![Finding::new(
            Code::MetadataMissing,
            format!("there is no {name}{SUFFIX}"),
        )];
    };
    if bytes.len() > LARGEST {
        return vec![Finding::new(
            Code::MetadataTooLarge,
            format!(
                "the metadata has {} bytes, at most {LARGEST} are read",
                bytes.len()
            ),
        )];
    }
    let members = match serde_json::from_slice::<Members>(bytes) {
        Ok(Members(members)) => members,
        Err(error) => {
            // Its text may quote the metadata at length; where it stands is enough.
            return vec![Finding::new(
                Code::MetadataUnreadable,
                format!(
                    "the metadata is not a JSON object (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            )];
        }
    };
    let mut check = Check {
        members: &members,
        findings: Vec::new(),
    };
    check.shape();
    check.against_name(name);
    check.against_object(verdict);
    check.findings
}

struct Check<'a> {
    members: &'a [(String, Value)],
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    fn push(&mut self, code: Code, mut message: String) {
        // Whoever wrote the metadata chose what is quoted.
        if let Some((end, _)) = message.char_indices().nth(LONGEST) {
            message.truncate(end);
            message.push('…');
        }
        self.findings.push(Finding::new(code, message));
    }

    /// The last of equal keys counts, as in Python.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }

    fn shape(&mut self) {
        for name in TEXTS {
            self.field(name, self.text(name).is_some());
        }
        for name in COUNTS {
            self.field(name, self.count(name).is_some());
        }
        self.field(RATIO, self.get(RATIO).and_then(Value::as_f64).is_some());
        let known = || TEXTS.into_iter().chain(COUNTS).chain([RATIO]);
        for name in known() {
            if self.members.iter().filter(|(key, _)| key == name).count() > 1 {
                self.push(
                    Code::MetadataFieldInvalid,
                    format!("the metadata has {name} twice"),
                );
            }
        }
        let unknown = self
            .members
            .iter()
            .filter(|(key, _)| known().all(|name| key != name))
            .count();
        if unknown > 0 {
            self.push(
                Code::MetadataUnknownField,
                format!("the metadata has {unknown} unknown field(s)"),
            );
        }
    }

    fn field(&mut self, name: &str, well_typed: bool) {
        if self.get(name).is_none() {
            self.push(
                Code::MetadataFieldMissing,
                format!("the metadata lacks {name}"),
            );
        } else if !well_typed {
            self.push(
                Code::MetadataFieldInvalid,
                format!("the metadata's {name} has the wrong type"),
            );
        }
    }

    fn against_name(&mut self, name: &str) {
        let parsed = BackupName::parse(name);
        if let Some(kind) = self.text("backup_type") {
            let expected = parsed.as_ref().map(|parsed| parsed.kind.as_str());
            if !["daily", "weekly", "monthly", "manual"].contains(&kind) {
                self.push(
                    Code::MetadataFieldInvalid,
                    format!("the metadata's backup_type {kind:?} is none the manager knows"),
                );
            } else if expected.is_some_and(|expected| expected != kind) {
                self.push(
                    Code::MetadataFieldInvalid,
                    format!("the metadata's backup_type {kind:?} is not the one in the name"),
                );
            }
        }
        if let (Some(id), Some(parsed)) = (self.text("backup_id"), &parsed) {
            let expected = parsed.manager_id();
            if id != expected {
                self.push(
                    Code::MetadataFieldInvalid,
                    format!("the metadata's backup_id {id:?} is not {expected:?}"),
                );
            }
        }
        if let (Some(text), Some(parsed)) = (self.text("timestamp"), &parsed) {
            // One reading of the clock goes into both, in the name without its fraction.
            let same = text.parse::<DateTime>().is_ok_and(|stated| {
                let fraction = stated.duration_since(parsed.taken);
                !fraction.is_negative() && fraction < SignedDuration::from_secs(1)
            });
            if !same {
                self.push(
                    Code::MetadataFieldInvalid,
                    format!("the metadata's timestamp {text:?} is not the time in the name"),
                );
            }
        }
        if let Some(location) = self.text("location")
            && location != name
        {
            self.push(
                Code::MetadataLocation,
                format!("the metadata names {location:?} instead of {name:?}"),
            );
        }
    }

    fn against_object(&mut self, verdict: &Verdict) {
        if let Some(checksum) = self.text("checksum_sha256") {
            if !checksum.eq_ignore_ascii_case(&verdict.sha256) {
                self.push(
                    Code::MetadataChecksumMismatch,
                    format!(
                        "the metadata states the SHA-256 {checksum:?}, the object has {}",
                        verdict.sha256
                    ),
                );
            } else if checksum != verdict.sha256 {
                self.push(
                    Code::MetadataChecksumCase,
                    "the metadata spells its SHA-256 in upper case".to_owned(),
                );
            }
        }
        self.equal(
            "compressed_size_bytes",
            verdict.bytes,
            Code::MetadataSizeMismatch,
        );
        // What the manager compresses is the file as stored; only for gzip around JSON is that what was counted.
        if verdict.format == Some(Wrapping::Gzip) {
            self.equal(
                "size_bytes",
                verdict.plain_bytes,
                Code::MetadataSizeMismatch,
            );
        }
        if let (Some(stated), Some(size), Some(compressed)) = (
            self.get(RATIO).and_then(Value::as_f64),
            self.count("size_bytes"),
            self.count("compressed_size_bytes"),
        ) {
            let ratio = if size == 0 {
                1.0
            } else {
                compressed as f64 / size as f64
            };
            if (stated - ratio).abs() > 1e-6 {
                self.push(
                    Code::MetadataSizeMismatch,
                    format!(
                        "the metadata states the compression ratio {stated}, its sizes make {ratio}"
                    ),
                );
            }
        }
        self.equal("chain_blocks", verdict.blocks, Code::MetadataCountMismatch);
        self.equal(
            "chain_entries",
            verdict.entries,
            Code::MetadataCountMismatch,
        );
    }

    fn equal(&mut self, name: &str, actual: u64, code: Code) {
        if let Some(stated) = self.count(name)
            && stated != actual
        {
            self.push(
                code,
                format!("the metadata states {name} {stated}, the object has {actual}"),
            );
        }
    }
}
