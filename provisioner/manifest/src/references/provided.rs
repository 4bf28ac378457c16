//! What there is, and what every cluster has.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Kind;
use crate::object::{Object, list, text};

/// Everything that can be named.
pub(super) struct Provided<'a> {
    objects: HashSet<(Kind, &'a str, &'a str)>,
    maps: HashMap<(&'a str, &'a str), &'a Value>,
    namespaces: HashSet<&'a str>,
    /// Namespace, and the beginning of the names of a StatefulSet's claims.
    claims: HashSet<(&'a str, String)>,
}

impl<'a> Provided<'a> {
    pub(super) fn of(objects: &[Object<'a>]) -> Self {
        let mut all = Self {
            objects: HashSet::new(),
            maps: HashMap::new(),
            namespaces: HashSet::new(),
            claims: HashSet::new(),
        };
        for object in objects {
            all.namespaces.extend(object.namespace);
            if (object.group(), object.kind) == ("", "Namespace") {
                all.namespaces.insert(object.name);
            }
            if let Some(kind) = Kind::of(object.group(), object.kind) {
                let namespace = if kind.is_of_cluster() {
                    ""
                } else {
                    object.home()
                };
                all.objects.insert((kind, namespace, object.name));
                match kind {
                    Kind::ConfigMap => {
                        all.maps.insert((namespace, object.name), object.value);
                    }
                    Kind::StatefulSet => all.claims(object),
                    _ => {}
                }
            }
            for secret in made_into_secrets(object) {
                all.objects.insert((Kind::Secret, object.home(), secret));
            }
        }
        all
    }

    /// A StatefulSet makes a claim for each template and replica: `TEMPLATE-SET-ORDINAL`.
    fn claims(&mut self, object: &Object<'a>) {
        for (_, template) in list(&object.value["spec"], "volumeClaimTemplates") {
            if let Some(name) = text(&template["metadata"], "name") {
                let begin = format!("{name}-{}", object.name);
                self.claims.insert((object.home(), begin));
            }
        }
    }

    pub(super) fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.objects.contains(&(kind, namespace, name))
            || always(kind, namespace, name)
            || (kind == Kind::PersistentVolumeClaim && self.has_claim(namespace, name))
    }

    fn has_claim(&self, namespace: &str, name: &str) -> bool {
        name.rsplit_once('-').is_some_and(|(begin, ordinal)| {
            !ordinal.is_empty()
                && ordinal.bytes().all(|byte| byte.is_ascii_digit())
                && self.claims.contains(&(namespace, begin.to_owned()))
        })
    }

    /// Whether a ConfigMap has a key, as far as it is one of ours.
    pub(super) fn has_key(&self, namespace: &str, name: &str, key: &str) -> bool {
        self.maps.get(&(namespace, name)).is_none_or(|map| {
            ["data", "binaryData"]
                .iter()
                .any(|field| map[field].get(key).is_some())
        })
    }

    /// Whether what is in the namespace is ours. In `kube-system` and its like it is the cluster's, whatever we add.
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        !namespace.starts_with("kube-") && self.namespaces.contains(namespace)
    }
}

/// What a cluster has without anybody declaring it.
fn always(kind: Kind, namespace: &str, name: &str) -> bool {
    match kind {
        // https://kubernetes.io/docs/concepts/security/service-accounts/#default-service-accounts
        Kind::ServiceAccount => name == "default",
        // https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
        Kind::ConfigMap => {
            name == "kube-root-ca.crt"
                || (namespace, name) == ("kube-system", "extension-apiserver-authentication")
        }
        Kind::Service => (namespace, name) == ("default", "kubernetes"),
        // https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
        Kind::ClusterRole => {
            matches!(name, "cluster-admin" | "admin" | "edit" | "view")
                || name.starts_with("system:")
        }
        Kind::Role => {
            name.starts_with("system:")
                || (namespace, name) == ("kube-system", "extension-apiserver-authentication-reader")
        }
        // https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/
        Kind::PriorityClass => matches!(name, "system-cluster-critical" | "system-node-critical"),
        _ => false,
    }
}

/// Secrets that controllers in common use make because an object asks for them.
fn made_into_secrets<'a>(object: &Object<'a>) -> Vec<&'a str> {
    let value = object.value;
    let spec = &value["spec"];
    match (object.group(), object.kind) {
        // https://cert-manager.io/docs/usage/certificate/
        ("cert-manager.io", "Certificate") => text(spec, "secretName").into_iter().collect(),
        // https://cert-manager.io/docs/usage/ingress/
        ("networking.k8s.io", "Ingress") => {
            let annotations = &value["metadata"]["annotations"];
            let asks = [
                "cert-manager.io/cluster-issuer",
                "cert-manager.io/issuer",
                "kubernetes.io/tls-acme",
            ];
            if !asks.iter().any(|asks| annotations.get(asks).is_some()) {
                return Vec::new();
            }
            list(spec, "tls")
                .filter_map(|(_, tls)| text(tls, "secretName"))
                .collect()
        }
        // https://external-secrets.io/latest/api/externalsecret/
        ("external-secrets.io", "ExternalSecret") => {
            vec![text(&spec["target"], "name").unwrap_or(object.name)]
        }
        // https://github.com/bitnami-labs/sealed-secrets
        ("bitnami.com", "SealedSecret") => {
            vec![text(&spec["template"]["metadata"], "name").unwrap_or(object.name)]
        }
        _ => Vec::new(),
    }
}
