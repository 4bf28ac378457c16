//! Bundles: written, verified, tampered with.

mod collecting;
mod keys;
mod property;
mod schema;
mod support;
mod tampering;
mod writing;
