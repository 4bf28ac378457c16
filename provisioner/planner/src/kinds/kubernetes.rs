//! Kubernetes objects: an open-ended family, ordered by waves.
//!
//! A spec is `{"object": …}` with the object as it will be sent, plus `"secrets"`: which fields of a Secret's `stringData` come from Vault.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::spec;
use super::seed::SecretField;
use crate::address::Address;
use crate::applyset;
use crate::kind::{Kind, Layer, through};

spec! {
    /// Any `kubernetes.GROUP/KIND`.
    Object {
        /// The object, without status and without our marks.
        object: Value,
        /// For a Secret: `data` keys whose values are read from Vault at apply.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")] secrets: BTreeMap<String, SecretField>,
    }
}

const fn wave(layer: Layer, seconds: u32) -> Kind {
    Kind {
        name: "kubernetes",
        layer,
        normalize: through::<Object>,
        in_place: &["object", "secrets"],
        sets: &[],
        opaque: &[],
        named: true,
        outputs: &["id", "name", "namespace"],
        seconds,
        calls: 1,
    }
}

static CONFIGURATION: Kind = wave(Layer::Configuration, 1);
static WORKLOAD: Kind = wave(Layer::Workloads, 30);
static EXPOSURE: Kind = wave(Layer::Exposure, 1);

/// The layer of a kind given as `GROUP/KIND` or `KIND`.
///
/// Order within a layer (namespaces, CRDs, classes, RBAC…) is by [`order`].
pub fn of(kind: &str) -> &'static Kind {
    match kind.rsplit('/').next().unwrap_or(kind) {
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "ReplicaSet"
        | "Pod"
        | "Job"
        | "CronJob"
        | "ReplicationController"
        | "HorizontalPodAutoscaler"
        | "PodDisruptionBudget" => &WORKLOAD,
        "Ingress"
        | "Gateway"
        | "HTTPRoute"
        | "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration" => &EXPOSURE,
        _ => &CONFIGURATION,
    }
}

/// Place in the order of applying, smaller first: namespaces, the inventory, CRDs, classes, configuration and access, workloads, exposure,
/// webhooks.
pub fn order(address: &Address) -> u8 {
    let kind = address.kind();
    match kind.rsplit('/').next().unwrap_or(kind) {
        "Namespace" => 0,
        _ if applyset::is_parent(address) => 1,
        "CustomResourceDefinition" => 2,
        "StorageClass" | "IngressClass" | "PriorityClass" | "RuntimeClass" | "GatewayClass" => 3,
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => 7,
        _ => match of(kind).layer {
            Layer::Workloads => 5,
            Layer::Exposure => 6,
            _ => 4,
        },
    }
}
