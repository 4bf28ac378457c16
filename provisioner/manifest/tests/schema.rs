//! Forms that the API server refuses, and those that it takes.

mod support;

use manifest::{Finding, Policy, Severity, check};
use serde_json::{Value, json};
use support::{checked, core, deployment, pod_spec, put, told, told_of, without};

const FIRST: &str = "spec.template.spec.containers[0]";

fn only(objects: &[Value]) -> Finding {
    let mut findings = checked(objects);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

#[test]
fn built_in_kinds() {
    let cases: Vec<(&str, Value, &[&str])> = vec![
        (
            "/spec/replcas",
            json!(2),
            &["schema.unknown-field spec.replcas"],
        ),
        (
            "/spec/template/spec/containers/0/imagePulPolicy",
            json!("Always"),
            &["schema.unknown-field C.imagePulPolicy"],
        ),
        (
            "/spec/replicas",
            json!("2"),
            &["schema.wrong-type spec.replicas"],
        ),
        (
            "/spec/replicas",
            json!(2.5),
            &["schema.wrong-type spec.replicas"],
        ),
        (
            "/spec/replicas",
            json!(1_u64 << 40),
            &["schema.wrong-type spec.replicas"],
        ),
        ("/spec/replicas", Value::Null, &[]),
        (
            "/spec/replicas",
            json!({"unknown": "ec2.instance.api/id"}),
            &[],
        ),
        (
            "/spec/paused",
            json!("yes"),
            &["schema.wrong-type spec.paused"],
        ),
        (
            "/metadata/labels/app",
            json!(7),
            &["schema.wrong-type metadata.labels.app"],
        ),
        (
            "/metadata/annotations",
            json!({"a.b/c": true}),
            &["schema.wrong-type metadata.annotations[\"a.b/c\"]"],
        ),
        ("/metadata/creationTimestamp", Value::Null, &[]),
        (
            "/spec/strategy",
            json!({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}),
            &[],
        ),
        (
            "/spec/strategy",
            json!({"rollingUpdate": {"maxSurge": true}}),
            &["schema.wrong-type spec.strategy.rollingUpdate.maxSurge"],
        ),
        (
            "/spec/strategy",
            json!({"type": "Rolling"}),
            &["schema.unknown-value spec.strategy.type"],
        ),
        (
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!("Alway"),
            &["schema.unknown-value C.imagePullPolicy"],
        ),
        (
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!(""),
            &[],
        ),
        (
            "/spec/template/spec/containers/0/ports",
            json!([{"name": "http"}]),
            &["schema.missing-field C.ports[0]"],
        ),
        (
            "/spec/template/spec/containers/0/ports",
            json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]),
            &[],
        ),
        (
            "/spec/template/spec/containers/0/ports",
            json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]),
            &["schema.duplicate-key C.ports[1]"],
        ),
        (
            "/spec/template/spec/containers/0/env",
            json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
            &["schema.duplicate-key C.env[1]"],
        ),
        (
            "/spec/template/spec/containers/0/env",
            json!([{"name": "PORT", "value": 80}]),
            &["schema.wrong-type C.env[0].value"],
        ),
        (
            "/spec/template/spec/containers/0/resources/limits/memory",
            json!("128MB"),
            &["schema.unknown-value C.resources.limits.memory"],
        ),
        (
            "/spec/template/spec/containers/0/command",
            json!("sh -c"),
            &["schema.wrong-type C.command"],
        ),
        (
            "/spec/template/spec/tolerations",
            json!([{"operator": "Exists"}]),
            &[],
        ),
        ("/status", json!({"anything": [1]}), &[]),
    ];
    for (pointer, value, expected) in cases {
        let object = put(deployment(pod_spec()), pointer, value.clone());
        let expected: Vec<String> = expected
            .iter()
            .map(|text| text.replace(" C.", &format!(" {FIRST}.")))
            .collect();
        assert_eq!(told_of(object), expected, "{pointer} {value}");
    }
}

