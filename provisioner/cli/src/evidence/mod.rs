//! Evidence of an environment: collected, sealed, kept where nobody can delete it, and asked for before anything is destroyed.

pub mod gate;
mod kept;
mod make;

pub use kept::Kept;
pub use make::{Made, generations, make};
