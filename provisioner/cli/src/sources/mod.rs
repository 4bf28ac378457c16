//! Where backups are and what is known of them: listed, read, remembered, compared, chosen.
//!
//! - [`place`]: the sources of an environment and what they list.
//! - [`read`]: one version, verified.
//! - [`gate`]: what has to hold of a backup after a breach.
//! - [`first`]: the first backup of a new generation.
//! - [`memory`]: what earlier verifications found, kept between runs.
//! - [`survey`]: many backups, read within a budget and compared with each other.
//! - [`pin`]: from `--from-backup` to the one version a plan stands on.

pub mod budget;
pub mod choose;
pub mod first;
pub mod gate;
pub mod memory;
pub mod pin;
pub mod place;
pub mod read;
pub mod secret;
pub mod survey;

/// A backup that was read whole and found intact in this run, and where seeding reads it again.
pub type Pinned = provider_seed::Source;
