//! `ENC:1`, the application's encryption at rest: `ENC:1:` and base64 of salt, nonce, ciphertext and tag.

mod base64_stream;
mod decrypt;
mod encrypt;
mod gcm;
#[cfg(test)]
mod tests;

pub use decrypt::{DecryptError, Decryptor, Plaintext};
pub use encrypt::{EncryptError, Encrypted, Encryptor};

use pbkdf2::pbkdf2_hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What an encrypted object begins with.
pub const MARK: &[u8] = b"ENC:1:";
/// What any version of the format begins with.
pub(crate) const ANY_MARK: &[u8] = b"ENC:";

const SALT_BYTES: usize = 16;
/// Salt and nonce stand before the ciphertext.
const HEADER_BYTES: usize = SALT_BYTES + gcm::NONCE_BYTES;
/// Iterations of PBKDF2-HMAC-SHA256 in version 1 of the format. Fuzzing would do nothing but count them.
const ITERATIONS: u32 = if cfg!(fuzzing) { 1 } else { 1_000_000 };

/// The key of one message. Takes some tenths of a second by design.
fn derive(passphrase: &SecretString, salt: &[u8; SALT_BYTES]) -> Zeroizing<[u8; gcm::KEY_BYTES]> {
    let mut key = Zeroizing::new([0_u8; gcm::KEY_BYTES]);
    pbkdf2_hmac::<Sha256>(
        passphrase.expose_secret().as_bytes(),
        salt,
        ITERATIONS,
        &mut *key,
    );
    key
}