#[test]
fn required_fields() {
    for (pointer, path) in [
        ("/spec/selector", "spec"),
        ("/spec/template/spec/containers/0/name", FIRST),
    ] {
        let found = told_of(without(deployment(pod_spec()), pointer));
        assert_eq!(found, [format!("schema.missing-field {path}")], "{pointer}");
    }
    for field in ["apiVersion", "kind"] {
        assert_eq!(
            told(&[without(core("ConfigMap", "a"), &format!("/{field}"))]),
            [format!("schema.missing-field {field}")]
        );
    }
    assert_eq!(
        told(&[without(core("ConfigMap", "a"), "/metadata/name")]),
        ["schema.missing-field metadata.name"]
    );
    // Called required, and taken without.
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "low"}});
    assert_eq!(told(&[class]), [""; 0]);
    let mut binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}});
    assert_eq!(told(&[binding.clone()]), [""; 0]);
    binding["roleRef"] = json!({"kind": "ClusterRole"});
    assert_eq!(told(&[binding]), ["schema.missing-field roleRef"]);
}

#[test]
fn the_nearest_name_is_told() {
    let found = only(&[put(core("Service", "a"), "/spec", json!({"selectr": {}}))]);
    assert_eq!(
        found.to_string(),
        "there is no field `selectr` (spec.selectr)"
    );
    assert_eq!(found.hint, "did you mean `selector`?");
    let found = only(&[put(
        core("Service", "a"),
        "/spec",
        json!({"type": "Loadbalancer"}),
    )]);
    assert_eq!(found.hint, "did you mean `LoadBalancer`?");
    let found = only(&[put(
        core("Service", "a"),
        "/spec",
        json!({"type": "Something else"}),
    )]);
    assert_eq!(
        found.hint,
        "use one of `ClusterIP`, `ExternalName`, `LoadBalancer`, `NodePort`"
    );
    let found =
        only(&[json!({"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": {"name": "a"}})]);
    assert_eq!(
        (found.code.as_str(), found.hint.as_str()),
        ("schema.unknown-kind", "did you mean `apps/v1 Deployment`?")
    );
}

#[test]
fn a_kind_in_another_group() {
    let object = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}});
    assert_eq!(
        only(&[object("Deployment")]).hint,
        "its `apiVersion` is `apps/v1`"
    );
    let scaler = json!({"apiVersion": "autoscaling/v3", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}});
    assert_eq!(
        only(&[scaler]).hint,
        "its `apiVersion` is `autoscaling/v1`, `autoscaling/v2`"
    );
}

#[test]
fn a_newer_cluster_may_know_more() {
    let objects = [put(
        core("Service", "a"),
        "/spec",
        json!({"novelty": 1, "type": 2}),
    )];
    let severities = |kubernetes: &str| -> Vec<Severity> {
        let policy = Policy {
            kubernetes: kubernetes.parse().unwrap(),
            ..Policy::default()
        };
        support::with(&objects, &policy)
            .iter()
            .map(|one| one.severity)
            .collect()
    };
    assert_eq!(severities("1.37"), [Severity::Error, Severity::Error]);
    assert_eq!(severities("1.38"), [Severity::Warning, Severity::Error]);
}

fn definition(schema: Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "kites.toys.example"},
    "spec": {"group": "toys.example", "scope": "Namespaced", "names": {"kind": "Kite", "plural": "kites"},
        "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
            {"name": "v1alpha1", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
        ]}})
}

fn kite(spec: Value) -> Value {
    json!({"apiVersion": "toys.example/v1", "kind": "Kite", "metadata": {"name": "red", "namespace": "shop"}, "spec": spec})
}

