//! Registries no hash covers are compared with the chain.

mod support;

use backup::{Code, Word, verify};
use serde_json::{Value, json};
use support::{fixture, mine_from, options};

fn codes_after(change: impl FnOnce(&mut Value)) -> (Word, Vec<Code>) {
    let mut chain: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    change(&mut chain);
    let bytes = serde_json::to_vec(&chain).unwrap();
    let verdict = verify(&mut bytes.as_slice(), options()).unwrap().verdict;
    (
        verdict.verdict,
        verdict
            .findings
            .iter()
            .map(|finding| finding.code)
            .collect(),
    )
}

#[test]
fn what_agrees_with_the_chain_is_intact() {
    assert_eq!(
        codes_after(|_| {}),
        (Word::Intact, vec![Code::PendingEntries])
    );
}

#[test]
fn every_alteration_of_the_derivatives_shows() {
    let changes: Vec<fn(&mut Value)> = vec![
        |registry| registry["entry_cache"]["2:3"]["author"] = json!("Somebody else"),
        |registry| registry["entry_cache"]["2:3"]["note"] = json!("hidden"),
        |registry| {
            registry["entry_cache"]
                .as_object_mut()
                .unwrap()
                .remove("4:1");
        },
        |registry| registry["parents"]["4:1"][0]["entry_index"] = json!(1),
        |registry| registry["parents"]["4:1"] = json!([]),
        |registry| {
            registry["parents"]["5:0"] =
                json!([{"block_index": 1, "entry_index": 0, "relationship": "amends"}])
        },
        |registry| registry["derivatives"]["1:0"][0]["derivative_type"] = json!("response"),
        |registry| registry["derivatives"]["1:0"][0]["registered_at"] = json!("a hiding place"),
        |registry| registry["derivatives"]["1:0"][0]["note"] = json!(1),
        |registry| registry["derivatives"]["1:0"] = json!("x"),
        |registry| registry["derivatives"]["a hiding place"] = json!([]),
        |registry| registry["notes"] = json!([]),
        |registry| *registry = json!({"derivatives": {}, "parents": {}, "entry_cache": {}}),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let (word, codes) = codes_after(|chain| change(&mut chain["derivative_registry"]));
        assert_eq!(word, Word::Suspect, "{index}");
        assert_eq!(codes[0], Code::RegistryMismatch, "{index}");
    }
    let (word, codes) = codes_after(|chain| {
        chain.as_object_mut().unwrap().remove("derivative_registry");
    });
    assert_eq!((word, codes[0]), (Word::Suspect, Code::RegistryMismatch));
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let chain: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    let part = |name: &str| format!("\"{name}\": {}", chain[name]);
    let text = format!(
        "{{{}, {}, {}, {}}}",
        part("entry_fingerprints"),
        part("derivative_registry"),
        part("pending_entries"),
        part("chain")
    );
    let verdict = verify(&mut text.as_bytes(), options()).unwrap().verdict;
    assert_eq!(verdict.verdict, Word::Intact, "{:?}", verdict.findings);
}

#[test]
fn fingerprints_of_no_entry_show_a_cut_tail() {
    let (word, codes) = codes_after(|chain| {
        chain["chain"].as_array_mut().unwrap().pop();
    });
    assert_eq!((word, codes[0]), (Word::Suspect, Code::FingerprintUnknown));
    for strange in [
        json!({"zz": 1.0}),
        json!({"00": 1.0}),
        json!([1]),
        json!({"a": {"b": 1}}),
    ] {
        let (word, codes) = codes_after(|chain| chain["entry_fingerprints"] = strange.clone());
        assert_eq!(
            (word, codes[0]),
            (Word::Suspect, Code::FingerprintUnknown),
            "{strange}"
        );
    }
}

/// A chain whose last block transfers a deed, with the registry the application writes then.
fn with_transfer() -> Value {
    let mut chain: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    let entry = &mut chain["chain"][6]["entries"][0];
    entry["metadata"] = json!({"asset_id": "deed-7 \"Café\"", "recipient": "Our bakery"});
    let author = entry["author"].clone();
    mine_from(&mut chain, 6);
    chain["entry_fingerprints"] = json!({});
    chain["asset_registry"] = json!({
        "ownership": {"deed-7 \"Café\"": "Our bakery"},
        "pending_transfers": {},
        "transfer_history": [{
            "asset_id": "deed-7 \"Café\"", "from": author, "to": "Our bakery",
            "timestamp": 1_764_009_992.25, "fingerprint": "00",
        }],
    });
    chain
}

