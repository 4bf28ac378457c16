//! Hostile streams: every one is rejected (or judged) with its own code, in constant memory.
//!
//! All of it runs in one test, because the peak of resident memory belongs to the whole process.

mod support;

use std::io::{self, Cursor, Read};

use backup::{Code, Verdict, Word, verify};
use flate2::Compression;
use flate2::read::GzEncoder;
use support::generator::Generator;
use support::{fixture, options};

const MIB: u64 = 1 << 20;
/// What verification may add to the memory of this process.
const MOST_MEMORY: u64 = 64 * MIB;

/// The same bytes again and again.
struct Repeat {
    unit: Vec<u8>,
    left: u64,
    at: usize,
}

fn repeat(unit: impl Into<Vec<u8>>, count: u64) -> Repeat {
    Repeat {
        unit: unit.into(),
        left: count,
        at: 0,
    }
}

impl Read for Repeat {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < out.len() && self.left > 0 {
            let count = (out.len() - written).min(self.unit.len() - self.at);
            out[written..written + count].copy_from_slice(&self.unit[self.at..self.at + count]);
            written += count;
            self.at += count;
            if self.at == self.unit.len() {
                self.at = 0;
                self.left -= 1;
            }
        }
        Ok(written)
    }
}

/// Many times the byte, in units large enough to be fast.
fn bytes(byte: u8, count: u64) -> Repeat {
    repeat(vec![byte; MIB as usize], count / MIB)
}

fn text(text: &str) -> Cursor<Vec<u8>> {
    Cursor::new(text.as_bytes().to_vec())
}

fn gzip(source: impl Read) -> impl Read {
    GzEncoder::new(source, Compression::default())
}

/// The highest amount of resident memory so far, as the kernel counts it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

const IN_CONTENT: &str = r#"{"chain":[{"index":0,"entries":[{"content":""#;
const IN_METADATA: &str = r#"{"chain":[{"index":0,"entries":[{"metadata":"#;