#[test]
fn custom_resources() {
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": {"type": "object", "required": ["color", "tail"], "properties": {
            "color": {"type": "string", "enum": ["red", "blue"], "pattern": "(a+)+$"},
            "tail": {"type": "integer", "default": 3},
            "port": {"x-kubernetes-int-or-string": true},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"known": {"type": "boolean"}}},
            "strings": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
            "empty": {"type": "object"},
        }},
    }});
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("/color", json!("red"), &[]),
        (
            "/color",
            json!("green"),
            &["schema.unknown-value spec.color"],
        ),
        ("/color", json!(3), &["schema.wrong-type spec.color"]),
        ("/color", Value::Null, &["schema.missing-field spec"]),
        (
            "/colour",
            json!("red"),
            &["schema.unknown-field spec.colour"],
        ),
        ("/port", json!("http"), &[]),
        ("/port", json!(80), &[]),
        ("/port", json!([80]), &["schema.wrong-type spec.port"]),
        ("/labels", json!({"a": "b"}), &[]),
        (
            "/labels",
            json!({"a": 1}),
            &["schema.wrong-type spec.labels.a"],
        ),
        (
            "/free",
            json!({"anything": {"goes": 1}, "known": true}),
            &[],
        ),
        (
            "/free",
            json!({"known": 1}),
            &["schema.wrong-type spec.free.known"],
        ),
        ("/strings", json!([{"name": "a"}, {"name": "b"}]), &[]),
        (
            "/strings",
            json!([{"name": "a"}, {"name": "a"}]),
            &["schema.duplicate-key spec.strings[1]"],
        ),
        (
            "/strings",
            json!([{"nam": "a"}]),
            &["schema.unknown-field spec.strings[0].nam"],
        ),
        (
            "/pod",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}),
            &[],
        ),
        (
            "/pod",
            json!({"sepc": {}}),
            &["schema.unknown-field spec.pod.sepc"],
        ),
        (
            "/empty",
            json!({"a": 1}),
            &["schema.unknown-field spec.empty.a"],
        ),
    ];
    for (pointer, value, expected) in cases {
        let object = kite(put(json!({"color": "blue"}), pointer, value.clone()));
        assert_eq!(
            told(&[definition(schema.clone()), object]),
            expected,
            "{pointer} {value}"
        );
    }
    let mut lost = kite(json!({}));
    lost.as_object_mut().unwrap().remove("spec");
    assert_eq!(
        told(&[definition(schema.clone()), lost]),
        ["schema.missing-field"]
    );
    let mislabelled = put(kite(json!({"color": "red"})), "/metadata/lables", json!({}));
    assert_eq!(
        told(&[definition(schema), mislabelled]),
        ["schema.unknown-field metadata.lables"]
    );
}

#[test]
fn a_version_that_is_not_served() {
    let object = put(
        kite(json!({})),
        "/apiVersion",
        json!("toys.example/v1alpha1"),
    );
    let found = only(&[definition(json!({"type": "object"})), object]);
    assert_eq!(
        (found.code.as_str(), found.hint.as_str()),
        ("schema.unknown-kind", "use one that is served: `v1`")
    );
}

#[test]
fn kinds_defined_elsewhere_are_told_once() {
    let second = put(
        kite(json!({"anything": 1})),
        "/metadata/name",
        json!("blue"),
    );
    let found = only(&[kite(json!({})), second]);
    assert_eq!(
        found.to_string(),
        "no definition of `toys.example/v1 Kite` is here, so its fields were not checked, nor those of another"
    );
    let mislabelled = put(kite(json!({})), "/metadata/lables", json!({}));
    assert_eq!(
        told(&[mislabelled]),
        ["schema.unknown-field metadata.lables", "schema.not-checked"]
    );
}

#[test]
fn of_one_object_not_everything_is_told() {
    let spec: serde_json::Map<String, Value> = (0..1000)
        .map(|at| (format!("field{at:04}"), json!(1)))
        .collect();
    assert_eq!(
        checked(&[put(core("Service", "a"), "/spec", Value::Object(spec))]).len(),
        50
    );
}

#[test]
fn nesting_without_end() {
    let mut deep = json!({});
    for _ in 0..150 {
        deep = json!({ "containers": [{"deep": deep}] });
    }
    let free = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    assert_eq!(told(&[definition(free), kite(deep)]), [""; 0]);
    // Schemas of definitions refer to themselves, and so do their types.
    let mut schema = json!({"type": "object"});
    for _ in 0..150 {
        schema = json!({"type": "object", "not": schema});
    }
    let found = check(&[&definition(schema)], &Policy::default());
    assert_eq!(
        found
            .iter()
            .map(|one| one.code.as_str())
            .collect::<Vec<_>>(),
        ["schema.too-deep"]
    );
}
