//! Pods that no NetworkPolicy selects.

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
