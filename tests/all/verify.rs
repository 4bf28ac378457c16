//! `rebuild backups verify` on the first user's files.

use crate::command::{fixture, rebuild};

fn verify(file: &str, more: &[&str]) -> String {
    let path = fixture(file);
    let path = path.to_str().expect("a UTF-8 path");
    rebuild(&[&["backups", "verify", path], more].concat())
}

#[test]
fn intact() {
    insta::assert_snapshot!(verify(
        "backups/chain_50k/natlangchain_20261123_032959_daily.json.gz",
        &[]
    ));
}

#[test]
fn as_json() {
    insta::assert_snapshot!(verify(
        "backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz",
        &["--format", "json"]
    ));
}

#[test]
fn suspect() {
    insta::assert_snapshot!(verify("cases/extra_block_field.json", &[]));
}

#[test]
fn rejected() {
    insta::assert_snapshot!(verify("cases/content_remine_one.json", &[]));
}

#[test]
fn a_witness_rejects_a_remined_suffix() {
    let head = "0b1f735c6d02021d012170d20390af4210b47dc5faa1da54579e8233f064476b";
    insta::assert_snapshot!(verify(
        "cases/content_remine_suffix.json",
        &["--head", head]
    ));
}

#[test]
fn no_such_file() {
    insta::assert_snapshot!(rebuild(&["backups", "verify", "nowhere.json.gz"]));
}

#[test]
fn an_encrypted_backup_needs_its_key() {
    let shown = verify("formats/chain_50k.encgz", &[]);
    insta::with_settings!({filters => vec![(r"`[^`]*/tests/fixtures", "`FIXTURES")]}, {
        insta::assert_snapshot!(shown);
    });
}
