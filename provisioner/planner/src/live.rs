//! Whether what we declare of a Kubernetes object holds in the live one.
//!
//! The API server adds fields and defaults, so the declared fields need only be a subset. Written down: a declared null, empty, zero or
//! false value equals an absent one (Go's `omitempty`); quantities are equal by value; a list of maps is matched by its merge key. The
//! values of a Secret are never compared, they are not read.

use serde_json::Value;

use crate::diff::join;
use crate::plan::FieldChange;
use crate::quantity;

/// Merge keys, the first that every declared item has is taken (OpenAPI `x-kubernetes-list-map-keys` of the built-in kinds).
const MERGE_KEYS: &[&str] = &[
    "name",
    "containerPort",
    "port",
    "mountPath",
    "devicePath",
    "key",
    "ip",
    "topologyKey",
    "uid",
    "type",
];

/// Fields that the API server refuses to change, by kind (Kubernetes, `pkg/apis/*/validation`, the `Validate…Update` functions).
fn fixed(kind: &str) -> &'static [&'static str] {
    match kind {
        "Job" => &[
            "spec.template",
            "spec.selector",
            "spec.completions",
            "spec.completionMode",
            "spec.podFailurePolicy",
            "spec.successPolicy",
            "spec.backoffLimitPerIndex",
        ],
        "Deployment" | "ReplicaSet" | "DaemonSet" => &["spec.selector"],
        "StatefulSet" => &[
            "spec.selector",
            "spec.serviceName",
            "spec.volumeClaimTemplates",
            "spec.podManagementPolicy",
        ],
        "Service" => &["spec.clusterIP", "spec.clusterIPs"],
        "PersistentVolumeClaim" => &[
            "spec.accessModes",
            "spec.storageClassName",
            "spec.selector",
            "spec.volumeName",
            "spec.volumeMode",
            "spec.dataSource",
            "spec.dataSourceRef",
        ],
        "RoleBinding" | "ClusterRoleBinding" => &["roleRef"],
        "StorageClass" => &[
            "provisioner",
            "parameters",
            "reclaimPolicy",
            "volumeBindingMode",
        ],
        "PriorityClass" => &["value", "preemptionPolicy"],
        "RuntimeClass" => &["handler"],
        "IngressClass" => &["spec.controller"],
        "Secret" => &["type"],
        _ => &[],
    }
}

/// What an object with `immutable: true` keeps, the mark itself included (Kubernetes, "Immutable ConfigMaps" and "Immutable Secrets").
const SEALED: &[&str] = &["immutable", "data", "binaryData", "stringData"];

/// Whether the live object is a ConfigMap or Secret that can only be made anew.
pub(crate) fn is_sealed(live: &Value) -> bool {
    matches!(
        live.get("kind").and_then(Value::as_str),
        Some("ConfigMap" | "Secret")
    ) && live.get("immutable") == Some(&Value::Bool(true))
}

/// What of the declared object does not hold in the live one.
pub(crate) fn compare(declared: &Value, live: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let kind = declared.get("kind").and_then(Value::as_str).unwrap_or("");
    let Some(fields) = declared.as_object() else {
        return changes;
    };
    let mut keys: Vec<&String> = fields.keys().collect();
    keys.sort_unstable();
    for key in keys {
        match key.as_str() {
            // The list may come in another version of the same group.
            "apiVersion" | "kind" | "status" => {}
            "data" | "stringData" if kind == "Secret" => {}
            _ => subset(key, &fields[key], live.get(key), &mut changes),
        }
    }
    settle(changes, live)
}

/// What an earlier apply set and the declaration has no more: `applied` is the live object as far as its fields are ours. Server-side
/// apply takes such fields out.
pub(crate) fn removed(declared: &Value, applied: &Value, live: &Value) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut keys: Vec<&String> = applied
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
        .collect();
    keys.sort_unstable();
    for key in keys {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "status") {
            missing(key, &applied[key], declared.get(key), &mut changes);
        }
    }
    settle(changes, live)
}

