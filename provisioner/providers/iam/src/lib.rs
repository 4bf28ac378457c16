//! IAM: roles, policies, instance profiles.
//!
//! Everything is made under the path `/rebuild/ENVIRONMENT/GENERATION/`, so that listing by path finds what is ours without reading the
//! account's other objects. No list gives tags or descriptions, so each object under the path is read once; ownership is proved by its tags.

pub mod contain;
mod document;
pub mod evidence;
mod objects;
pub mod provider;

pub use provider::Iam;
