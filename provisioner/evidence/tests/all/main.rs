//! Bundles: written, verified, tampered with.

mod keys;
mod property;
mod schema;
mod support;
mod tampering;
mod writing;
