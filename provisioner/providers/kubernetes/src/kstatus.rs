//! When an object has become what was asked for: the rules of `kstatus` (sigs.k8s.io/cli-utils, "Status"), on plain JSON.

use serde_json::Value;

/// The state of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is what was asked for.
    Current,
    /// It is on its way; what it waits for.
    InProgress(String),
    /// It won't get there by itself; why.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

fn says(condition: &Value) -> String {
    [text(condition, "/reason"), text(condition, "/message")]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(": ")
}

fn waits(why: impl Into<String>) -> Status {
    Status::InProgress(why.into())
}

/// The state of any object.
pub fn status(object: &Value) -> Status {
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null())
    {
        return Status::Terminating;
    }
    if let (Some(generation), Some(observed)) = (
        number(object, "/metadata/generation"),
        number(object, "/status/observedGeneration"),
    ) && observed < generation
    {
        return waits("its controller has not seen the change yet");
    }
    match text(object, "/kind") {
        "Deployment" => deployment(object),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "ReplicaSet" => replica_set(object),
        "Job" => job(object),
        "Pod" => pod(object),
        "Namespace" => match text(object, "/status/phase") {
            "Active" => Status::Current,
            phase => waits(format!("phase is `{phase}`")),
        },
        "CustomResourceDefinition" => {
            if let Some(refused) = condition(object, "NamesAccepted")
                .filter(|condition| text(condition, "/status") == "False")
            {
                return Status::Failed(says(refused));
            }
            if holds(object, "Established") {
                Status::Current
            } else {
                waits("not established")
            }
        }
        // Bound by its first user or by a provisioner that may not be there: nothing waits for it.
        "PersistentVolumeClaim" => match text(object, "/status/phase") {
            "Lost" => Status::Failed("its volume is lost".to_owned()),
            _ => Status::Current,
        },
        _ => generic(object),
    }
}

fn generic(object: &Value) -> Status {
    if let Some(stalled) =
        condition(object, "Stalled").filter(|condition| text(condition, "/status") == "True")
    {
        return Status::Failed(says(stalled));
    }
    if let Some(busy) =
        condition(object, "Reconciling").filter(|condition| text(condition, "/status") == "True")
    {
        return waits(says(busy));
    }
    match condition(object, "Ready") {
        Some(ready) if text(ready, "/status") != "True" => waits(says(ready)),
        _ => Status::Current,
    }
}

/// Without an observed generation its controller has not looked at it.
fn unseen(object: &Value) -> Option<Status> {
    number(object, "/status/observedGeneration")
        .is_none()
        .then(|| waits("its controller has not seen it yet"))
}

fn count(object: &Value, name: &str) -> i64 {
    number(object, &format!("/status/{name}")).unwrap_or(0)
}

