//! What is asked of a place that evidence comes from, and asking all of them at once into one bundle.
//!
//! Places don't wait for each other. What does not answer in time, what is refused and what is too large is noted in the bundle as
//! missing, so that a bundle without a remark is whole.

mod mask;
mod place;
mod run;

pub use mask::{Mask, MaskError};
pub use place::{Collector, LARGEST_PIECE, Shelf, part};
pub use run::{Absent, Limits, Part, Summary, collect};
