//! RDS: a database instance brought back under a new name. The old one is only read.

mod provider;

pub use provider::Rds;
