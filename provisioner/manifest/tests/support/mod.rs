//! A set of objects about which there is nothing to say, and ways to spoil it.
#![allow(dead_code)]

use manifest::{Finding, Policy, check};
use serde_json::{Value, json};

pub const DIGEST: &str = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A container without fault.
pub fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": format!("registry.example/{name}{DIGEST}"),
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": 1, "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}},
    })
}

/// The spec of a pod without fault.
pub fn pod_spec() -> Value {
    json!({"containers": [container("main")]})
}

/// A workload of any built-in kind, with its pod's spec in the right place.
pub fn workload(api_version: &str, kind: &str, spec: Value) -> Value {
    let labels = json!({"app": "demo"});
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "demo", "namespace": "shop", "labels": labels}});
    match kind {
        "Pod" => object["spec"] = spec,
        "PodTemplate" => object["template"] = template,
        "ReplicationController" => {
            object["spec"] = json!({"selector": labels, "template": template})
        }
        "Job" => {
            object["spec"] = json!({"template": template});
            object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        }
        "CronJob" => {
            object["spec"] =
                json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}});
        }
        _ => object["spec"] = json!({"selector": {"matchLabels": labels}, "template": template}),
    }
    object
}

pub fn deployment(spec: Value) -> Value {
    workload("apps/v1", "Deployment", spec)
}

/// A namespace and a policy that selects everything in it.
pub fn around() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "all", "namespace": "shop"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
    ]
}

/// An object of the core group, in the namespace.
pub fn core(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}})
}

pub fn checked(objects: &[Value]) -> Vec<Finding> {
    with(objects, &Policy::default())
}

pub fn with(objects: &[Value], policy: &Policy) -> Vec<Finding> {
    let objects: Vec<&Value> = objects.iter().collect();
    check(&objects, policy)
}

/// `CODE PATH` of everything found.
pub fn told(objects: &[Value]) -> Vec<String> {
    checked(objects)
        .iter()
        .map(|finding| {
            format!("{} {}", finding.code, finding.path)
                .trim_end()
                .to_owned()
        })
        .collect()
}

/// [`told`] of the object together with what is [`around`] it.
pub fn told_of(object: Value) -> Vec<String> {
    let mut objects = around();
    objects.push(object);
    told(&objects)
}

/// A copy with one value more, made where there is none.
pub fn put(mut object: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut object;
    for part in pointer.split('/').skip(1) {
        at = match part.parse::<usize>() {
            Ok(index) => {
                if at.is_null() {
                    *at = json!([]);
                }
                let list = at.as_array_mut().unwrap();
                while list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            Err(_) => &mut at[part],
        };
    }
    *at = value;
    object
}

/// A copy without a field.
pub fn without(mut object: Value, pointer: &str) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    object
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(field);
    object
}
