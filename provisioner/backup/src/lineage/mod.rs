//! What many backups say about each other: which chains extend which, and where they part.
//!
//! A chain that was mined again from some block on is consistent in itself. Only another backup can show it: every newer
//! chain must contain every older one as its beginning. This module proves that without holding a single chain.
//!
//! # Why one hash is a proof
//! The hash of a block covers the hash of the block before it, so it vouches for all blocks below. Of two chains whose
//! links were verified, the longer one extends the shorter exactly if it has the shorter one's head at the shorter one's
//! last height. Hashes at a few more heights ([`Record::samples`]) narrow down where chains part; where they leave a
//! gap, [`Lineage::questions`] says which heights to look up, by verifying those backups again with [`crate::Options::watch`].
//! Every round narrows a gap by a factor of about a thousand, so the block at which two chains part is found in a number
//! of rounds that grows with the logarithm of their length.
//!
//! # What is trusted
//! Only what was computed from the bytes, and the storage's own clock ([`Record::taken_in`]): names and timestamps inside
//! a backup are chosen by whoever wrote it. Where backups contradict each other, the history is believed of which a backup
//! was stored first: who wants to rewrite history comes later, and what comes later still can extend the old one without
//! a stain. Who writes blocks ahead of the true ones is believed, though, so the report names both sides, for a person to
//! decide otherwise, and a known-good backup must be older than the intruder.
//! What no hash covers (pending entries, registries) is outside of what a lineage can show.
//!
//! # Assumptions
//! SHA-256 has no collisions, and records describe backups whose verification did not reject them; [`Index`] makes sure of
//! the second when records are kept between runs.

mod index;
mod record;
mod trace;
mod tree;

pub use index::{Index, IndexError, IndexKey};
pub use record::Record;
pub use trace::{
    Agreement, Branch, Contradiction, How, Lineage, Parting, Question, Standing, trace,
};
