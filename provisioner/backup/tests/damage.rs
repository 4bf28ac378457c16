//! Damage of every kind at many places, and what an intruder does with more care: what must never pass.

mod support;

use std::io::Write as _;

use backup::{Code, Options, Verdict, Word, verify};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use support::{codes, fixture, mine_from, options};

/// A check on this thread alone: thousands of them are made here.
fn check(bytes: &[u8]) -> Verdict {
    let options = Options {
        threaded: false,
        ..options()
    };
    verify(&mut &*bytes, options).unwrap().verdict
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chain() -> Value {
    serde_json::from_slice(&fixture("chain_50k.json")).unwrap()
}

#[test]
fn no_changed_byte_of_a_block_passes() {
    let good = fixture("chain_50k.json");
    let blocks = good
        .windows(17)
        .position(|part| part == b"\"pending_entries\"")
        .unwrap();
    for at in (0..blocks).step_by(101) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let verdict = check(&bytes);
        // A field that holds its default may change its name: then no hash covers it, and that is said.
        let renamed =
            verdict.verdict == Word::Suspect && codes(&verdict)[0] == Code::UnknownEntryField;
        assert!(
            verdict.verdict == Word::Rejected || renamed,
            "byte {at}: {:?}",
            verdict.findings
        );
    }
}

#[test]
fn every_beginning_of_a_file_is_cut() {
    let good = fixture("chain_50k.json");
    for end in (1..good.len()).step_by(97).chain([good.len() - 1]) {
        let verdict = check(&good[..end]);
        assert_eq!(verdict.verdict, Word::Rejected, "{end}");
        assert_eq!(codes(&verdict)[0], Code::JsonTruncated, "{end}");
    }
    let gzip = fixture("formats/chain_50k.gzip");
    for end in (2..gzip.len())
        .step_by(97)
        .chain(2..40)
        .chain([gzip.len() - 1])
    {
        let verdict = check(&gzip[..end]);
        assert_eq!(verdict.verdict, Word::Rejected, "{end}");
        assert_eq!(codes(&verdict)[0], Code::GzipTruncated, "{end}");
    }
}

#[test]
fn every_part_of_gzip_is_checked() {
    let text = fixture("chain_50k.json");
    let (start, rest) = text.split_at(20_000);
    let whole = gzip(&text);
    let length = whole.len();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let named = |builder: GzBuilder| {
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap()
    };
    // A header with a CRC-16 of its own: right, and wrong.
    let with_crc = |wrong: u8| {
        let mut header = vec![0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3];
        let crc = crc32fast::hash(&header) as u16;
        header.extend_from_slice(&(crc ^ u16::from(wrong)).to_le_bytes());
        [&header, &whole[10..]].concat()
    };
    for (name, bytes, word, code) in [
        ("one member", whole.clone(), Word::Intact, None),
        (
            "two members",
            [gzip(start), gzip(rest)].concat(),
            Word::Intact,
            None,
        ),
        (
            "empty members",
            [gzip(b""), whole.clone(), gzip(b"")].concat(),
            Word::Intact,
            None,
        ),
        (
            "zeros between members",
            [&gzip(start)[..], &[0; 700], &gzip(rest)].concat(),
            Word::Intact,
            Some(Code::GzipZeroPadding),
        ),
        (
            "a name",
            named(GzBuilder::new().filename("chain.json")),
            Word::Intact,
            None,
        ),
        (
            "a comment",
            named(GzBuilder::new().comment("x")),
            Word::Intact,
            Some(Code::GzipHeaderFields),
        ),
        (
            "an extra field",
            named(GzBuilder::new().extra(vec![7; 3000])),
            Word::Intact,
            Some(Code::GzipHeaderFields),
        ),
        ("a header's CRC", with_crc(0), Word::Intact, None),
        (
            "a header's wrong CRC",
            with_crc(1),
            Word::Rejected,
            Some(Code::GzipHeaderChecksumMismatch),
        ),
        (
            "a wrong CRC",
            flipped(length - 8),
            Word::Rejected,
            Some(Code::GzipChecksumMismatch),
        ),
        (
            "a wrong length",
            flipped(length - 1),
            Word::Rejected,
            Some(Code::GzipLengthMismatch),
        ),
        (
            "half a mark after zeros",
            [&whole[..], &[0, 0x1f]].concat(),
            Word::Suspect,
            Some(Code::GzipTrailingData),
        ),
        (
            "another member cut off",
            [&whole[..], &whole[..30]].concat(),
            Word::Rejected,
            Some(Code::GzipTruncated),
        ),
        (
            "something else after zeros",
            [&whole[..], &[0; 9], b"x"].concat(),
            Word::Suspect,
            Some(Code::GzipTrailingData),
        ),
        (
            "a chain after a chain",
            [&whole[..], &whole].concat(),
            Word::Rejected,
            Some(Code::JsonTrailingData),
        ),
        ("nothing", gzip(b""), Word::Rejected, Some(Code::JsonEmpty)),
        (
            "gzip within gzip",
            gzip(&whole),
            Word::Rejected,
            Some(Code::JsonInvalid),
        ),
        (
            "encrypted within gzip",
            gzip(b"ENC:1:AAAA"),
            Word::Rejected,
            Some(Code::JsonInvalid),
        ),
    ] {
        let verdict = check(&bytes);
        let found = codes(&verdict);
        assert_eq!(verdict.verdict, word, "{name}: {:?}", verdict.findings);
        match code {
            Some(code) => assert!(found.contains(&code), "{name}: {found:?}"),
            None => assert_eq!(found, [Code::PendingEntries], "{name}"),
        }
    }
    // Whatever bit of the compressed data changes: it is noticed.
    for at in (10..length - 8).step_by(61) {
        let verdict = check(&flipped(at));
        assert_eq!(verdict.verdict, Word::Rejected, "byte {at}");
        assert!(
            codes(&verdict).iter().any(|code| matches!(
                code,
                Code::GzipDataCorrupt
                    | Code::GzipChecksumMismatch
                    | Code::GzipTruncated
                    | Code::LimitRatio
            )),
            "byte {at}: {:?}",
            verdict.findings
        );
    }
}