#[test]
fn assets_that_entries_speak_of_are_mentioned() {
    let good = with_transfer();
    let (word, codes) = codes_after(|chain| *chain = good.clone());
    assert_eq!(word, Word::Intact);
    assert!(codes.contains(&Code::AssetsUnverified));
    // Waiting, and numbered instead of named.
    let (word, codes) = codes_after(|chain| {
        chain["pending_entries"][0]["metadata"] = json!({"asset_id": 7});
        let author = chain["pending_entries"][0]["author"].clone();
        chain["asset_registry"]["ownership"] = json!({"7": author});
        chain["asset_registry"]["pending_transfers"] = json!({
            "7": {"from": author, "to": "unknown", "timestamp": 1_764_009_992.25, "fingerprint": "00"},
        });
    });
    assert_eq!(word, Word::Intact, "{codes:?}");
    assert!(codes.contains(&Code::AssetsUnverified));
}

#[test]
fn every_alteration_of_the_assets_shows() {
    let changes: Vec<fn(&mut Value)> = vec![
        |registry| registry["ownership"]["deed-7 \"Café\""] = json!("Somebody else"),
        |registry| registry["ownership"]["deed-8"] = json!("Our bakery"),
        |registry| registry["ownership"]["a hiding place"] = json!([]),
        |registry| registry["ownership"]["a hiding place"] = json!({}),
        |registry| registry["ownership"]["a hiding place"] = json!({"b": "Our bakery"}),
        |registry| registry["ownership"] = json!(["a hiding place"]),
        |registry| registry["pending_transfers"]["a hiding place"] = json!({}),
        |registry| registry["pending_transfers"]["deed-7 \"Café\""] = json!("x"),
        |registry| registry["transfer_history"][0]["note"] = json!("x"),
        |registry| registry["transfer_history"][0]["to"] = json!("Somebody else"),
        |registry| registry["transfer_history"][0]["timestamp"] = json!("a hiding place"),
        |registry| registry["transfer_history"][0] = json!(["a hiding place"]),
        |registry| registry["transfer_history"][0] = json!("a hiding place"),
        |registry| registry["a hiding place"] = json!([]),
        |registry| *registry = json!("a hiding place"),
        |registry| *registry = json!(["a hiding place"]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut good = with_transfer();
        change(&mut good["asset_registry"]);
        let (word, codes) = codes_after(|chain| *chain = good);
        assert_eq!(word, Word::Suspect, "{index}");
        assert_eq!(codes[0], Code::RegistryMismatch, "{index}");
    }
}

#[test]
fn a_key_that_holds_nothing_still_hides_something() {
    let (word, codes) = codes_after(|chain| {
        chain["derivative_registry"]["parents"]["1:0"] = json!({"a hiding place": []});
    });
    assert_eq!((word, codes[0]), (Word::Suspect, Code::RegistryMismatch));
    let hash = "00".repeat(32);
    for strange in [
        json!({"a hiding place": []}),
        json!({hash.clone(): []}),
        json!({hash: {"a hiding place": {}}}),
    ] {
        let (word, codes) = codes_after(|chain| chain["entry_fingerprints"] = strange.clone());
        assert_eq!(
            (word, codes[0]),
            (Word::Suspect, Code::FingerprintUnknown),
            "{strange}"
        );
    }
}

#[test]
fn a_key_twice_in_a_record_shows() {
    let good = String::from_utf8(fixture("chain_50k.json")).unwrap();
    let at = good.find("\"entry_cache\"").unwrap();
    let at = at + good[at..].find("\"author\"").unwrap();
    let text = format!("{}\"\\u0061uthor\":\"evil\",{}", &good[..at], &good[at..]);
    let verdict = verify(&mut text.as_bytes(), options()).unwrap().verdict;
    assert_eq!(verdict.verdict, Word::Suspect, "{:?}", verdict.findings);
    assert_eq!(verdict.findings[0].code, Code::DuplicateKey);
}