fn deployment(object: &Value) -> Status {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    if let Some(progress) = condition(object, "Progressing")
        && text(progress, "/reason") == "ProgressDeadlineExceeded"
    {
        return Status::Failed(says(progress));
    }
    // No pod is there whose own reason could be told.
    if let Some(failure) =
        condition(object, "ReplicaFailure").filter(|condition| text(condition, "/status") == "True")
    {
        return waits(says(failure));
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let (all, updated, ready, available) = (
        count(object, "replicas"),
        count(object, "updatedReplicas"),
        count(object, "readyReplicas"),
        count(object, "availableReplicas"),
    );
    if updated < wanted {
        return waits(format!("{updated} of {wanted} pods are updated"));
    }
    if all > updated {
        return waits(format!("{} old pods are still there", all - updated));
    }
    if available < wanted || ready < wanted {
        return waits(format!(
            "{} of {wanted} pods are ready",
            available.min(ready)
        ));
    }
    if wanted > 0 && condition(object, "Available").is_some() && !holds(object, "Available") {
        return waits("it is not available");
    }
    Status::Current
}

fn replica_set(object: &Value) -> Status {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    if let Some(failure) =
        condition(object, "ReplicaFailure").filter(|condition| text(condition, "/status") == "True")
    {
        return waits(says(failure));
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let ready = count(object, "readyReplicas").min(count(object, "availableReplicas"));
    if ready < wanted || count(object, "replicas") > wanted {
        return waits(format!("{ready} of {wanted} pods are ready"));
    }
    Status::Current
}

fn stateful_set(object: &Value) -> Status {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Status::Current;
    }
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let ready = count(object, "readyReplicas");
    if ready < wanted || count(object, "replicas") != wanted {
        return waits(format!("{ready} of {wanted} pods are ready"));
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let updated = count(object, "updatedReplicas");
    if partition > 0 {
        return if updated < wanted - partition {
            waits(format!(
                "{updated} of {} pods are updated",
                wanted - partition
            ))
        } else {
            Status::Current
        };
    }
    if text(object, "/status/currentRevision") != text(object, "/status/updateRevision") {
        return waits("pods of the old revision are still there");
    }
    Status::Current
}

fn daemon_set(object: &Value) -> Status {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let wanted = count(object, "desiredNumberScheduled");
    let (updated, ready, available) = (
        count(object, "updatedNumberScheduled"),
        count(object, "numberReady"),
        count(object, "numberAvailable"),
    );
    let done = updated.min(ready).min(available);
    if count(object, "currentNumberScheduled") < wanted || done < wanted {
        return waits(format!("{done} of {wanted} pods are ready"));
    }
    Status::Current
}

fn job(object: &Value) -> Status {
    if let Some(failed) =
        condition(object, "Failed").filter(|condition| text(condition, "/status") == "True")
    {
        return Status::Failed(says(failed));
    }
    // More than kstatus asks: what follows a job stands on what it did, so it is awaited to its end.
    if holds(object, "Complete") {
        Status::Current
    } else {
        waits("it has not completed")
    }
}

fn pod(object: &Value) -> Status {
    let ready = condition(object, "Ready");
    match text(object, "/status/phase") {
        "Succeeded" => Status::Current,
        "Failed" => Status::Failed(reason(object)),
        "Running" if holds(object, "Ready") => Status::Current,
        "Running" if ready.is_some() && reason(object).is_empty() => {
            waits(ready.map(says).unwrap_or_default())
        }
        _ => waits(reason(object)),
    }
}

/// What keeps an object that is being deleted: what a namespace reports of itself (Kubernetes API, NamespaceStatus), else its finalizers.
pub fn held_by(object: &Value) -> String {
    let mut reasons: Vec<String> = object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|condition| {
            text(condition, "/type").starts_with("Namespace")
                && text(condition, "/status") == "True"
        })
        .map(says)
        .collect();
    let finalizers: Vec<&str> = object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if !finalizers.is_empty() {
        reasons.push(format!("finalizers: {}", finalizers.join(", ")));
    }
    if reasons.is_empty() {
        reasons.push("nothing says what it waits for".to_owned());
    }
    reasons.join("; ")
}

/// Why a pod does not run: its containers' reasons, else what the scheduler says, else its phase.
pub fn reason(pod: &Value) -> String {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    for container in lists
        .iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
    {
        for state in [
            "/state/waiting",
            "/state/terminated",
            "/lastState/terminated",
        ] {
            if let Some(state) = container
                .pointer(state)
                .filter(|state| !matches!(text(state, "/reason"), "" | "Completed"))
            {
                return format!("container `{}`: {}", text(container, "/name"), says(state));
            }
        }
    }
    for kind in ["PodScheduled", "Initialized", "ContainersReady", "Ready"] {
        if let Some(open) =
            condition(pod, kind).filter(|condition| text(condition, "/status") != "True")
        {
            return says(open);
        }
    }
    match text(pod, "/status/reason") {
        "" => format!("phase is `{}`", text(pod, "/status/phase")),
        reason => format!("{reason}: {}", text(pod, "/status/message")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn progress(object: Value) -> bool {
        matches!(status(&object), Status::InProgress(_))
    }

    #[test]
    fn current() {
        for object in [
            json!({"kind": "ConfigMap"}),
            json!({"kind": "Namespace", "status": {"phase": "Active"}}),
            json!({"kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}),
            json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}}),
            json!({"kind": "Deployment", "spec": {"replicas": 0}, "status": {"observedGeneration": 1}}),
            json!({"kind": "StatefulSet", "spec": {"replicas": 1}, "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a"}}),
            json!({"kind": "DaemonSet", "status": {"observedGeneration": 1, "desiredNumberScheduled": 0}}),
            json!({"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
            json!({"kind": "Pod", "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}),
            json!({"kind": "CustomResourceDefinition", "status": {"conditions": [{"type": "Established", "status": "True"}]}}),
        ] {
            assert_eq!(status(&object), Status::Current, "{object}");
        }
    }

    #[test]
    fn on_the_way() {
        for object in [
            json!({"kind": "Deployment", "metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
            json!({"kind": "Deployment", "spec": {"replicas": 1}}),
            json!({"kind": "Deployment", "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2}}),
            json!({"kind": "StatefulSet", "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "b"}}),
            json!({"kind": "DaemonSet", "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberReady": 1}}),
            json!({"kind": "Job", "status": {"active": 1}}),
            json!({"kind": "Pod", "status": {"phase": "Pending"}}),
            json!({"kind": "CustomResourceDefinition", "status": {}}),
            json!({"kind": "Namespace", "status": {}}),
        ] {
            assert!(progress(object.clone()), "{object}");
        }
    }

    #[test]
    fn failed_and_ending() {
        for object in [
            json!({"kind": "Deployment", "status": {"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}}),
            json!({"kind": "Job", "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}),
            json!({"kind": "Pod", "status": {"phase": "Failed"}}),
        ] {
            assert!(matches!(status(&object), Status::Failed(_)), "{object}");
        }
        assert_eq!(
            status(
                &json!({"kind": "Pod", "metadata": {"deletionTimestamp": "2026-11-24T00:00:00Z"}})
            ),
            Status::Terminating
        );
    }

    #[test]
    fn what_keeps_an_object() {
        let namespace = json!({"kind": "Namespace", "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "reason": "ResourcesDiscovered", "message": "fine"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain", "message": "example.com/hold in 1 resource instances"}]}});
        assert_eq!(
            held_by(&namespace),
            "SomeFinalizersRemain: example.com/hold in 1 resource instances"
        );
        assert_eq!(
            held_by(&json!({"metadata": {"finalizers": ["a", "b"]}})),
            "finalizers: a, b"
        );
        assert_eq!(held_by(&json!({})), "nothing says what it waits for");
    }

    #[test]
    fn a_pods_reason() {
        let pulling = json!({"status": {"phase": "Pending", "containerStatuses": [{"name": "api", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}});
        assert_eq!(
            reason(&pulling),
            "container `api`: ImagePullBackOff: no such image"
        );
        let unscheduled = json!({"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]}});
        assert_eq!(
            reason(&unscheduled),
            "Unschedulable: 0/3 nodes are available"
        );
    }
}
