//! Chains of NatLangChain, the first application this program rebuilds.
//!
//! Nothing outside this folder knows what a block is. The rules are those of the application's own loading, hashing
//! and validation, and stricter where it is blind.

mod canonical;
mod chain;
mod entry;
mod fault;
mod float;
mod identities;
mod ledger;
mod literal;
#[cfg(test)]
mod property;
mod registry;
mod scanner;
mod signature;
mod skip;
mod text;
#[cfg(test)]
mod vectors;
mod walk;

pub(crate) use scanner::Scanner;
