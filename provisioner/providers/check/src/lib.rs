//! Validation of the rebuilt environment.
