//! `rebuild backups identities` on the first user's files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{copy_of_project, fixture, rebuild};

const KNOWN: &str = "backups/chain_50k/natlangchain_20261123_032959_daily.json.gz";
const SECRET: &str = "sk-live-4f1a0c9d";

fn path(file: &str) -> String {
    fixture(file).to_str().expect("a UTF-8 path").to_owned()
}

/// What is told, without the places of files.
fn identities(arguments: &[&str]) -> String {
    rebuild(&[&["backups", "identities"], arguments].concat()).replace(&path(""), "FIXTURES/")
}

/// The chain with an entry, not mined yet, whose author and credentials an intruder added.
fn planted(folder: &Path) -> String {
    let text = fs::read_to_string(fixture("chain_50k.json")).expect("the chain");
    let (chain, rest) = text
        .split_once("\"pending_entries\":[")
        .expect("pending entries");
    let entry = format!(
        r#"{{"content":"c","author":"mallory\u001b[2J","intent":"i","metadata":{{"agent":{{"id":"helper","api_key":"{SECRET}"}},"webhook":"https://u:{SECRET}@evil.example/x"}},"timestamp":"2025-11-24T16:00:00","validation_status":"pending","validation_paraphrases":[]}},"#
    );
    let file = folder.join("planted.json");
    fs::write(&file, format!("{chain}\"pending_entries\":[{entry}{rest}")).expect("a file");
    file.to_str().expect("a UTF-8 path").to_owned()
}

#[test]
fn all_of_them() {
    insta::assert_snapshot!(identities(&[&path(KNOWN)]));
}

#[test]
fn nobody_new() {
    let said = identities(&[&path("formats/chain_50k.plain"), "--since", &path(KNOWN)]);
    insta::assert_snapshot!(said);
}

#[test]
fn what_was_planted_is_new_until_it_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = planted(folder.path());
    let shown = |said: String| said.replace(&file, "PLANTED");
    let said = identities(&[&file, "--since", &path(KNOWN)]);
    assert!(!said.contains(SECRET), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    insta::assert_snapshot!("planted", shown(said));

    let json = identities(&[
        &file,
        "--since",
        &path(KNOWN),
        "--format",
        "json",
        "--quiet",
    ]);
    assert!(
        json.starts_with("exit: 3\n") && !json.contains(SECRET),
        "{json}"
    );
    let line = json
        .lines()
        .find(|line| line.starts_with('{'))
        .expect("JSON");
    let answer: Value = serde_json::from_str(line).expect("JSON");
    let found = answer["identities"].as_array().expect("identities");

    // The environment's backups are encrypted; this one is not, so any key will do.
    let key = path("cases.jsonl");
    let project = folder.path().join("project");
    fs::create_dir(&project).expect("a folder");
    copy_of_project(&project);
    let environment = project.join("environments/production/environment.yaml");
    let usual = fs::read_to_string(&environment).expect("the environment");
    let accept = |identities: &[Value], reason: &str| {
        let list: Vec<Value> = identities
            .iter()
            .map(|one| serde_json::json!({"kind": one["kind"], "name": one["name"], "reason": reason}))
            .collect();
        let section = serde_json::json!({ "accepted_identities": list });
        fs::write(&environment, format!("{usual}\nbreach: {section}\n")).expect("the environment");
        let project = project.to_str().expect("a UTF-8 path");
        identities_of(&[
            &file,
            "--since",
            &path(KNOWN),
            "--env",
            "production",
            "--key-file",
            &key,
            "--project",
            project,
        ])
    };
    let all_but_one = accept(&found[1..], "ours");
    assert!(all_but_one.starts_with("exit: 3\n"), "{all_but_one}");
    let all = accept(found, "ours since Monday");
    assert!(all.starts_with("exit: 0\n"), "{all}");
    assert!(all.contains("(accepted: ours since Monday)"), "{all}");
    let without_reason = accept(found, " ");
    assert!(
        without_reason.starts_with("exit: 1\n") && without_reason.contains("nothing says why"),
        "{without_reason}"
    );
}

fn identities_of(arguments: &[&str]) -> String {
    rebuild(&[&["backups", "identities"], arguments].concat())
}

#[test]
fn an_encrypted_one_needs_its_key_and_a_rejected_one_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "correct-horse-battery-staple-2026\n").expect("a file");
    let key = key.to_str().expect("a UTF-8 path");
    let encrypted = path("formats/chain_50k.encgz");
    let said = identities(&[&encrypted, "--key-file", key, "--since", &path(KNOWN)]);
    assert!(said.starts_with("exit: 0\n"), "{said}");
    let said = identities(&[&encrypted]);
    assert!(
        said.starts_with("exit: 1\n") && said.contains("--key-file"),
        "{said}"
    );
    insta::assert_snapshot!(
        "rejected",
        identities(&[&path("cases/content_remine_one.json")])
    );
    let suspect = path("cases/extra_block_field.json");
    let said = identities(&[&path(KNOWN), "--since", &suspect]);
    assert!(
        said.starts_with("exit: 3\n") && said.contains("is not known good"),
        "{said}"
    );
}
