//! AES-256-GCM over a stream of any length, in constant memory.
//!
//! The one-shot interface of `aes-gcm` needs the whole text at once; this is the same construction (NIST SP 800-38D,
//! 96-bit nonce, no additional data) from the same crates' parts, fed piece by piece. Text that was decrypted is not to
//! be trusted before the tag has been compared.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _};
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use zeroize::Zeroizing;

/// Bytes of key, nonce and tag.
pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;

/// The most GCM may encrypt under one nonce before its counter wraps (SP 800-38D, 5.2.1.1).
const MOST_BYTES: u64 = (1 << 36) - 32;

type Ctr = ctr::Ctr32BE<Aes256>;

/// One direction of one message.
pub(super) struct Gcm {
    ctr: Ctr,
    ghash: GHash,
    mask: [u8; TAG_BYTES],
    /// Ciphertext that does not fill a block yet.
    partial: [u8; 16],
    partial_len: usize,
    length: u64,
}

impl Gcm {
    pub(super) fn new(key: &Zeroizing<[u8; KEY_BYTES]>, nonce: &[u8; NONCE_BYTES]) -> Self {
        let cipher = Aes256::new((&**key).into());
        let mut subkey = ghash::Key::default();
        cipher.encrypt_block(&mut subkey);
        let mut counter = [0_u8; 16];
        counter[..NONCE_BYTES].copy_from_slice(nonce);
        counter[15] = 1;
        let mut ctr = Ctr::new((&**key).into(), (&counter).into());
        let mut mask = [0_u8; TAG_BYTES];
        ctr.apply_keystream(&mut mask);
        Self {
            ctr,
            ghash: GHash::new(&subkey),
            mask,
            partial: [0; 16],
            partial_len: 0,
            length: 0,
        }
    }

    /// False when the message has become longer than the mode allows.
    #[must_use]
    pub(super) fn encrypt(&mut self, data: &mut [u8]) -> bool {
        if !self.grow(data.len()) {
            return false;
        }
        self.ctr.apply_keystream(data);
        self.authenticate(data);
        true
    }

    /// False when the message has become longer than the mode allows.
    #[must_use]
    pub(super) fn decrypt(&mut self, data: &mut [u8]) -> bool {
        if !self.grow(data.len()) {
            return false;
        }
        self.authenticate(data);
        self.ctr.apply_keystream(data);
        true
    }

    fn grow(&mut self, more: usize) -> bool {
        self.length += more as u64;
        self.length <= MOST_BYTES
    }

    fn authenticate(&mut self, mut ciphertext: &[u8]) {
        if self.partial_len > 0 {
            let take = ciphertext.len().min(16 - self.partial_len);
            self.partial[self.partial_len..self.partial_len + take]
                .copy_from_slice(&ciphertext[..take]);
            self.partial_len += take;
            ciphertext = &ciphertext[take..];
            if self.partial_len < 16 {
                return;
            }
            self.ghash.update(&[self.partial.into()]);
            self.partial_len = 0;
        }
        let whole = ciphertext.len() / 16 * 16;
        self.ghash.update_padded(&ciphertext[..whole]);
        let rest = &ciphertext[whole..];
        self.partial[..rest.len()].copy_from_slice(rest);
        self.partial_len = rest.len();
    }

    /// The tag of everything so far.
    pub(super) fn tag(mut self) -> [u8; TAG_BYTES] {
        self.ghash.update_padded(&self.partial[..self.partial_len]);
        let mut lengths = [0_u8; 16];
        lengths[8..].copy_from_slice(&(self.length * 8).to_be_bytes());
        self.ghash.update(&[lengths.into()]);
        let mut tag: [u8; TAG_BYTES] = self.ghash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
        tag
    }
}

/// Compares in time that does not depend on where the tags differ.
pub(super) fn equal(left: &[u8; TAG_BYTES], right: &[u8; TAG_BYTES]) -> bool {
    let difference = left
        .iter()
        .zip(right)
        .fold(0_u8, |all, (left, right)| all | (left ^ right));
    std::hint::black_box(difference) == 0
}
