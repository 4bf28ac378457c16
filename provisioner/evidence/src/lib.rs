//! Signed bundles of what was collected about an environment, or of what a run left: written once, verified offline.
//!
//! A bundle is a folder, or the same names in an object store:
//!
//! | name | what |
//! |---|---|
//! | `manifest.json` | a [`Manifest`]: canonical JSON and a line feed; what was read where and when, with SHA-256 and size, in order |
//! | `manifest.sig` | the SSHSIG over the manifest's bytes in the namespace [`NAMESPACE`] |
//! | everything else | the entries, under their names |
//!
//! The signature is an SSHSIG (OpenSSH `PROTOCOL.sshsig`) rather than a bare Ed25519 one, because its namespace keeps a key from being used
//! for something else, because it names the key, and because anyone can check it with OpenSSH alone:
//! `ssh-keygen -Y verify -f SIGNERS -I WHO -n rebuild-evidence -s manifest.sig < manifest.json`. There is no public key in the bundle: one
//! that came with it would prove nothing.
//!
//! - [`Writer`] makes a bundle. [`upload_order`] lists its files for a copy elsewhere.
//! - [`verify`] checks one, over a [`Bundle`]; [`Folder`] is the one on disk.
//! - [`collect`]: what is asked of a place that evidence comes from, and asking all of them at once into one bundle.
//! - [`key`]: making and keeping the key that signs.

mod bundle;
pub mod collect;
pub mod key;
mod manifest;
mod name;
mod problem;
#[cfg(feature = "testing")]
pub mod testing;
mod verify;
mod writer;

pub use bundle::{Bundle, Folder, Kind, Listed};
pub use manifest::{Entry, FORMAT, Header, LARGEST_MANIFEST, Manifest, Purpose, Source, schema};
pub use name::NameError;
pub use problem::Problem;
pub use verify::{Verified, verify};
pub use writer::{LARGEST_ENTRY, Sealed, WriteError, Writer, upload_order};

/// The namespace of the signatures.
pub const NAMESPACE: &str = "rebuild-evidence";

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The signature's name.
pub const SIGNATURE: &str = "manifest.sig";
