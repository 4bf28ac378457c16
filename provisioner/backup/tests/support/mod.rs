//! Shared by the tests: the first user's files and how they are checked.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod generator;

use std::path::PathBuf;

use backup::{Code, Options, Verdict, verify};
use secrecy::SecretString;
use serde_json::{Value, json};

/// 2026-11-23 12:00 UTC, after the newest of the files was written.
pub const NOW: i64 = 1_795_435_200;

/// The codes of all findings, in order.
pub fn codes(verdict: &Verdict) -> Vec<Code> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.code)
        .collect()
}

/// The passphrase of the encrypted files.
pub fn passphrase() -> SecretString {
    SecretString::from("correct-horse-battery-staple-2026")
}

/// Options that can read every file.
pub fn options() -> Options {
    Options::at(NOW).with_passphrase(passphrase())
}

/// The path of one of the files.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/natlangchain")
        .join(name)
}

/// The bytes of one of the files.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Mines the blocks from `height` on again, as an intruder would: right links, right hashes, proof of work. The checker
/// itself says what hash a head that carries none has.
pub fn mine_from(file: &mut Value, height: usize) {
    let blocks = file["chain"].as_array().unwrap().clone();
    let mut mined = blocks[..height].to_vec();
    for mut block in blocks.into_iter().skip(height) {
        block["previous_hash"] = mined
            .last()
            .map_or_else(|| json!("0"), |last: &Value| last["hash"].clone());
        let fields = block.as_object_mut().unwrap();
        fields.remove("hash");
        for nonce in 0.. {
            block["nonce"] = json!(nonce);
            mined.push(block.clone());
            let text = json!({"chain": mined}).to_string();
            let head = verify(&mut text.as_bytes(), options())
                .unwrap()
                .verdict
                .head
                .unwrap();
            mined.pop();
            if mined.is_empty() || head.starts_with('0') {
                block["hash"] = json!(head);
                break;
            }
        }
        mined.push(block);
    }
    file["chain"] = json!(mined);
}
