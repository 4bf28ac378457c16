//! Checks on Kubernetes objects as they will be sent, before anything is sent: pure, offline, and bounded.
//!
//! [`check`] takes a whole set of rendered objects, since half of what can be wrong with one is that another is missing. It knows
//! nothing of plans: the planner gives its findings an address, and a severity from the environment's policy.
//!
//! - [`code`]: every finding there is, with its default severity; `docs/policy.md` is made from it.
//! - `rules`: one file for each thing that is looked at. `references`: what names what, and who provides it.
//! - `schema`: fields, types and values by the published types of Kubernetes, or by the definition of a custom resource.
//!
//! A value that only exists later is `{"unknown": REFERENCE}`, as in a plan; nothing is said about it.

pub mod code;
mod finding;
mod nearest;
mod object;
mod path;
mod policy;
mod references;
mod rules;
mod schema;
mod text;
mod workload;

pub use code::{Code, Severity};
pub use finding::{Finding, ObjectId};
pub use nearest::nearest;
pub use policy::Policy;
pub use rules::lifecycle::{Version, VersionError};
pub use schema::VERSION as SCHEMA_VERSION;

use serde_json::Value;

use finding::Findings;
use object::Object;

/// Everything that is to be said about a set of objects, in the order of the objects, then by code and field.
///
/// The set must be complete: what is made beside the overlay (the Secret that a rebuild fills, say) is an object of it too, or references
/// to it are reported. The time taken grows with the size of the objects; of each object at most 50 findings are told for each code.
/// Anything may stand in an object: what is not of the expected form is a finding or is passed over.
pub fn check(objects: &[&Value], policy: &Policy) -> Vec<Finding> {
    let objects = numbered(objects);
    let mut findings = Findings::new(policy);
    rules::check(&objects, policy.kubernetes, &mut findings);
    references::check(&objects, &mut findings);
    schema::check(&objects, &mut findings);
    findings.sorted()
}

/// Workloads whose pods may send anywhere, as places in `objects`: no NetworkPolicy about egress selects them, or they use the node's network.
/// Policies of network plugins are not understood, and confine nothing here.
pub fn unconfined(objects: &[&Value]) -> Vec<usize> {
    rules::network::unconfined(&numbered(objects))
}

fn numbered<'a>(objects: &[&'a Value]) -> Vec<Object<'a>> {
    objects
        .iter()
        .enumerate()
        .map(|(index, value)| Object::new(index, value))
        .collect()
}
