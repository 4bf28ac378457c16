//! Every variant of the metadata gets the findings it deserves.

mod support;

use backup::{Code, Severity, Word, metadata, verify};
use support::{options, path};

const NAME: &str = "natlangchain_20261123_032959_daily.json.gz";

#[test]
fn every_variant_gets_its_findings() {
    use Code::*;
    let expected: &[(&str, Word, &[Code])] = &[
        ("ok", Word::Intact, &[]),
        ("upper_checksum", Word::Intact, &[MetadataChecksumCase]),
        ("missing", Word::Suspect, &[MetadataMissing]),
        ("empty", Word::Suspect, &[MetadataUnreadable]),
        ("not_json", Word::Suspect, &[MetadataUnreadable]),
        ("bad_type", Word::Suspect, &[MetadataFieldInvalid]),
        ("lacks_field", Word::Suspect, &[MetadataFieldMissing]),
        ("location_other", Word::Suspect, &[MetadataLocation]),
        ("location_traversal", Word::Suspect, &[MetadataLocation]),
        ("wrong_blocks", Word::Suspect, &[MetadataCountMismatch]),
        ("wrong_size", Word::Suspect, &[MetadataSizeMismatch]),
        (
            "wrong_checksum",
            Word::Rejected,
            &[MetadataChecksumMismatch],
        ),
        (
            "gz_corrupt_meta_ok",
            Word::Rejected,
            &[MetadataChecksumMismatch],
        ),
        (
            "gz_replaced_remined",
            Word::Rejected,
            &[MetadataChecksumMismatch],
        ),
    ];
    let mut folders: Vec<String> = std::fs::read_dir(path("meta"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut known: Vec<&str> = expected.iter().map(|(folder, _, _)| *folder).collect();
    known.sort_unstable();
    assert_eq!(folders, known);
    for (folder, word, codes) in expected {
        let object = std::fs::read(path(&format!("meta/{folder}/{NAME}"))).unwrap();
        let beside = std::fs::read(path(&format!("meta/{folder}/{NAME}.meta.json"))).ok();
        let mut verdict = verify(&mut object.as_slice(), options()).unwrap().verdict;
        let findings = metadata::check(NAME, beside.as_deref(), &verdict);
        for code in *codes {
            assert!(
                findings.iter().any(|finding| finding.code == *code),
                "{folder}: {findings:?}"
            );
        }
        if codes.is_empty() {
            assert!(findings.is_empty(), "{folder}: {findings:?}");
        }
        verdict.extend(findings);
        assert_eq!(verdict.verdict, *word, "{folder}: {:?}", verdict.findings);
    }
}

#[test]
fn hostile_metadata_is_bounded() {
    let object = std::fs::read(path(&format!("meta/ok/{NAME}"))).unwrap();
    let verdict = verify(&mut object.as_slice(), options()).unwrap().verdict;
    let large = vec![b' '; 65 << 10];
    let deep = "[".repeat(60_000);
    for (bytes, code) in [
        (large.as_slice(), Code::MetadataTooLarge),
        (deep.as_bytes(), Code::MetadataUnreadable),
        (b"\xff\xfe", Code::MetadataUnreadable),
        (b"[]", Code::MetadataUnreadable),
    ] {
        let findings = metadata::check(NAME, Some(bytes), &verdict);
        assert_eq!(findings[0].code, code);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert!(findings[0].message.len() < 300);
    }
    let twice = br#"{"location": "x", "location": "natlangchain_20261123_032959_daily.json.gz"}"#;
    let findings = metadata::check(NAME, Some(twice), &verdict);
    assert!(
        findings
            .iter()
            .any(|finding| finding.code == Code::MetadataFieldInvalid
                && finding.message.contains("twice"))
    );
}

#[test]
fn lies_and_floods_are_short_findings() {
    let object = std::fs::read(path(&format!("meta/ok/{NAME}"))).unwrap();
    let good = std::fs::read_to_string(path(&format!("meta/ok/{NAME}.meta.json"))).unwrap();
    let verdict = verify(&mut object.as_slice(), options()).unwrap().verdict;
    let long = "x".repeat(50_000);
    for (from, to, code) in [
        ("0.17581315122500704", "0.5", Code::MetadataSizeMismatch),
        ("0.17581315122500704", "1e999", Code::MetadataFieldInvalid),
        (
            "0.17581315122500704",
            "\"0.17\"",
            Code::MetadataFieldInvalid,
        ),
        (
            "2026-11-23T03:29:59.965707",
            "2026-10-23T03:29:59.965707",
            Code::MetadataFieldInvalid,
        ),
        (
            "2026-11-23T03:29:59.965707",
            "yesterday",
            Code::MetadataFieldInvalid,
        ),
        ("\"daily\"", "\"weekly\"", Code::MetadataFieldInvalid),
        (
            "\"daily\"",
            &format!("{long:?}"),
            Code::MetadataFieldInvalid,
        ),
        ("BACKUP-20261123032959", &long, Code::MetadataFieldInvalid),
        (
            "\"size_bytes\": 56816",
            "\"size_bytes\": -1",
            Code::MetadataFieldInvalid,
        ),
        (
            "\"size_bytes\": 56816",
            "\"size_bytes\": 56816.0",
            Code::MetadataFieldInvalid,
        ),
        (
            "\"chain_entries\": 31",
            "\"chain_entries\": 30",
            Code::MetadataCountMismatch,
        ),
        (
            "\"chain_entries\": 31",
            "\"chain_entries\": 31, \"note\": 1",
            Code::MetadataUnknownField,
        ),
        (
            "\"chain_entries\": 31",
            "\"chain_entries\": NaN",
            Code::MetadataUnreadable,
        ),
        (
            "{",
            &format!("{{{}", "\"backend\": \"x\", ".repeat(3_000)),
            Code::MetadataFieldInvalid,
        ),
        ("{", &format!("{long:?}"), Code::MetadataUnreadable),
    ] {
        assert!(good.contains(from), "{from}");
        let text = good.replacen(from, to, 1);
        let findings = metadata::check(NAME, Some(text.as_bytes()), &verdict);
        assert!(
            findings.iter().any(|finding| finding.code == code),
            "{from} {:.40}: {findings:?}",
            to
        );
        assert!(findings.len() < 8);
        assert!(findings.iter().all(|finding| finding.message.len() < 1_000));
    }
}