#[test]
fn what_was_mined_again_with_care_is_judged_by_what_remains() {
    type Change = fn(&mut Value);
    let cases: Vec<(&str, Change, usize, Word, Code)> = vec![
        // Consistent in itself; only a witness can tell.
        ("nothing", |_| {}, 5, Word::Intact, Code::PendingEntries),
        (
            "a text",
            |file| file["chain"][5]["entries"][1]["content"] = json!("altered"),
            5,
            Word::Intact,
            Code::PendingEntries,
        ),
        (
            "a signed text",
            |file| {
                for block in file["chain"].as_array_mut().unwrap() {
                    for entry in block["entries"].as_array_mut().unwrap() {
                        if !entry["metadata"]["signature"].is_null() {
                            entry["content"] = json!("altered after it was signed");
                        }
                    }
                }
            },
            0,
            Word::Rejected,
            Code::SignatureForged,
        ),
        (
            "a list for metadata",
            |file| file["chain"][5]["entries"][1]["metadata"] = json!([1]),
            5,
            Word::Rejected,
            Code::EntryMetadataType,
        ),
        (
            "a number for a text",
            |file| file["chain"][5]["entries"][1]["content"] = json!(7),
            5,
            Word::Suspect,
            Code::EntryFieldType,
        ),
        (
            "a genesis that follows a block",
            |file| file["chain"][0]["index"] = json!(1),
            0,
            Word::Rejected,
            Code::BlockIndexWrong,
        ),
        (
            "an index that is text",
            |file| file["chain"][5]["index"] = json!("5"),
            5,
            Word::Rejected,
            Code::BlockFieldType,
        ),
        (
            "an index with a fraction",
            |file| file["chain"][5]["index"] = json!(5.0),
            5,
            Word::Rejected,
            Code::BlockIndexWrong,
        ),
        (
            "a time long ago",
            |file| file["chain"][5]["timestamp"] = json!(1.5),
            5,
            Word::Suspect,
            Code::TimeBackwards,
        ),
        (
            "a time far ahead",
            |file| file["chain"][6]["timestamp"] = json!(9e12),
            6,
            Word::Suspect,
            Code::TimeInFuture,
        ),
    ];
    for (name, change, height, word, code) in cases {
        let mut file = chain();
        change(&mut file);
        mine_from(&mut file, height);
        let verdict = check(file.to_string().as_bytes());
        let found = codes(&verdict);
        assert_eq!(verdict.verdict, word, "{name}: {:?}", verdict.findings);
        assert!(found.contains(&code), "{name}: {found:?}");
    }
}

