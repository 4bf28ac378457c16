//! Cuts an environment off: what is closed, in which order, with its undo written down first.
//!
//! A [`Barrier`] is one place (an AWS service, a cluster, a Vault) that can say what of the environment is still open and close it.
//! [`contain`] runs all of them at once. They don't wait for each other: what does not answer is told, and holds nothing up. Every item,
//! with the state it had and how to take its closing back, is on disk before anything is done about it.

mod barrier;
mod log;
mod run;

pub use barrier::{Barrier, Item, State, Survey};
pub use log::{Log, Record, read};
pub use run::{Event, Limits, Outcome, Part, Summary, contain, survey};
