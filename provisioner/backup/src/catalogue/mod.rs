//! Which backups there are: what their names say, and how one of many is chosen. Pure; listing is the caller's.

mod known_good;
mod name;
mod select;

pub use known_good::{Evidence, KnownGood, Lock, LockNeed, PassedOver, Policy, Reason, known_good};
pub use name::{BackupName, Kind};
pub use select::{Candidate, SelectError, Selector, SelectorError, select};
