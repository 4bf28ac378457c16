//! The scenario `breach`: what is not trusted any more, and the stages around the plan of the new generation.

mod drift;
pub mod keeping;
mod known;
mod stages;

pub use drift::changed;
pub use known::{Known, Told, known};
pub use stages::{FILE, Report, Stage, after, all_closed, before, read, still_open};
