//! Whatever stands in an object, the checks come to an end and say the same each time.

use std::collections::BTreeSet;

use manifest::{Policy, check};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Names that the checks look for, so that arbitrary values reach far into them.
const NAMES: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "image",
    "env",
    "envFrom",
    "value",
    "valueFrom",
    "secretKeyRef",
    "configMapKeyRef",
    "optional",
    "key",
    "volumes",
    "configMap",
    "secret",
    "projected",
    "sources",
    "items",
    "hostPath",
    "securityContext",
    "capabilities",
    "add",
    "ports",
    "containerPort",
    "resources",
    "limits",
    "cpu",
    "podSelector",
    "matchLabels",
    "matchExpressions",
    "operator",
    "values",
    "tls",
    "rules",
    "http",
    "paths",
    "backend",
    "service",
    "roleRef",
    "subjects",
    "webhooks",
    "clientConfig",
    "group",
    "names",
    "versions",
    "served",
    "schema",
    "openAPIV3Schema",
    "properties",
    "additionalProperties",
    "required",
    "type",
    "enum",
    "unknown",
    "x-kubernetes-list-map-keys",
];

const KINDS: &[(&str, &str)] = &[
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("v1", "LimitRange"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
    ),
    ("extensions/v1beta1", "Ingress"),
    ("toys.example/v1", "Kite"),
    ("", ""),
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(NAMES).prop_map(str::to_owned),
        prop::sample::select(vec![
            "Kite",
            "toys.example",
            "v1",
            "object",
            "array",
            "shop"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 96, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let typed = (prop::sample::select(KINDS), value(), value()).prop_map(|((version, kind), spec, rest)| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "demo", "namespace": "shop"}});
        if let Value::Object(map) = rest {
            object.as_object_mut().unwrap().extend(map);
        }
        object["spec"] = spec;
        object
    });
    prop_oneof![value(), typed]
}

proptest! {
    #[test]
    fn anything_is_checked(objects in prop::collection::vec(object(), 0..6)) {
        let objects: Vec<&Value> = objects.iter().collect();
        let found = check(&objects, &Policy::default());
        prop_assert_eq!(&found, &check(&objects, &Policy::default()));
        for finding in &found {
            prop_assert!(finding.index < objects.len());
            prop_assert!(!finding.to_string().chars().any(char::is_control));
        }
    }

    /// What is said does not depend on where an object stands among the others.
    #[test]
    fn order_does_not_matter(objects in prop::collection::vec(object(), 0..5)) {
        let said = |objects: &[&Value]| -> BTreeSet<(String, String)> {
            check(objects, &Policy::default())
                .iter()
                // These two speak of the first object for all.
                .filter(|finding| !matches!(finding.code.as_str(), "network-policy.missing" | "schema.not-checked"))
                .map(|finding| (finding.object.to_string(), finding.to_string()))
                .collect()
        };
        let mut order: Vec<&Value> = objects.iter().filter(|one| one["kind"] != "CustomResourceDefinition").collect();
        let before = said(&order);
        order.reverse();
        prop_assert_eq!(before, said(&order));
    }
}
