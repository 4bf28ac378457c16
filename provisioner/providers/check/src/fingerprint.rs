//! Telling secret values apart without showing them.

use std::fmt::Write;

use executor::provider::{Error, ErrorKind};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

/// Bytes of a fingerprint that are kept: enough that two values of one run never share one by chance.
const KEPT: usize = 8;

/// Fingerprints under a key that is drawn at the start and ends with the process: nobody can try values against a report.
pub(crate) struct Fingerprints(SecretBox<[u8; 32]>);

impl Fingerprints {
    /// Draws the key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut key = Box::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                "draw a key for fingerprints",
                error.to_string(),
            )
        })?;
        Ok(Self(SecretBox::new(key)))
    }

    /// The fingerprint of a value, lower-case hex.
    pub(crate) fn of(&self, value: &SecretString) -> String {
        // HMAC takes keys of any length, so there is no error to pass on.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else {
            return String::new();
        };
        mac.update(value.expose_secret().as_bytes());
        let digest = mac.finalize().into_bytes();
        digest
            .iter()
            .take(KEPT)
            .fold(String::new(), |mut text, byte| {
                // Writing to a String can't fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_values_apart_within_one_run_only() {
        let (one, other) = (Fingerprints::new().unwrap(), Fingerprints::new().unwrap());
        let (a, b) = (SecretString::from("a"), SecretString::from("b"));
        assert_eq!(one.of(&a), one.of(&a));
        assert_ne!(one.of(&a), one.of(&b));
        assert_ne!(one.of(&a), other.of(&a));
        assert_eq!(one.of(&a).len(), 2 * KEPT);
    }
}
