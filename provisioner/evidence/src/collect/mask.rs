//! What takes the place of a secret value.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Hex digits of a fingerprint: 96 bits tell all values of one bundle apart.
const DIGITS: usize = 24;

/// Why no values can be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct MaskError(getrandom::Error);

/// Replaces values by fingerprints under a key that dies with this value.
///
/// Within one bundle the same value has the same fingerprint, so that a password used twice is seen. Since nobody has the key afterwards,
/// values can't be guessed from fingerprints.
pub struct Mask(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

impl Mask {
    /// A mask with a key of its own.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> Result<Self, MaskError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(MaskError)?;
        Ok(Self(key))
    }

    /// `hmac-sha256:` and 24 hex digits.
    #[must_use]
    pub fn of(&self, value: &[u8]) -> String {
        // HMAC takes keys of any length (RFC 2104), so the alternative never happens; it would tell nothing.
        let digits = Hmac::<Sha256>::new_from_slice(self.0.as_ref()).map_or_else(
            |_| String::new(),
            |mut mac| {
                mac.update(value);
                hex::encode(mac.finalize().into_bytes())
            },
        );
        format!(
            "hmac-sha256:{}",
            digits.chars().take(DIGITS).collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_look_alike_under_one_key_only() {
        let (one, two) = (Mask::new().unwrap(), Mask::new().unwrap());
        assert_eq!(one.of(b"s3cret"), one.of(b"s3cret"));
        assert_ne!(one.of(b"s3cret"), one.of(b"other"));
        assert_ne!(one.of(b"s3cret"), two.of(b"s3cret"));
        assert_eq!(one.of(b"").len(), "hmac-sha256:".len() + DIGITS);
    }
}