#[test]
fn a_new_first_block_names_no_other() {
    let mut file = chain();
    file["chain"][0]["previous_hash"] = json!("00");
    let verdict = check(file.to_string().as_bytes());
    assert_eq!(verdict.verdict, Word::Rejected);
    assert!(codes(&verdict).contains(&Code::BlockLinkBroken));
    // An upper-case spelling is another hash: the application compares text.
    let mut file = chain();
    let hash = file["chain"][6]["hash"].as_str().unwrap().to_uppercase();
    file["chain"][6]["hash"] = json!(hash);
    let verdict = check(file.to_string().as_bytes());
    assert_eq!(codes(&verdict)[0], Code::BlockHashMismatch);
    for hash in [json!(null), json!(""), json!(0)] {
        let mut file = chain();
        file["chain"][6]["hash"] = hash;
        let verdict = check(file.to_string().as_bytes());
        assert_eq!(verdict.verdict, Word::Rejected);
    }
}

#[test]
fn numbers_and_characters_no_other_tool_writes() {
    let block = |timestamp: &str, content: &str| {
        format!(
            "{{\"chain\":[{{\"index\":0,\"timestamp\":{timestamp},\"previous_hash\":\"0\",\"nonce\":0,\"entries\":[{{\"author\":\"a\",\
             \"intent\":\"i\",\"timestamp\":\"t\",\"content\":\"{content}\",\"metadata\":{{\"n\":{timestamp}}}}}]}}]}}"
        )
    };
    for (timestamp, content, code) in [
        ("1e999", "c", Code::NumberOverflow),
        ("1e999", "c", Code::TimeNotFinite),
        ("-Infinity", "c", Code::TimeNotFinite),
        ("NaN", "c", Code::TimeNotFinite),
        ("1", "\\ud800", Code::LoneSurrogate),
        ("1", "\\udc00\\ud800", Code::LoneSurrogate),
        ("-NaN", "c", Code::JsonInvalid),
        ("+1", "c", Code::JsonInvalid),
        (".5", "c", Code::JsonInvalid),
        ("0x1", "c", Code::JsonInvalid),
        ("1", "\\x", Code::JsonInvalid),
        ("1", "\\ud8zz", Code::JsonInvalid),
        ("1", "\t", Code::JsonInvalid),
    ] {
        let verdict = check(block(timestamp, content).as_bytes());
        assert!(
            codes(&verdict).contains(&code),
            "{timestamp} {content}: {:?}",
            verdict.findings
        );
    }
    let long = format!("1{}", "0".repeat(4_299));
    let verdict = check(block(&long, "c").as_bytes());
    assert!(codes(&verdict).contains(&Code::TimeNotFinite));
    let verdict = check(block(&format!("{long}0"), "c").as_bytes());
    assert_eq!(codes(&verdict), [Code::JsonNumberTooLong]);
    for bytes in [
        &b"\xed\xa0\x80"[..],
        b"\xc0\xaf",
        b"\xf5\x80\x80\x80",
        b"\x80",
        b"\xe2\x82\"",
    ] {
        let text = block("1", "HERE");
        let at = text.find("HERE").unwrap();
        let text = [&text.as_bytes()[..at], bytes, &text.as_bytes()[at..]].concat();
        assert_eq!(codes(&check(&text)), [Code::JsonUtf8Invalid], "{bytes:x?}");
    }
}

#[test]
fn what_lies_behind_a_limit_does_not_show() {
    let entry = "{\"chain\":[{\"index\":0,\"entries\":[{\"content\":\"";
    let index = "{\"chain\":[{\"index\":\"";
    for (head, filler, tail) in [
        (entry, 8_000, &b"\xff"[..]),
        (entry, 4_000, b"\xff"),
        (entry, 4_080, b"\\ud8"),
        (index, 40_000, b"\xff"),
        ("{\"", 8_000, b"\xff"),
        ("{\"x\":\"", 8_000, b"\xff"),
        ("{\"x\":\"", 4_080, b"\xff"),
    ] {
        let text = [head.as_bytes(), &vec![b'a'; filler], tail, b"\"}]}]}"].concat();
        let verdicts = [text.len(), 1, 5, 4_096, 4_097].map(|size| {
            let mut options = options();
            options.threaded = false;
            options.limits.entry_bytes = 4 << 10;
            let mut verifier = backup::Verifier::new(options);
            for piece in text.chunks(size) {
                verifier.push(piece);
            }
            verifier.finish().unwrap().verdict
        });
        for verdict in &verdicts {
            assert_eq!(verdict, &verdicts[0], "{head} {filler}");
        }
    }
}
