//! The documentation of findings and the schema of verdicts are made from the code, so that they stay true.
//!
//! With `UPDATE_DOCS=1` the files are written instead of compared.

use std::fmt::Write as _;
use std::path::PathBuf;

use backup::{Code, Verdict};

const INTRODUCTION: &str = "\
# Findings about backups

`rebuild` reads a backup once and concludes *intact*, *suspect* or *rejected*. The heaviest finding decides:

| severity | verdict | meaning |
|---|---|---|
| error | rejected (exit 4) | malformed, damaged, altered, another key, or beyond the limits; it must not be used |
| warning | suspect (exit 3) | the hashes hold, but something can hide there |
| note | intact (exit 0) | worth knowing |

A finding's `offset` counts bytes of the stored object for gzip, encryption and metadata, and bytes of the decoded text
for everything else; `block` is the position in the chain, from 0. Of each code only the first few findings are listed;
`omitted` counts the others. When the tag of an encrypted backup does not match, nothing that was decrypted is reported,
because nobody vouches for it.

This table is made from the code; `UPDATE_DOCS=1 cargo test -p backup --test documentation` writes it.

| code | severity | meaning | what to do |
|---|---|---|---|
";

fn document(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    std::fs::read_to_string(&path).unwrap_or_default()
}

#[test]
fn the_table_of_findings_is_true() {
    let mut text = INTRODUCTION.to_owned();
    for code in Code::ALL {
        writeln!(
            text,
            "| `{code}` | {} | {} | {} |",
            code.severity().as_str(),
            code.meaning(),
            code.hint()
        )
        .unwrap();
    }
    assert!(
        document("backup-findings.md", &text) == text,
        "docs/backup-findings.md is not what the code says; run with UPDATE_DOCS=1"
    );
}

#[test]
fn the_schema_of_verdicts_is_true() {
    let schema = schemars::schema_for!(Verdict);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    // Features of other crates decide about the order of members, which means nothing.
    let there: serde_json::Value =
        serde_json::from_str(&document("backup-verdict.schema.json", &text)).unwrap_or_default();
    assert!(
        there == serde_json::to_value(&schema).unwrap(),
        "docs/backup-verdict.schema.json is not what the code says; run with UPDATE_DOCS=1"
    );
}

#[test]
fn codes_are_named_after_their_variants() {
    for code in Code::ALL {
        let mut kebab = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_ascii_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(letter.to_ascii_lowercase());
        }
        assert_eq!(code.as_str(), kebab);
        assert_eq!(serde_json::to_value(code).unwrap(), kebab);
    }
}
