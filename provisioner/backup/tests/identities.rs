//! What is found in the first user's files, and that what an intruder plants there stands out.

mod support;

use backup::identities::{Identities, Kind, MOST, new_since};
use backup::{Options, Verified, Verifier, Word, verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{fixture, mine_from, options};

fn asking() -> Options {
    Options {
        identities: Some(MOST),
        ..options()
    }
}

fn read(bytes: &[u8], options: Options) -> Verified {
    verify(&mut &bytes[..], options).unwrap()
}

fn identities(bytes: &[u8]) -> Identities {
    read(bytes, asking()).identities.unwrap()
}

fn named(identities: &Identities, kind: Kind) -> Vec<&str> {
    identities
        .found
        .iter()
        .filter(|identity| identity.kind == kind)
        .map(|identity| identity.name.as_str())
        .collect()
}

/// The smaller chain with something done to it, mined again from there on.
fn changed(height: usize, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut file: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    change(&mut file);
    mine_from(&mut file, height);
    file.to_string().into_bytes()
}

#[test]
fn authors_and_their_keys_are_found() {
    let found = identities(&fixture("chain_50k.json"));
    assert!(!found.truncated);
    let file: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    let mut authors: Vec<&str> = Vec::new();
    let mined = file["chain"].as_array().unwrap().iter();
    let entries = mined.flat_map(|block| block["entries"].as_array().unwrap());
    for entry in entries.chain(file["pending_entries"].as_array().unwrap()) {
        let author = entry["author"].as_str().unwrap();
        if !authors.contains(&author) {
            authors.push(author);
        }
    }
    let found_authors = named(&found, Kind::Author);
    assert_eq!(found_authors.len(), authors.len());
    for (shown, author) in found_authors.iter().zip(&authors) {
        let usual = author
            .chars()
            .all(|letter| letter.is_alphanumeric() || " &.,'-".contains(letter));
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert!(shown == author || !usual, "{shown} for {author}");
    }
    let signers = named(&found, Kind::Signer);
    assert_eq!(signers, ["A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="]);
    let first = &found.found[0];
    assert_eq!(first.name, "system");
    assert_eq!(
        (first.first_block, first.first_time),
        (Some(0), Some(1_764_000_000))
    );
}

#[test]
fn they_are_collected_only_when_asked_for_and_change_no_verdict() {
    for name in [
        "chain_50k.json",
        "formats/chain_50k.encgz",
        "cases/extra_block_field.json",
    ] {
        let plain = read(&fixture(name), options());
        let asked = read(&fixture(name), asking());
        assert_eq!(plain.identities, None);
        assert!(asked.identities.is_some());
        assert_eq!(plain.verdict, asked.verdict);
        assert_eq!(plain.samples, asked.samples);
    }
}

#[test]
fn the_wrapping_makes_no_difference_and_a_broken_tag_vouches_for_nothing() {
    let plain = identities(&fixture("formats/chain_50k.plain"));
    for name in ["gzip", "enc", "encgz"] {
        let other = identities(&fixture(&format!("formats/chain_50k.{name}")));
        assert_eq!(plain, other);
    }
    let flipped = read(&fixture("cases/enc_flip.txt"), asking());
    assert_eq!(flipped.verdict.verdict, Word::Rejected);
    assert_eq!(flipped.identities, None);
}

#[test]
fn what_an_intruder_plants_stands_out() {
    let known = identities(&fixture("chain_50k.json"));
    let last = 6;
    let secret = "sk-live-0123456789abcdef";
    let planted = changed(last, |file| {
        let entry = &mut file["chain"][last]["entries"][0];
        entry["metadata"]["agent"] = json!({"id": "helper", "api_key": secret});
        entry["metadata"]["webhook_url"] = json!("https://evil.example/collect?k=sk-live");
        file["pending_entries"][0]["author"] = json!("Mallory");
    });
    let verified = read(&planted, asking());
    assert_ne!(
        verified.verdict.verdict,
        Word::Rejected,
        "{:?}",
        verified.verdict
    );
    let found = verified.identities.unwrap();
    let new = new_since(&known, &found);
    let shown: Vec<String> = new.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 4, "{shown:#?}");
    assert!(
        shown[0].starts_with("credential api-key sha256:"),
        "{shown:#?}"
    );
    assert_eq!(shown[1], "party agent=helper");
    assert!(shown[2].starts_with("webhook https://evil.example sha256:"));
    assert_eq!(shown[3], "author Mallory");
    assert!(
        !format!("{found:?}").contains("sk-live"),
        "no secret is shown"
    );
    assert_eq!(new[0].first_block, Some(last as u64));
    assert!(new[0].first_time.is_some());
    assert_eq!(new[3].first_block, None, "it is not mined yet");
    assert!(
        new_since(&found, &known).len() <= 1,
        "one author was replaced at most"
    );
}

#[test]
fn a_known_author_with_another_key_is_new() {
    let known = identities(&fixture("chain_50k.json"));
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for field in ["metadata", "beside it"] {
        let mut file: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
        let entry = &mut file["pending_entries"][0];
        match field {
            "metadata" => entry["metadata"]["public_key"] = json!(other),
            _ => entry["public_key"] = json!(other),
        }
        let new = new_since(&known, &identities(file.to_string().as_bytes()));
        let shown: Vec<String> = new.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [format!("signer {other}")], "{field}");
    }
}

#[test]
fn holders_of_assets_are_found_in_the_registry() {
    let mut file: Value = serde_json::from_slice(&fixture("chain_50k.json")).unwrap();
    file["asset_registry"]["ownership"] = json!({"well": "Holder"});
    file["asset_registry"]["pending_transfers"] =
        json!({"well": {"fingerprint": "ab", "from": "Holder", "timestamp": 1.5, "to": "Taker"}});
    let found = identities(file.to_string().as_bytes());
    let recipients = named(&found, Kind::Recipient);
    assert!(
        recipients.contains(&"Holder") && recipients.contains(&"Taker"),
        "{recipients:?}"
    );
}

#[test]
fn more_than_are_kept_is_said() {
    let bytes = fixture("chain_50k.json");
    let whole = identities(&bytes);
    let some = read(
        &bytes,
        Options {
            identities: Some(3),
            ..options()
        },
    );
    let some = some.identities.unwrap();
    assert!(some.truncated);
    assert_eq!(some.found[..], whole.found[..3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_and_threads_make_no_difference(cut in 1_usize..9_000, threaded: bool) {
        let bytes = fixture("chain_50k.json");
        let mut verifier = Verifier::new(Options { threaded, ..asking() });
        for piece in bytes.chunks(cut) {
            verifier.push(piece);
        }
        let found = verifier.finish().unwrap().identities.unwrap();
        prop_assert_eq!(found, identities(&bytes));
    }

    #[test]
    fn any_new_author_stands_out(name in "\\PC{1,40}") {
        let bytes = fixture("chain_50k.json");
        let mut file: Value = serde_json::from_slice(&bytes).unwrap();
        let known = identities(&bytes);
        file["pending_entries"][0]["author"] = json!(name);
        let before: Value = serde_json::from_slice(&bytes).unwrap();
        let there = before.to_string().contains(&json!({"author": name}).to_string()[1..]);
        let new = new_since(&known, &identities(file.to_string().as_bytes()));
        prop_assert_eq!(new.len(), usize::from(!there));
    }
}
