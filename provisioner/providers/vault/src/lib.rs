//! Fresh secrets in Vault KV v2.
//!
//! A secret is generated here, written once with check-and-set and never read back by the provider itself: what it is known by later
//! (owner, digest of its declaration, public key) stands in the path's `custom_metadata`, which needs no right to read values.

mod client;
pub mod contain;
pub mod evidence;
mod generate;
mod metadata;
mod provider;

pub use client::{Settings, SettingsError};
pub use generate::{Entropy, GenerateError, Generated, SystemEntropy, generate};
pub use provider::Vault;
