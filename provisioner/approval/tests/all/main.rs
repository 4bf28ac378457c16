//! Approvals: what counts, what does not, and that OpenSSH agrees.

mod keys;
mod openssh;
mod property;
mod refusals;
mod schema;
mod support;
