//! Runs a plan: everything that was decided, nothing more.
//!
//! - [`provider`]: the trait every provider implements, and what passes through it. [`memory`] is a working one without a cloud.
//! - [`journal`], [`state`], [`runs`]: what a run wrote down, what follows from it, and where it is kept.
//! - [`scheduler`]: runs the steps, within [`budget`]s, with retries, until done, failed or told to [`stop`].
//! - [`event`]: what is told while it runs. [`lock`]: one run per environment at a time.

mod attempt;
pub mod budget;
pub mod event;
mod graph;
pub mod journal;
pub mod lock;
pub mod memory;
pub mod provider;
pub mod runs;
pub mod scheduler;
pub mod state;
pub mod stop;

pub use event::{Event, Events};
pub use journal::{Entry, Journal, JournalError, Record};
pub use lock::{
    Fence, Lease, LocalLock, LockError, LockRecord, Owner, RemoteLock, Renewal, Unfenced,
};
pub use provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource};
pub use runs::{Run, Runs};
pub use scheduler::{End, Failure, Options, Outcome, Providers, RunError, Runner};
pub use state::{RunState, Status, StepState, fold};
pub use stop::{Level, Stop};
