//! What is looked at, one file for each.
//!
//! Where a rule is one of the Pod Security Standards, its text says *baseline* or *restricted*:
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>.

mod images;
pub(crate) mod lifecycle;
mod literals;
pub(crate) mod network;
mod resources;
mod security;

use crate::finding::Findings;
use crate::object::Object;
use lifecycle::Version;

/// Every rule on every object.
pub(crate) fn check(objects: &[Object<'_>], cluster: Version, findings: &mut Findings<'_>) {
    let defaults = resources::Defaults::of(objects);
    for object in objects {
        images::check(object, findings);
        lifecycle::check(object, cluster, findings);
        let Some(pod) = crate::workload::pod(object) else {
            continue;
        };
        security::check(object, &pod, findings);
        resources::check(object, &pod, &defaults, findings);
        literals::check(object, &pod, findings);
    }
    network::check(objects, findings);
}
