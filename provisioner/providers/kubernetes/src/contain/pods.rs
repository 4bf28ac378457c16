//! Pods, which may outlive what made them, and those that nothing made.

use containment::Item;
use executor::provider::{Error, ErrorKind};
use serde_json::{Value, json};

use super::view::{Before, View, state};
use super::workloads::{owner, owners};
use super::{manifest, undo};
use crate::normal::{mark, text};

const WAVE: u8 = 3;
/// Seconds that a pod has left. None at all would take the object away without waiting for its containers to end (Kubernetes, "Pod
/// Lifecycle", forced termination).
pub(super) const GRACE: u32 = 1;
/// Annotation of the copy of a pod that a node runs from a file (Kubernetes, "Create static Pods").
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The pods, and those that can't be stopped from here.
pub(super) fn items(view: &View) -> (Vec<Item>, Vec<Error>) {
    let known = owners(view);
    let (mut items, mut beyond) = (Vec::new(), Vec::new());
    for pod in view.of("Pod") {
        // Its containers have ended.
        if matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
            continue;
        }
        if mark(pod, "annotations", MIRROR).is_some() {
            let what = format!(
                "stop the pod {}/{}",
                text(pod, "/metadata/namespace"),
                text(pod, "/metadata/name")
            );
            let why = format!(
                "it is a static pod, which only its node {} can stop",
                text(pod, "/spec/nodeName")
            );
            beyond.push(Error::new(ErrorKind::Unavailable, what, why));
            continue;
        }
        items.push(item(view, pod, owner(pod, &known)));
    }
    (items, beyond)
}

fn item(view: &View, pod: &Value, owner: Option<String>) -> Item {
    let ending = pod
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null())
        && pod
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_u64)
            .is_some_and(|grace| grace <= u64::from(GRACE));
    let (note, found, undo) = match owner {
        Some(owner) => (
            format!("of {owner}"),
            json!({"owner": owner}),
            format!("can't be taken back; {owner} makes a new one when it is started again"),
        ),
        None => {
            let kept = manifest::of_pod(pod);
            let privileged = if is_privileged(pod) {
                ", privileged"
            } else {
                ""
            };
            (
                format!("of no workload{privileged}"),
                json!({"manifest": kept}),
                format!(
                    "{}, with the manifest kept here and what was withheld of it",
                    undo::kubectl(view, "", &["create", "-f", "-"])
                ),
            )
        }
    };
    Before::of(pod, "v1", "Pod", found).item(WAVE, state(!ending), &note, "delete", undo)
}

fn is_privileged(pod: &Value) -> bool {
    let host = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .any(|field| pod.pointer(&format!("/spec/{field}")) == Some(&json!(true)));
    let containers = ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .filter_map(|field| pod.pointer(&format!("/spec/{field}"))?.as_array())
        .flatten();
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    host || containers
        .into_iter()
        .any(|container| container.pointer("/securityContext/privileged") == Some(&json!(true)))
        || volumes
            .into_iter()
            .flatten()
            .any(|volume| volume.get("hostPath").is_some())
}

#[cfg(test)]
mod tests {
    use containment::State;

    use super::*;

    #[test]
    fn which_pods_are_open() {
        let pod = |metadata: Value, phase: &str| {
            let mut pod = json!({"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"nodeName": "a"}, "status": {"phase": phase}});
            for (name, value) in metadata.as_object().into_iter().flatten() {
                pod["metadata"][name] = value.clone();
            }
            pod
        };
        let ending = |grace: u64| json!({"deletionTimestamp": "2026-11-24T02:00:00Z", "deletionGracePeriodSeconds": grace});
        let states = |pod: Value| {
            let view = View {
                objects: [("Pod", vec![pod])].into(),
                ..View::default()
            };
            let (items, beyond) = items(&view);
            let states: Vec<State> = items.iter().map(|item| item.state).collect();
            (states, beyond.len())
        };
        for (pod, wanted) in [
            (pod(json!({}), "Running"), (vec![State::Open], 0)),
            (pod(json!({}), "Pending"), (vec![State::Open], 0)),
            (pod(ending(3600), "Running"), (vec![State::Open], 0)),
            (pod(ending(1), "Running"), (vec![State::Closed], 0)),
            (pod(json!({}), "Succeeded"), (vec![], 0)),
            (
                pod(json!({"annotations": {MIRROR: "x"}}), "Running"),
                (vec![], 1),
            ),
        ] {
            assert_eq!(states(pod.clone()), wanted, "{pod}");
        }
    }
}
