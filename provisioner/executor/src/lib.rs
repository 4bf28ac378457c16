//! Runs a plan: everything that was decided, nothing more.
//!
//! - [`provider`]: the trait every provider implements, and what passes through it.

pub mod provider;

pub use provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource};
