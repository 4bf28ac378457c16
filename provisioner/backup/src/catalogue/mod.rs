//! Which backups there are: what their names say, and how one of many is chosen. Pure; listing is the caller's.

mod name;
mod select;

pub use name::{BackupName, Kind};
pub use select::{Candidate, SelectError, Selector, SelectorError, select};
