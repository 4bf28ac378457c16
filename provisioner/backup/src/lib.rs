//! Streaming verification of backups.
//!
//! After a breach the backup is the one thing carried over, so it must be trusted more than anything else. This crate
//! reads a stored object once, in constant memory however large or hostile it is, and concludes *intact*, *suspect* or
//! *rejected* with typed findings that say why. It knows nothing of clouds: bytes come in through [`std::io::Read`] or
//! are pushed, so that any source can feed it. Time, keys and what other witnesses know are inputs.
//!
//! - [`verify`], [`Verifier`] and [`Tee`] check an object.
//! - [`Plaintext`], [`Encrypted`] and their push-style cores read and write the application's encryption.
//! - Seeding is `Encrypted(Plaintext(Tee(source)))`: verified, decrypted and encrypted with a fresh key in one pass.
//! - [`metadata`] cross-checks the file beside a backup, [`catalogue`] names and selects backups.
//! - [`identities`] says who and what the data lets in, and what of it an older backup did not have.
//! - [`lineage`] compares the chains of many backups, which alone can show that the end of a chain was mined again.
//!
//! ```
//! let chain = r#"{"chain": []}"#;
//! let verified = backup::verify(&mut chain.as_bytes(), backup::Options::at(1_800_000_000))?;
//! assert_eq!(verified.verdict.verdict, backup::Word::Rejected);
//! assert_eq!(verified.verdict.findings[0].code, backup::Code::ChainEmpty);
//! # Ok::<(), backup::Error>(())
//! ```

pub mod catalogue;
mod code;
mod content;
mod crypt;
mod error;
mod finding;
mod formats;
mod gunzip;
pub mod identities;
mod limits;
pub mod lineage;
pub mod metadata;
mod options;
mod sink;
mod unwrap;
mod verdict;
mod verify;
mod witness;

pub use code::Code;
pub use crypt::{
    DecryptError, Decryptor, EncryptError, Encrypted, Encryptor, MARK as ENCRYPTION_MARK, Plaintext,
};
pub use error::Error;
pub use finding::{Finding, Severity};
pub use formats::Application;
pub use limits::Limits;
pub use options::{Options, Pin};
pub use verdict::{Signatures, Verdict, Word, Wrapping};
pub use verify::{Tee, Verified, Verifier, verify};
pub use witness::{BlockHash, Samples, Witness};