/// Marks the changes that the API server would refuse.
fn settle(mut changes: Vec<FieldChange>, live: &Value) -> Vec<FieldChange> {
    let kind = live.get("kind").and_then(Value::as_str).unwrap_or("");
    let sealed = if is_sealed(live) { SEALED } else { &[] };
    for change in &mut changes {
        change.forces_replacement = fixed(kind).iter().chain(sealed).any(|path| {
            change
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
    }
    changes
}

fn missing(path: &str, applied: &Value, declared: Option<&Value>, changes: &mut Vec<FieldChange>) {
    let Some(declared) = declared.filter(|declared| !declared.is_null()) else {
        if !is_empty(applied) {
            changes.push(FieldChange {
                path: path.to_owned(),
                before: Some(applied.clone()),
                after: None,
                forces_replacement: false,
            });
        }
        return;
    };
    match (applied, declared) {
        (Value::Object(applied), Value::Object(declared)) => {
            let mut keys: Vec<&String> = applied.keys().collect();
            keys.sort_unstable();
            for key in keys {
                missing(&join(path, key), &applied[key], declared.get(key), changes);
            }
        }
        (Value::Array(applied), Value::Array(declared)) => {
            // Without a key the whole list is compared, and differs already.
            let Some(key) = merge_key(applied) else {
                return;
            };
            for item in applied {
                let now = declared.iter().find(|other| matches(key, item, other));
                missing(&place(path, key, item), item, now, changes);
            }
        }
        _ => {}
    }
}

/// Whether two items of a list are the same one. A port's protocol may be left out.
fn matches(key: &str, item: &Value, other: &Value) -> bool {
    item.get(key) == other.get(key)
        && item
            .get("protocol")
            .is_none_or(|p| other.get("protocol").is_none_or(|q| p == q))
}

fn place(path: &str, key: &str, item: &Value) -> String {
    let shown = item
        .get(key)
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .unwrap_or_default();
    format!("{path}[{key}={shown}]")
}

fn subset(path: &str, declared: &Value, live: Option<&Value>, changes: &mut Vec<FieldChange>) {
    let differs = |changes: &mut Vec<FieldChange>| {
        changes.push(FieldChange {
            path: path.to_owned(),
            before: live.cloned(),
            after: Some(declared.clone()),
            forces_replacement: false,
        });
    };
    let Some(live) = live.filter(|live| !live.is_null()) else {
        if !is_empty(declared) {
            differs(changes);
        }
        return;
    };
    match (declared, live) {
        (Value::Object(declared), Value::Object(live)) => {
            let mut keys: Vec<&String> = declared.keys().collect();
            keys.sort_unstable();
            for key in keys {
                subset(&join(path, key), &declared[key], live.get(key), changes);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => match merge_key(wanted) {
            Some(key) => {
                for item in wanted {
                    let live = found.iter().find(|other| matches(key, item, other));
                    subset(&place(path, key, item), item, live, changes);
                }
            }
            None if wanted.len() == found.len() => {
                for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                    subset(&format!("{path}[{index}]"), wanted, Some(found), changes);
                }
            }
            None => differs(changes),
        },
        _ if is_empty(declared) && is_empty(live) => {}
        _ if scalars_equal(declared, live) => {}
        _ => differs(changes),
    }
}

fn merge_key(items: &[Value]) -> Option<&'static str> {
    if items.is_empty() {
        return None;
    }
    MERGE_KEYS.iter().copied().find(|key| {
        items.iter().all(|item| {
            item.get(key)
                .is_some_and(|value| value.is_string() || value.is_number())
        })
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
    }
}

fn scalars_equal(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    a == b || matches!((text(a), text(b)), (Some(a), Some(b)) if a == b || quantity::equal(&a, &b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn declared_fields_are_a_subset() {
        let live = json!({"kind": "Deployment", "metadata": {"uid": "1", "labels": {"a": "b", "c": "d"}}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
            "containers": [{"name": "sidecar"}, {"name": "api", "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "terminationMessagePath": "/dev/x"}]}});
        for (declared, paths) in [
            (
                json!({"metadata": {"creationTimestamp": null, "labels": {"a": "b"}}}),
                vec![],
            ),
            (
                json!({"spec": {"hostNetwork": false, "volumes": [], "minReadySeconds": 0, "x": {"y": {}}}}),
                vec![],
            ),
            (
                json!({"spec": {"containers": [{"name": "api", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}, "ports": [{"containerPort": 80}]}]}}),
                vec![],
            ),
            (
                json!({"spec": {"containers": [{"name": "api", "resources": {"limits": {"cpu": "2"}}}]}}),
                vec!["spec.containers[name=api].resources.limits.cpu"],
            ),
            (
                json!({"spec": {"containers": [{"name": "web"}]}}),
                vec!["spec.containers[name=web]"],
            ),
            (
                json!({"metadata": {"labels": {"a.b/c": "x"}}}),
                vec!["metadata.labels[\"a.b/c\"]"],
            ),
            (json!({"spec": {"replicas": 3}}), vec!["spec.replicas"]),
            (json!({"kind": "Secret", "stringData": {"a": "b"}}), vec![]),
        ] {
            let found: Vec<String> = compare(&declared, &live)
                .into_iter()
                .map(|change| change.path)
                .collect();
            assert_eq!(found, paths, "{declared}");
        }
        assert!(
            compare(
                &json!({"kind": "Deployment", "spec": {"selector": {"matchLabels": {"a": "x"}}}}),
                &live
            )[0]
            .forces_replacement
        );
    }

    #[test]
    fn what_the_server_refuses_to_change_forces_a_replacement() {
        for (kind, live, declared) in [
            (
                "Job",
                json!({"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}),
                json!({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}),
            ),
            (
                "StatefulSet",
                json!({"spec": {"serviceName": "a"}}),
                json!({"spec": {"serviceName": "b"}}),
            ),
            (
                "Service",
                json!({"spec": {"clusterIP": "10.0.0.7"}}),
                json!({"spec": {"clusterIP": "None"}}),
            ),
            (
                "RoleBinding",
                json!({"roleRef": {"name": "a"}}),
                json!({"roleRef": {"name": "b"}}),
            ),
            ("PriorityClass", json!({"value": 1}), json!({"value": 2})),
            (
                "ConfigMap",
                json!({"immutable": true, "data": {"a": "b"}}),
                json!({"immutable": true, "data": {"a": "c"}}),
            ),
            (
                "ConfigMap",
                json!({"immutable": true, "data": {"a": "b"}}),
                json!({"immutable": false, "data": {"a": "b"}}),
            ),
        ] {
            let (mut live, mut declared) = (live, declared);
            live["kind"] = json!(kind);
            declared["kind"] = json!(kind);
            let changes = compare(&declared, &live);
            assert!(
                changes.len() == 1 && changes[0].forces_replacement,
                "{kind}: {changes:?}"
            );
        }
        for (kind, live, declared) in [
            (
                "ConfigMap",
                json!({"data": {"a": "b"}}),
                json!({"immutable": true, "data": {"a": "c"}}),
            ),
            (
                "ConfigMap",
                json!({"immutable": true, "metadata": {"labels": {"a": "b"}}}),
                json!({"metadata": {"labels": {"a": "c"}}}),
            ),
            (
                "Service",
                json!({"spec": {"type": "ClusterIP"}}),
                json!({"spec": {"type": "NodePort"}}),
            ),
        ] {
            let (mut live, mut declared) = (live, declared);
            live["kind"] = json!(kind);
            declared["kind"] = json!(kind);
            let changes = compare(&declared, &live);
            assert!(
                !changes.is_empty() && changes.iter().all(|change| !change.forces_replacement),
                "{kind}: {changes:?}"
            );
        }
    }

    #[test]
    fn what_is_not_declared_any_more_is_removed() {
        let live = json!({"kind": "Job", "spec": {"parallelism": 1, "template": {"spec": {"containers": [
            {"name": "api", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}});
        let applied = json!({"metadata": {"labels": {"old": "x", "kept": "y"}}, "spec": {"template": {"spec": {"containers": [
            {"name": "api", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}], "ports": [{"containerPort": 80}], "tty": false}]}}}});
        let declared = json!({"kind": "Job", "metadata": {"labels": {"kept": "z"}}, "spec": {"template": {"spec": {"containers": [
            {"name": "api", "env": [{"name": "A", "value": "3"}], "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}}});
        let found: Vec<(String, bool)> = removed(&declared, &applied, &live)
            .into_iter()
            .map(|change| {
                assert_eq!(change.after, None);
                (change.path, change.forces_replacement)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("metadata.labels.old".to_owned(), false),
                (
                    "spec.template.spec.containers[name=api].env[name=B]".to_owned(),
                    true
                )
            ]
        );
        assert_eq!(removed(&applied, &applied, &live), []);
    }
}
