//! The environment: what should exist, where, from which backups, and how the result is checked.
//!
//! [`load`] reads `environments/NAME/environment.yaml` and the templates it names, once; everything after that works on what was read,
//! so that the digests in [`Environment::inputs`] are of the very bytes that were used. Faults carry file, line and column, several at
//! once; their advice is apart from their text ([`Error::hint`]).

mod desired;
mod error;
mod load;
mod places;
pub mod schema;
mod semantics;
mod yaml;

pub use desired::{DesiredError, OldSecret, resources};
pub use error::{Error, Errors, Fault};
pub use load::{Environment, load};
pub use places::{
    Aws, Cluster, Control, EvidencePlace, ResolveError, Resolved, SandboxEndpoints, VaultPlace,
};
pub use schema::{Approvals, Containment, Document, EvidenceLock};
