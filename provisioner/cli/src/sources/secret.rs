//! Secrets that are given to us: read at use, dropped after.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use environment::schema::Held;
use secrecy::{ExposeSecret, SecretString};

use crate::failure::Failure;

/// Longer than any passphrase.
const LONGEST: u64 = 64 << 10;

/// A secret in a variable or a file, without its last line break.
pub fn held(held: &Held) -> Result<SecretString, Failure> {
    match held {
        Held::Env(name) => variable(name),
        Held::File(path) => file(path),
    }
}

/// A secret in an environment variable.
pub fn variable(name: &str) -> Result<SecretString, Failure> {
    let text = std::env::var(name).map_err(|error| {
        Failure::of(
            format!("the environment variable `{name}` can't be read"),
            &error,
        )
        .hint(format!("set {name} for this command"))
    })?;
    Ok(trimmed(&SecretString::from(text)))
}

/// A secret in a file.
pub fn file(path: &Path) -> Result<SecretString, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|open| open.take(LONGEST).read_to_string(&mut text))
        .map_err(|error| {
            Failure::of(
                format!("the key file `{}` can't be read", path.display()),
                &error,
            )
        })?;
    Ok(trimmed(&SecretString::from(text)))
}

fn trimmed(text: &SecretString) -> SecretString {
    SecretString::from(text.expose_secret().trim_end_matches(['\n', '\r']))
}
