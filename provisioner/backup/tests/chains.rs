//! Rules of the chain that the first user's files do not touch.

mod support;

use backup::{Code, Verdict, Word, verify};
use serde_json::{Value, json};
use support::{NOW, codes, fixture, options};

fn check(text: &str) -> Verdict {
    verify(&mut text.as_bytes(), options()).unwrap().verdict
}

fn fixture_text() -> String {
    String::from_utf8(fixture("chain_50k.json")).unwrap()
}

/// A chain of blocks with these times and right hashes, found with the checker itself: it says what hash a head that
/// carries none has.
fn mined(blocks: &[(Value, Value)]) -> Verdict {
    let mut chain: Vec<Value> = Vec::new();
    let mut previous = json!("0");
    for (index, (timestamp, entries)) in blocks.iter().enumerate() {
        for nonce in 0.. {
            let block = json!({"index": index, "timestamp": timestamp, "previous_hash": previous, "nonce": nonce, "entries": entries});
            chain.push(block);
            let head = check(&json!({"chain": chain}).to_string()).head.unwrap();
            if index == 0 || head.starts_with('0') {
                chain[index]["hash"] = json!(head);
                previous = json!(head);
                break;
            }
            chain.pop();
        }
    }
    check(&json!({"chain": chain}).to_string())
}

fn entry(timestamp: &str) -> Value {
    json!([{"author": "a", "content": "c", "intent": "i", "timestamp": timestamp}])
}

#[test]
fn times_must_be_plausible() {
    let now = NOW as f64;
    let good = entry("2025-11-24T16:00:00");
    for (times, word, expected) in [
        ([json!(1.5), json!(2.5)], Word::Intact, vec![]),
        ([json!(1), json!(1)], Word::Intact, vec![]),
        (
            [json!(2.5), json!(1.5)],
            Word::Suspect,
            vec![Code::TimeBackwards],
        ),
        ([json!(1.5), json!(now + 200.0)], Word::Intact, vec![]),
        (
            [json!(1.5), json!(now + 400.0)],
            Word::Suspect,
            vec![Code::TimeInFuture],
        ),
        (
            [json!(1.5), json!("2.5")],
            Word::Rejected,
            vec![Code::BlockFieldType, Code::TimeNotFinite],
        ),
    ] {
        let verdict = mined(&[
            (times[0].clone(), good.clone()),
            (times[1].clone(), good.clone()),
        ]);
        assert_eq!(
            (verdict.verdict, codes(&verdict)),
            (word, expected),
            "{times:?}"
        );
    }
    for (date, expected) in [
        ("2026-11-24T13:00:00", vec![]),
        ("2026-11-24T15:00:00.5+00:00", vec![Code::EntryTimeInFuture]),
        ("9999-01-01T00:00:00", vec![Code::EntryTimeInFuture]),
        ("x", vec![]),
        ("99999", vec![]),
    ] {
        let verdict = mined(&[(json!(1.5), entry(date))]);
        assert_eq!(codes(&verdict), expected, "{date}");
    }
}

#[test]
fn of_two_chains_the_last_counts() {
    let good = fixture_text();
    let chain = good.strip_prefix('{').unwrap();
    let verdict = check(&format!("{{\"chain\":[{{\"index\":9}}],{chain}"));
    assert_eq!(verdict.verdict, Word::Suspect, "{:?}", verdict.findings);
    assert_eq!(verdict.findings[0].code, Code::DuplicateKey);
    assert_eq!((verdict.blocks, verdict.entries), (7, 31));
    assert_eq!(verdict.signatures.valid, 3);
    let verdict = check(&format!(
        "{},\"chain\":[]}}",
        good.strip_suffix('}').unwrap()
    ));
    assert_eq!(verdict.verdict, Word::Rejected);
    assert!(codes(&verdict).contains(&Code::ChainEmpty));
}

#[test]
fn the_last_of_two_lists_of_entries_counts() {
    let good = fixture_text();
    let at = good.find("\"entries\":").unwrap();
    let verdict = check(&format!("{}\"entries\":[],{}", &good[..at], &good[at..]));
    assert_eq!(verdict.verdict, Word::Suspect, "{:?}", verdict.findings);
    assert_eq!(codes(&verdict)[0], Code::DuplicateKey);
}

#[test]
fn a_missing_hash_in_the_middle_is_held_by_the_next_link() {
    let mut chain: Value = serde_json::from_str(&fixture_text()).unwrap();
    chain["chain"][3].as_object_mut().unwrap().remove("hash");
    let verdict = check(&chain.to_string());
    assert_eq!(verdict.verdict, Word::Suspect);
    assert_eq!(codes(&verdict)[0], Code::BlockHashMissing);
    chain["chain"][3]["entries"][0]["content"] = json!("altered");
    let verdict = check(&chain.to_string());
    assert_eq!(verdict.verdict, Word::Rejected);
    assert!(codes(&verdict).contains(&Code::BlockLinkBroken));
}

#[test]
fn broken_text_is_named() {
    let good = fixture_text();
    for (text, code) in [
        (format!("\u{feff}{good}"), Code::JsonByteOrderMark),
        (format!("{good} x"), Code::JsonTrailingData),
        (format!("{good}{good}"), Code::JsonTrailingData),
        (
            good.replacen("\"index\":1", "\"index\":01", 1),
            Code::JsonInvalid,
        ),
        (
            good.replacen("\"nonce\":8", "\"nonce\":null", 1),
            Code::BlockFieldType,
        ),
        (
            good.replacen("\"nonce\":8", "\"nonce\":{}", 1),
            Code::BlockFieldType,
        ),
        (
            good.replacen("\"entries\":[", "\"entries\":{", 1),
            Code::EntryShape,
        ),
        (
            good.replacen("\"entries\":[", "\"entries\":[[],", 1),
            Code::EntryShape,
        ),
        (
            good.replacen("\"pending_entries\":[", "\"pending_entries\":{", 1),
            Code::ShapePending,
        ),
        (
            good.replacen("{\"chain\":[", "{\"chain\":[0,", 1),
            Code::BlockShape,
        ),
        (
            good.replacen("\"seq\":0", &format!("\"seq\":{}", "9".repeat(5_000)), 1),
            Code::JsonNumberTooLong,
        ),
    ] {
        let verdict = check(&text);
        assert_eq!(verdict.verdict, Word::Rejected);
        assert_eq!(verdict.findings[0].code, code, "{:?}", verdict.findings);
        assert!(
            verdict
                .findings
                .iter()
                .all(|finding| finding.message.len() < 400)
        );
    }
    let mut bytes = good.into_bytes();
    let at = bytes
        .windows(7)
        .position(|part| part == b"genesis")
        .unwrap();
    bytes[at] = 0xff;
    let verdict = verify(&mut bytes.as_slice(), options()).unwrap().verdict;
    assert_eq!(verdict.findings[0].code, Code::JsonUtf8Invalid);
    assert_eq!(verdict.findings[0].offset, Some(at as u64));
    assert_eq!(verdict.findings[0].block, Some(0));
}
