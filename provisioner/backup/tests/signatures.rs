//! Signatures of entries: held, forged, half and hidden ones.

mod support;

use backup::{Code, Signatures, Verdict, Word, verify};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use support::options;

fn check(chain: &Value) -> Verdict {
    let bytes = serde_json::to_vec(chain).unwrap();
    verify(&mut bytes.as_slice(), options()).unwrap().verdict
}

/// A chain of one block with these entries and the right hash.
fn chain(entries: Vec<Value>) -> Verdict {
    let mut chain = json!({"chain": [{
        "index": 0, "timestamp": 1_764_000_000.5, "previous_hash": "0", "nonce": 0, "entries": entries,
    }]});
    // A block without a hash is hashed all the same; the application itself fills the hash in like this.
    let head = check(&chain).head.unwrap();
    chain["chain"][0]["hash"] = json!(head);
    check(&chain)
}

fn signed(index: u8, text: &str) -> Value {
    let signer = SigningKey::from_bytes(&[index % 5 + 1; 32]);
    let message =
        json!({"author": "a", "content": text, "intent": "i", "timestamp": "t"}).to_string();
    json!({
        "author": "a", "content": text, "intent": "i", "timestamp": "t",
        "metadata": {
            "public_key": STANDARD.encode(signer.verifying_key().as_bytes()),
            "signature": STANDARD.encode(signer.sign(message.as_bytes()).to_bytes()),
        },
    })
}

fn plain() -> Value {
    json!({"author": "a", "content": "unsigned", "intent": "i", "timestamp": "t"})
}

#[test]
fn valid_ones_are_counted() {
    for count in [0, 1, 2, 255, 256, 257, 600] {
        let mut entries: Vec<Value> = (0..count)
            .map(|index| signed(index as u8, "prose"))
            .collect();
        entries.push(plain());
        let verdict = chain(entries);
        assert_eq!(verdict.verdict, Word::Intact, "{:?}", verdict.findings);
        let expected = Signatures {
            valid: count,
            forged: 0,
            unsigned: 1,
        };
        assert_eq!(verdict.signatures, expected);
    }
}

#[test]
fn a_forged_one_among_many_is_found() {
    for place in [0, 3, 299] {
        let mut entries: Vec<Value> = (0..300).map(|index| signed(index as u8, "prose")).collect();
        entries[place]["content"] = json!("altered and mined again");
        let verdict = chain(entries);
        assert_eq!(verdict.verdict, Word::Rejected);
        assert_eq!(verdict.findings.len(), 1, "{:?}", verdict.findings);
        assert_eq!(verdict.findings[0].code, Code::SignatureForged);
        assert!(
            verdict.findings[0]
                .message
                .contains(&format!("entry {place} of block 0"))
        );
        assert_eq!(
            (verdict.signatures.valid, verdict.signatures.forged),
            (299, 1)
        );
    }
}

#[test]
fn odd_ones_are_named() {
    let with = |change: fn(&mut Value)| {
        let mut entry = signed(1, "prose");
        change(&mut entry);
        chain(vec![entry])
            .findings
            .first()
            .map(|finding| finding.code)
    };
    assert_eq!(with(|_| {}), None);
    assert_eq!(
        with(|entry| entry["metadata"]["signature"] = json!("")),
        Some(Code::SignatureIncomplete)
    );
    assert_eq!(
        with(|entry| entry["metadata"]["public_key"] = json!(null)),
        Some(Code::SignatureIncomplete)
    );
    assert_eq!(
        with(|entry| entry["metadata"]["signature"] = json!("AAAA")),
        Some(Code::SignatureForged)
    );
    assert_eq!(
        with(|entry| entry["metadata"]["signature"] = json!(["x"])),
        Some(Code::SignatureForged)
    );
    assert_eq!(
        with(|entry| entry["signature"] = json!("another")),
        Some(Code::SignatureFieldsDisagree)
    );
    // Under a key of small order a signature of zeros would verify for any text.
    let weak = |entry: &mut Value| {
        let mut key = [0_u8; 32];
        key[0] = 1;
        let mut signature = [0_u8; 64];
        signature[0] = 1;
        entry["metadata"]["public_key"] = json!(STANDARD.encode(key));
        entry["metadata"]["signature"] = json!(STANDARD.encode(signature));
    };
    assert_eq!(with(weak), Some(Code::SignatureForged));
}

#[test]
fn pending_ones_are_checked_too() {
    let mut entry = signed(1, "prose");
    entry["content"] = json!("altered");
    let block =
        json!({"index": 0, "timestamp": 1.5, "previous_hash": "0", "nonce": 0, "entries": []});
    let verdict = check(&json!({"chain": [block], "pending_entries": [signed(2, "good"), entry]}));
    assert_eq!(verdict.verdict, Word::Rejected);
    assert_eq!(verdict.findings[0].code, Code::SignatureForged);
    assert!(verdict.findings[0].message.contains("pending entry 1"));
}
