//! Everything this crate promises, in one program.

mod cases;
mod found;
mod hostile;
mod outside;
mod remote;

/// The directory that trees in memory are rendered from.
const ROOT: &str = "/trees/root";
