//! Validation of the rebuilt environment.
//!
//! Checks change nothing, keep nothing and run on every apply: `check.http` asks an address, `check.workload` the cluster, `check.seed`
//! reads the seeded object back.

mod fingerprint;
mod http;
mod provider;

pub use provider::Checks;
