//! That nothing in a new generation points at the old environment.
//!
//! [`OldInventory`] is what is known of the old one: read from a Terraform state ([`terraform`]), from a report of ours ([`report`]), or
//! from anywhere else. [`Taint`] looks for all of it in every [`Text`] of the new generation: specs of steps, rendered objects, user data,
//! seeded configuration. Base64, gzip, JSON in strings and percent-encoding are undone on the way, some layers deep.
//!
//! # Guarantees
//! One pass over each text and over what is decoded from it, whatever the number of identifiers. Where a bound ends the work, that is an
//! error of its own (`taint.unfinished`), never silence.
//!
//! # Limits
//! A range of addresses is no reference to the old addresses in it: new private networks overlap old ones, and `0.0.0.0/0` covers
//! everything. An old private range is therefore not looked for, and an old public one only as it is written.

mod boundary;
mod identifier;
mod layers;
pub mod report;
mod scan;
pub mod terraform;
mod values;

pub use identifier::{Identifier, IdentifierKind, OldInventory};
pub use scan::{Allowed, AllowedHit, Content, Hit, Outcome, Skipped, Taint, TaintError, Text};

pub(crate) use scan::check;
