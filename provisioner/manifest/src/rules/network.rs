//! Pods that no NetworkPolicy selects, and pods that may send anywhere.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::{Object, list};
use crate::text::quoted;
use crate::workload::pod;

/// Policies of one namespace that are compared with its pods. Whoever writes more has thought of them, and time is bounded.
const MOST: usize = 1_000;

/// The policies of a namespace, so that a pod need not be compared with each of them.
#[derive(Default)]
struct Policies<'a> {
    /// One selects every pod, or can't be understood here.
    all: bool,
    count: usize,
    /// Selectors by one label they ask for.
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Value>>,
    /// Selectors without `matchLabels`.
    others: Vec<&'a Value>,
}

impl<'a> Policies<'a> {
    fn add(&mut self, selector: &'a Value) {
        self.count += 1;
        self.all |= self.count > MOST;
        let label = selector["matchLabels"]
            .as_object()
            .and_then(|labels| labels.iter().next())
            .and_then(|(key, value)| Some((key.as_str(), value.as_str()?)));
        match label {
            Some(label) => self.by_label.entry(label).or_default().push(selector),
            None if list(selector, "matchExpressions").next().is_none() => self.all = true,
            None => self.others.push(selector),
        }
    }

    fn select(&self, labels: &Value) -> bool {
        self.all
            || self.others.iter().any(|one| selects(one, labels))
            || labels
                .as_object()
                .into_iter()
                .flatten()
                .any(|(key, value)| {
                    value
                        .as_str()
                        .and_then(|value| self.by_label.get(&(key.as_str(), value)))
                        .is_some_and(|some| some.iter().any(|one| selects(one, labels)))
                })
    }
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    equal
        && list(selector, "matchExpressions").all(|(_, expression)| {
            let label = expression["key"].as_str().and_then(|key| labels.get(key));
            let among = label.is_some_and(|label| {
                expression["values"]
                    .as_array()
                    .is_some_and(|values| values.contains(label))
            });
            match expression["operator"].as_str() {
                Some("In") => among,
                Some("NotIn") => !among,
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                _ => false,
            }
        })
}

/// The workloads whose pods may send anywhere, by index: no NetworkPolicy that is about egress selects them, or they use the node's network,
/// which policies leave alone. Policies of network plugins are not understood and confine nothing here.
///
/// <https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation>
pub(crate) fn unconfined(objects: &[Object<'_>]) -> Vec<usize> {
    let mut selectors: HashMap<&str, Vec<&Value>> = HashMap::new();
    for object in objects {
        let spec = &object.value["spec"];
        let about_egress = match spec["policyTypes"].as_array() {
            Some(types) => types.iter().any(|one| one == "Egress"),
            None => list(spec, "egress").next().is_some(),
        };
        if (object.group(), object.kind) == ("networking.k8s.io", "NetworkPolicy") && about_egress {
            let known = selectors.entry(object.home()).or_default();
            if known.len() < MOST {
                known.push(&spec["podSelector"]);
            }
        }
    }
    let confined = |object: &Object<'_>, labels: &Value, spec: &Value| {
        spec["hostNetwork"] != true
            && selectors
                .get(object.home())
                .is_some_and(|known| known.iter().any(|one| selects(one, labels)))
    };
    objects
        .iter()
        .filter(|object| object.kind != "PodTemplate")
        .filter_map(|object| Some((object, pod(object)?)))
        .filter(|(object, pod)| !confined(object, pod.labels, pod.spec))
        .map(|(object, _)| object.index)
        .collect()
}

pub(super) fn check(objects: &[Object<'_>], findings: &mut Findings<'_>) {
    let mut policies: HashMap<&str, Policies<'_>> = HashMap::new();
    let mut everywhere = false;
    for object in objects {
        match (object.group(), object.kind) {
            ("networking.k8s.io" | "extensions", "NetworkPolicy") => policies
                .entry(object.home())
                .or_default()
                .add(&object.value["spec"]["podSelector"]),
            // Of a network plugin: whom it selects is the plugin's to say.
            (_, kind) if kind.ends_with("NetworkPolicy") => match object.namespace {
                Some(namespace) => policies.entry(namespace).or_default().all = true,
                None => everywhere = true,
            },
            _ => {}
        }
    }
    if everywhere {
        return;
    }
    let mut unguarded: BTreeMap<&str, Vec<&Object<'_>>> = BTreeMap::new();
    for object in objects {
        let Some(pod) = pod(object) else { continue };
        if object.kind == "PodTemplate" {
            continue;
        }
        match policies.get(object.home()) {
            None => unguarded.entry(object.home()).or_default().push(object),
            Some(policies) if !policies.select(pod.labels) => {
                let message = format!(
                    "no NetworkPolicy of namespace `{}` selects its pods",
                    quoted(object.home())
                );
                findings.add(object, Code::WithoutNetworkPolicy, Spot::default(), message);
            }
            Some(_) => {}
        }
    }
    let spaces: HashMap<&str, &Object<'_>> = objects
        .iter()
        .filter(|object| (object.group(), object.kind) == ("", "Namespace"))
        .map(|object| (object.name, object))
        .collect();
    for (namespace, workloads) in unguarded {
        let Some(subject) = spaces.get(namespace).or(workloads.first()) else {
            continue;
        };
        let message = format!(
            "namespace `{}` has no NetworkPolicy for its {}",
            quoted(namespace),
            match workloads.len() {
                1 => "workload".to_owned(),
                many => format!("{many} workloads"),
            }
        );
        findings.add(
            subject,
            Code::WithoutNetworkPolicy,
            Spot::default(),
            message,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_confined_by_a_policy_about_egress_that_selects_it() {
        let workload = |name: &str, host: bool| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "demo"},
                "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": {"hostNetwork": host, "containers": []}}}})
        };
        let policy = |namespace: &str, spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": namespace}, "spec": spec});
        let all = |types: Value| json!({"podSelector": {}, "policyTypes": types});
        let api = || workload("api", false);
        for (objects, open) in [
            (vec![api()], vec![0]),
            (vec![api(), policy("demo", all(json!(["Egress"])))], vec![]),
            (
                vec![api(), policy("demo", all(json!(["Ingress"])))],
                vec![0],
            ),
            (
                vec![api(), policy("other", all(json!(["Egress"])))],
                vec![0],
            ),
            (
                vec![
                    api(),
                    policy("demo", json!({"podSelector": {}, "egress": [{}]})),
                ],
                vec![],
            ),
            (
                vec![api(), policy("demo", json!({"podSelector": {}}))],
                vec![0],
            ),
            (
                vec![
                    api(),
                    workload("web", false),
                    policy(
                        "demo",
                        json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}),
                    ),
                ],
                vec![0],
            ),
            (
                vec![
                    workload("node", true),
                    policy("demo", all(json!(["Egress"]))),
                ],
                vec![0],
            ),
        ] {
            let values: Vec<&Value> = objects.iter().collect();
            assert_eq!(crate::unconfined(&values), open, "{objects:?}");
        }
    }
}
