//! Shared by the tests: the first user's files and how they are checked.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod generator;

use std::path::PathBuf;

use backup::Options;
use secrecy::SecretString;

/// 2026-11-23 12:00 UTC, after the newest of the files was written.
pub const NOW: i64 = 1_795_435_200;

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
