//! Names of objects that nothing provides.

mod provided;
mod wanted;

use std::collections::HashSet;
use std::fmt;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::Object;
use crate::text::quoted;
use provided::Provided;

/// Kinds that others name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    ConfigMap,
    Secret,
    ServiceAccount,
    PersistentVolumeClaim,
    Service,
    Role,
    ClusterRole,
    PriorityClass,
    StorageClass,
    IngressClass,
    RuntimeClass,
    Deployment,
    StatefulSet,
    ReplicaSet,
}

impl Kind {
    fn of(group: &str, kind: &str) -> Option<Kind> {
        Some(match (group, kind) {
            ("", "ConfigMap") => Kind::ConfigMap,
            ("", "Secret") => Kind::Secret,
            ("", "ServiceAccount") => Kind::ServiceAccount,
            ("", "PersistentVolumeClaim") => Kind::PersistentVolumeClaim,
            ("", "Service") => Kind::Service,
            ("rbac.authorization.k8s.io", "Role") => Kind::Role,
            ("rbac.authorization.k8s.io", "ClusterRole") => Kind::ClusterRole,
            ("scheduling.k8s.io", "PriorityClass") => Kind::PriorityClass,
            ("storage.k8s.io", "StorageClass") => Kind::StorageClass,
            ("networking.k8s.io", "IngressClass") => Kind::IngressClass,
            ("node.k8s.io", "RuntimeClass") => Kind::RuntimeClass,
            ("apps", "Deployment") => Kind::Deployment,
            ("apps", "StatefulSet") => Kind::StatefulSet,
            ("apps", "ReplicaSet") => Kind::ReplicaSet,
            _ => return None,
        })
    }

    /// Whether its objects are in no namespace.
    fn is_of_cluster(self) -> bool {
        self.is_class() || self == Kind::ClusterRole
    }

    /// Whether it describes what a cluster offers, which is seldom part of an overlay.
    fn is_class(self) -> bool {
        matches!(
            self,
            Kind::PriorityClass | Kind::StorageClass | Kind::IngressClass | Kind::RuntimeClass
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What one object says of another.
struct Reference<'a> {
    kind: Kind,
    /// Empty for an object of the cluster.
    namespace: &'a str,
    name: &'a str,
    /// A key of it.
    key: Option<&'a str>,
    path: String,
    container: Option<&'a str>,
}

/// Everything named must be there.
pub(crate) fn check(objects: &[Object<'_>], findings: &mut Findings<'_>) {
    let provided = Provided::of(objects);
    for object in objects {
        let mut told = HashSet::new();
        for reference in wanted::of(object) {
            let key = (reference.kind, reference.namespace, reference.name);
            if provided.has(reference.kind, reference.namespace, reference.name) {
                if let Some(key) = reference.key
                    && reference.kind == Kind::ConfigMap
                    && !provided.has_key(reference.namespace, reference.name, key)
                {
                    let message = format!(
                        "it names `{}` of the ConfigMap `{}`, which has no such key",
                        quoted(key),
                        quoted(reference.name)
                    );
                    findings.add(object, Code::ReferenceKeyMissing, spot(&reference), message);
                }
                continue;
            }
            if told.insert(key) {
                missing(object, &reference, &provided, findings);
            }
        }
    }
}

fn missing(
    object: &Object<'_>,
    reference: &Reference<'_>,
    provided: &Provided<'_>,
    findings: &mut Findings<'_>,
) {
    let (kind, name) = (reference.kind, quoted(reference.name));
    let elsewhere = !kind.is_of_cluster() && !provided.has_namespace(reference.namespace);
    let place = if kind.is_of_cluster() || object.home() == reference.namespace {
        String::new()
    } else {
        format!(" of namespace `{}`", quoted(reference.namespace))
    };
    let message = format!("it names the {kind} `{name}`{place}, which nothing here provides");
    let code = if kind.is_class() || elsewhere {
        Code::ReferenceElsewhere
    } else {
        Code::ReferenceMissing
    };
    findings.add(object, code, spot(reference), message);
}

fn spot<'a>(reference: &Reference<'a>) -> Spot<'a> {
    Spot {
        path: reference.path.clone(),
        container: reference.container,
    }
}
