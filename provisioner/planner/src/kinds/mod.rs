//! The catalogue: every kind of resource the tool knows, as data.
//!
//! The types here are the contract between templates (which declare them), the planner (which compares them) and the providers
//! (which carry them out); a provider reads a step's spec through the same type.

pub mod backup;
pub mod check;
pub mod database;
pub mod ec2;
pub mod iam;
pub mod kubernetes;
pub mod recover;
pub mod route53;
pub mod s3;
pub mod seed;
pub mod vault;

use crate::address::Address;
use crate::kind::Kind;

/// Every kind, by [`Kind::name`].
pub fn all() -> impl Iterator<Item = &'static Kind> {
    [
        ec2::KINDS,
        iam::KINDS,
        s3::KINDS,
        vault::KINDS,
        seed::KINDS,
        check::KINDS,
        recover::KINDS,
        backup::KINDS,
        database::KINDS,
        route53::KINDS,
    ]
    .into_iter()
    .flatten()
}

/// The kind an address names. Every `kubernetes.*` kind is one open-ended family, see [`kubernetes::of`].
pub fn of(address: &Address) -> Option<&'static Kind> {
    if address.provider() == "kubernetes" {
        return Some(kubernetes::of(address.kind()));
    }
    let name = address.qualified_kind();
    all().find(|kind| kind.name == name)
}
