//! Registries no hash covers are compared with the chain.

mod support;

use backup::{Code, Word, verify};
use serde_json::{Value, json};
use support::{fixture, options};

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

#[test]
fn assets_are_mentioned() {
    let (word, codes) =
        codes_after(|chain| chain["asset_registry"]["ownership"]["deed-7"] = json!("Our bakery"));
    assert_eq!(word, Word::Intact);
    assert!(codes.contains(&Code::AssetsUnverified));
}
