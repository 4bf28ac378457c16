//! What lets packets in and out: policies, Ingresses, Services.

use containment::Item;
use planner::identity::labels;
use serde_json::{Map, Value, json};

use super::undo;
use super::view::{Before, NAME, View, state};
use crate::normal::{mark, text};

const WAVE: u8 = 0;
const POLICY: &str = "networking.k8s.io/v1";
/// The annotation that named an Ingress' class before the field did; controllers prefer it.
const CLASS: &str = "kubernetes.io/ingress.class";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Fields of a Service that go, or may not stay, with a type that is reached from outside.
const OUTSIDE: [&str; 8] = [
    "externalIPs",
    "loadBalancerIP",
    "loadBalancerClass",
    "loadBalancerSourceRanges",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "allocateLoadBalancerNodePorts",
    "ports",
];

pub(super) fn items(view: &View) -> Vec<Item> {
    let mut items = Vec::new();
    for namespace in view.namespaces.iter().filter(|found| !found.ending) {
        let there = view.of("NetworkPolicy").iter().any(|policy| {
            text(policy, "/metadata/name") == NAME
                && text(policy, "/metadata/namespace") == namespace.name
        });
        let unknown = view
            .unlisted
            .contains(&("NetworkPolicy", namespace.name.clone()));
        if !there {
            let wanted = json!({"metadata": {"name": NAME, "namespace": namespace.name}});
            let before = Before::of(&wanted, POLICY, "NetworkPolicy", Value::Null);
            let words = ["delete", "networkpolicy", NAME];
            let undo = undo::kubectl(view, &namespace.name, &words);
            let note = match unknown {
                true => "allows nothing in or out; whether others allow something is not known",
                false => "allows nothing in or out",
            };
            items.push(before.item(WAVE, state(true), note, "create", undo));
        }
    }
    items.extend(
        view.of("NetworkPolicy")
            .iter()
            .map(|policy| policy_item(view, policy)),
    );
    items.extend(
        view.of("Ingress")
            .iter()
            .map(|ingress| ingress_item(view, ingress)),
    );
    items.extend(
        view.of("Service")
            .iter()
            .filter_map(|service| service_item(view, service)),
    );
    items
}

/// Policies add up: what one allows, no other takes back (Kubernetes, "Network Policies"). So none may allow anything.
fn policy_item(view: &View, policy: &Value) -> Item {
    let spec = policy.get("spec").cloned().unwrap_or_default();
    let ours = text(policy, "/metadata/name") == NAME;
    let allows = ["ingress", "egress"]
        .iter()
        .any(|field| filled(&spec, field));
    let open = allows || ours && !denies_all(&spec);
    let note = match (ours, allows) {
        (true, _) => "allows nothing in or out",
        (false, true) => "allows traffic",
        (false, false) => "allows nothing",
    };
    let found = json!({
        "ingress": spec.get("ingress"), "egress": spec.get("egress"),
        "policyTypes": spec.get("policyTypes"), "podSelector": spec.get("podSelector"),
    });
    let before = Before::of(policy, POLICY, "NetworkPolicy", found.clone());
    let undo = match ours {
        true => undo::kubectl(
            view,
            &before.namespace,
            &["delete", "networkpolicy", &before.name],
        ),
        false => undo::patch(
            view,
            &before,
            &json!({"spec": {"ingress": found["ingress"], "egress": found["egress"]}}),
        ),
    };
    before.item(WAVE, state(open), note, "take its rules out", undo)
}

fn filled(spec: &Value, field: &str) -> bool {
    spec.get(field)
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty())
}

fn denies_all(spec: &Value) -> bool {
    let selects_all = spec
        .get("podSelector")
        .and_then(Value::as_object)
        .is_none_or(|selector| {
            selector
                .values()
                .all(|part| matches!(part, Value::Null) || part == &json!({}) || part == &json!([]))
        });
    let types = spec
        .get("policyTypes")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    selects_all
        && ["Ingress", "Egress"]
            .iter()
            .all(|wanted| types.contains(&json!(wanted)))
}

fn ingress_item(view: &View, ingress: &Value) -> Item {
    let class = ingress.pointer("/spec/ingressClassName").cloned();
    let annotation = mark(ingress, "annotations", CLASS);
    let open =
        class.as_ref() != Some(&json!(NAME)) || annotation.is_some_and(|class| class != NAME);
    let found = json!({"ingressClassName": class, "annotation": annotation});
    let before = Before::of(ingress, POLICY, "Ingress", found);
    let mut back = json!({"spec": {"ingressClassName": class}});
    if let Some(annotation) = annotation {
        back["metadata"] = json!({"annotations": {CLASS: annotation}});
    }
    let undo = undo::patch(view, &before, &back);
    let action = "give it a class that no controller serves";
    before.item(WAVE, state(open), "leads traffic in", action, undo)
}

/// Services that nothing outside reaches are none.
fn service_item(view: &View, service: &Value) -> Option<Item> {
    let kind = text(service, "/spec/type");
    let spec = service.get("spec")?;
    let addresses = filled(spec, "externalIPs");
    if !(matches!(kind, "LoadBalancer" | "NodePort") || addresses && kind != "ExternalName") {
        return None;
    }
    let mut found: Map<String, Value> = OUTSIDE
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), spec.get(*field)?.clone())))
        .collect();
    found.insert("type".to_owned(), json!(kind));
    let mut back = json!({"spec": found});
    if let Some(ranges) = mark(service, "annotations", RANGES) {
        back["metadata"] = json!({"annotations": {RANGES: ranges}});
    }
    let before = Before::of(service, "v1", "Service", back.clone());
    let mut undo = undo::patch(view, &before, &back);
    if kind == "LoadBalancer" {
        undo.push_str(" # the provider may hand out another address");
    }
    let note = format!("reached from outside as {kind}");
    let action = "make it a ClusterIP without external addresses";
    Some(before.item(WAVE, state(true), &note, action, undo))
}

/// The policy that allows nothing.
pub(super) fn deny_all(environment: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": POLICY, "kind": "NetworkPolicy",
        "metadata": {"name": NAME, "namespace": namespace, "labels": {labels::ENVIRONMENT: environment}},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    })
}

/// What closes an object, as a JSON merge patch.
pub(super) fn patch(before: &Before) -> Option<Value> {
    let found = &before.found;
    Some(match before.kind.as_str() {
        "NetworkPolicy" if before.name == NAME => json!({"spec": {
            "podSelector": {"matchLabels": null, "matchExpressions": null},
            "policyTypes": ["Ingress", "Egress"], "ingress": null, "egress": null,
        }}),
        "NetworkPolicy" => json!({"spec": {"ingress": null, "egress": null}}),
        "Ingress" => {
            let mut patch = json!({"spec": {"ingressClassName": NAME}});
            if found["annotation"].is_string() {
                patch["metadata"] = json!({"annotations": {CLASS: NAME}});
            }
            patch
        }
        "Service" => {
            let mut spec: Map<String, Value> = OUTSIDE
                .iter()
                .filter(|field| **field != "ports")
                .map(|field| ((*field).to_owned(), Value::Null))
                .collect();
            spec.insert("type".to_owned(), json!("ClusterIP"));
            if let Some(ports) = found.pointer("/spec/ports").and_then(Value::as_array) {
                let mut ports = ports.clone();
                for port in ports.iter_mut().filter_map(Value::as_object_mut) {
                    port.remove("nodePort");
                }
                spec.insert("ports".to_owned(), ports.into());
            }
            json!({"spec": spec, "metadata": {"annotations": {RANGES: null}}})
        }
        _ => return None,
    })
}