#[test]
fn hostile_streams_are_judged_in_constant_memory() {
    let before = peak_memory();
    let chain = || Cursor::new(fixture("chain_50k.json"));
    let gz_head = || Cursor::new([&[0x1f, 0x8b, 8, 8][..], &[0; 6]].concat());
    let enc_head = || text("ENC:1:");
    let many_members = {
        let mut member = Vec::new();
        GzEncoder::new(io::empty(), Compression::fast())
            .read_to_end(&mut member)
            .unwrap();
        member
    };
    let cases: Vec<(&str, Box<dyn Read>, Code)> = vec![
        ("spaces after a chain", Box::new(chain().chain(bytes(b' ', 1024 * MIB))), Code::LimitWhitespace),
        ("spaces after a chain, gzip", Box::new(gzip(chain().chain(bytes(b' ', 1024 * MIB)))), Code::LimitWhitespace),
        ("spaces before a chain", Box::new(bytes(b' ', 256 * MIB).chain(chain())), Code::LimitWhitespace),
        ("a long string", Box::new(text(IN_CONTENT).chain(bytes(b'a', 2048 * MIB))), Code::LimitEntrySize),
        ("a long string, gzip", Box::new(gzip(text(IN_CONTENT).chain(bytes(b'a', 256 * MIB)))), Code::LimitRatio),
        (
            "a string that grows in canonical form",
            Box::new(text(IN_CONTENT).chain(bytes(0x7f, MIB)).chain(text("\"}"))),
            Code::LimitCanonicalSize,
        ),
        ("a long number", Box::new(text(IN_METADATA).chain(bytes(b'7', 256 * MIB))), Code::LimitEntrySize),
        ("a long key", Box::new(text("{\"").chain(bytes(b'k', 256 * MIB))), Code::LimitEntrySize),
        ("deep lists in an entry", Box::new(text(IN_METADATA).chain(bytes(b'[', 64 * MIB))), Code::LimitDepth),
        ("deep lists in a registry", Box::new(text("{\"asset_registry\":").chain(bytes(b'[', 64 * MIB))), Code::LimitDepth),
        (
            "many members",
            Box::new(text(IN_METADATA).chain(text("{\"a\":0")).chain(repeat(",\"\":0", 700_000)).chain(text("}"))),
            Code::LimitMembers,
        ),
        (
            "quadratic ordering",
            Box::new(
                text(IN_METADATA)
                    .chain(repeat("{\"b\":", 900))
                    .chain(text("\""))
                    .chain(bytes(b'x', MIB))
                    .chain(text("\""))
                    .chain(repeat(",\"a\":0}", 900)),
            ),
            Code::LimitWork,
        ),
        (
            "many keys in a registry",
            Box::new(
                text("{\"entry_fingerprints\":{\"a\":0")
                    .chain(repeat(",\"a\":0", 20_000_000))
                    .chain(text("}}")),
            ),
            Code::ShapeChainMissing,
        ),
        (
            "many unknown fields",
            Box::new(text("{\"x\":0").chain(repeat(",\"x\":0", 10_000_000)).chain(text("}"))),
            Code::UnknownTopField,
        ),
        (
            "many entries in one block",
            Box::new(
                text("{\"chain\":[{\"index\":0,\"timestamp\":1.5,\"previous_hash\":\"0\",\"hash\":\"\",\"entries\":[{}")
                    .chain(repeat(
                        ",{\"author\":\"a\",\"content\":\"some prose of no great length\",\"intent\":\"c\",\"timestamp\":\"d\"}",
                        5_000_000,
                    ))
                    .chain(text("]}]}")),
            ),
            Code::EntryFieldMissing,
        ),
        (
            "many blocks",
            Box::new(text("{\"chain\":[{}").chain(repeat(",{}", 20_000_000)).chain(text("]}"))),
            Code::BlockFieldMissing,
        ),
        ("a long gzip file name", Box::new(gz_head().chain(bytes(b'n', 256 * MIB))), Code::LimitGzipHeader),
        ("many gzip members", Box::new(repeat(many_members, 1_100_000)), Code::LimitGzipMembers),
        (
            "zeros after gzip",
            Box::new(gzip(chain()).chain(bytes(0, 256 * MIB))),
            Code::GzipZeroPadding,
        ),
        ("noise that says it is encrypted", Box::new(enc_head().chain(bytes(b'A', 256 * MIB))), Code::EncryptionWrongKey),
        ("line breaks that say they are encrypted", Box::new(enc_head().chain(bytes(b'\n', 256 * MIB))), Code::EncryptionTruncated),
        ("garbage that says it is encrypted", Box::new(enc_head().chain(bytes(b'#', 256 * MIB))), Code::EncryptionTruncated),
        ("a long valid chain", Box::new(Generator::new(1, 256 * MIB, 22)), Code::PendingEntries),
    ];
    for (name, mut source, code) in cases {
        let verdict = verify(&mut source, options()).unwrap().verdict;
        if name == "a long valid chain" {
            assert_eq!(
                verdict.verdict,
                Word::Intact,
                "{name}: {:?}",
                verdict.findings
            );
        } else {
            assert!(has(&verdict, code), "{name}: {:?}", verdict.findings);
            assert!(verdict.findings.len() < 60, "{name}");
            let harmless = matches!(code, Code::GzipZeroPadding);
            assert_eq!(
                verdict.verdict == Word::Rejected,
                !harmless,
                "{name}: {:?}",
                verdict.findings
            );
        }
        let used = peak_memory() - before;
        assert!(
            used < MOST_MEMORY,
            "{name} took the memory to {} MiB more",
            used / MIB
        );
    }
}

fn has(verdict: &Verdict, code: Code) -> bool {
    verdict.findings.iter().any(|finding| finding.code == code)
}

#[test]
fn size_limits_hold() {
    let mut small = options();
    small.limits.stored_bytes = 1000;
    let verdict = verify(&mut fixture("chain_50k.json").as_slice(), small)
        .unwrap()
        .verdict;
    assert!(has(&verdict, Code::LimitStoredSize));
    assert_eq!(verdict.verdict, Word::Rejected);
    assert_eq!(verdict.bytes, 56_816);
    for file in [
        "chain_50k.json",
        "formats/chain_50k.gzip",
        "formats/chain_50k.encgz",
    ] {
        let mut small = options();
        small.limits.plain_bytes = 1000;
        let verdict = verify(&mut fixture(file).as_slice(), small)
            .unwrap()
            .verdict;
        assert!(
            has(&verdict, Code::LimitPlainSize),
            "{file}: {:?}",
            verdict.findings
        );
        assert_eq!(verdict.verdict, Word::Rejected);
    }
}
