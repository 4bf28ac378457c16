//! Approval of a plan by k of n named people, signed and checked offline.
//!
//! An approver signs a [`Statement`]: the hash of one plan, for one environment, generation and scenario, for a limited time.
//! The signature is an SSHSIG (OpenSSH `PROTOCOL.sshsig`) in the namespace [`NAMESPACE`], so an approver needs neither this tool nor a
//! key in a file: [`Statement::bytes`] are what `ssh-keygen -Y sign -n rebuild-approval` signs, with a hardware key too, and
//! [`Approval::attach`] makes an approval of the result. `jq -cS .statement` gets the same bytes out of an approval again.
//!
//! - [`Policy`]: who may approve, with which keys, how many are needed, for how long an approval holds.
//! - [`sign`]: with a key that is in a file. [`PrivateKey`] reads it.
//! - [`verify`]: holds approvals against a policy and the [`Subject`] that is about to be applied.
//! - [`detached`]: the same signatures over any bytes, in any other namespace.
//! - [`BreakGlass`]: the value that says that someone went without approvals. [`verify`] knows nothing of it.
//!
//! No clock, no files, no network: the time and the bytes are arguments.

mod approval;
mod break_glass;
pub mod detached;
mod key;
mod policy;
mod statement;
mod verify;

pub use approval::{Approval, LARGEST, SignError, Unreadable, schema, sign};
pub use break_glass::{Authority, BreakGlass, BreakGlassError};
pub use key::{
    Fingerprint, FingerprintError, KeyError, PrivateKey, PublicKeyError, fingerprint_of,
};
pub use policy::{Approver, Policy, PolicyError};
pub use statement::{FORMAT, NAMESPACE, Statement, StatementError, Subject};
pub use verify::{Accepted, MOST, Outcome, Refusal, Refused, SKEW, Submitted, verify};
