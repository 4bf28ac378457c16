//! Runs a plan: everything that was decided, nothing more.
//!
//! - [`provider`]: the trait every provider implements, and what passes through it.
//! - [`journal`]: what a run wrote down.
//! - [`lock`]: one run per environment at a time.

pub mod journal;
pub mod lock;
pub mod provider;

pub use journal::{Entry, Journal, JournalError, Record};
pub use lock::{Fence, Lease, LocalLock, LockError, LockRecord, Owner, RemoteLock, Renewal, Unfenced};
pub use provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource};
