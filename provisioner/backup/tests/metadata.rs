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
