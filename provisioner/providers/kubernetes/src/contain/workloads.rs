//! What makes pods: stopped, and what would start it again.

use std::collections::BTreeSet;

use containment::Item;
use serde_json::{Value, json};

use super::undo;
use super::view::{Before, CONTAINED, View, state};
use crate::normal::text;

const WAVE: u8 = 2;
/// Before the workloads, for they start them again.
const SCALERS: u8 = 1;

/// Kinds that own others of these, or pods.
const OWNERS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "ReplicaSet",
    "ReplicationController",
    "DaemonSet",
    "CronJob",
    "Job",
];

pub(super) fn items(view: &View) -> Vec<Item> {
    let known = owners(view);
    let mut items = Vec::new();
    items.extend(
        view.of("HorizontalPodAutoscaler")
            .iter()
            .map(|scaler| scaler_item(view, scaler)),
    );
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
    ] {
        items.extend(
            view.of(kind)
                .iter()
                .filter(|object| owner(object, &known).is_none())
                .map(|object| scaled(view, api_version, kind, object)),
        );
    }
    items.extend(
        view.of("DaemonSet")
            .iter()
            .map(|object| banned(view, object)),
    );
    for kind in ["CronJob", "Job"] {
        items.extend(
            view.of(kind)
                .iter()
                .filter(|object| kind == "CronJob" || !finished(object))
                .map(|object| suspended(view, kind, object)),
        );
    }
    items
}

/// Identities of everything that may own a pod and is looked after here.
pub(super) fn owners(view: &View) -> BTreeSet<String> {
    OWNERS
        .iter()
        .flat_map(|kind| view.of(kind))
        .map(|object| text(object, "/metadata/uid").to_owned())
        .collect()
}

/// `KIND/NAME` of the controller, if it is one of those looked after here: an object may claim any owner.
pub(super) fn owner(object: &Value, known: &BTreeSet<String>) -> Option<String> {
    object
        .pointer("/metadata/ownerReferences")?
        .as_array()?
        .iter()
        .find(|owner| {
            owner.get("controller") == Some(&json!(true)) && known.contains(text(owner, "/uid"))
        })
        .map(|owner| format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
}

fn scaled(view: &View, api_version: &str, kind: &str, object: &Value) -> Item {
    // One where the field is not set (Kubernetes API, `DeploymentSpec`).
    let replicas = object
        .pointer("/spec/replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let before = Before::of(object, api_version, kind, json!({"replicas": replicas}));
    let target = format!("{}/{}", kind.to_lowercase(), before.name);
    let count = format!("--replicas={replicas}");
    let undo = undo::kubectl(view, &before.namespace, &["scale", &target, &count]);
    let note = format!("{replicas} replicas");
    before.item(WAVE, state(replicas > 0), &note, "scale to 0", undo)
}

fn banned(view: &View, object: &Value) -> Item {
    let selector = object.pointer("/spec/template/spec/nodeSelector").cloned();
    let open = selector
        .as_ref()
        .is_none_or(|selector| selector.get(CONTAINED).is_none());
    let before = Before::of(
        object,
        "apps/v1",
        "DaemonSet",
        json!({"nodeSelector": selector}),
    );
    let back = json!({"spec": {"template": {"spec": {"nodeSelector": {CONTAINED: null}}}}});
    let undo = undo::patch(view, &before, &back);
    before.item(
        WAVE,
        state(open),
        "",
        "give it a node selector that no node has",
        undo,
    )
}

fn suspended(view: &View, kind: &str, object: &Value) -> Item {
    let suspend = object.pointer("/spec/suspend") == Some(&json!(true));
    let before = Before::of(object, "batch/v1", kind, json!({"suspend": suspend}));
    let undo = undo::patch(view, &before, &json!({"spec": {"suspend": suspend}}));
    before.item(WAVE, state(!suspend), "", "suspend", undo)
}

fn finished(job: &Value) -> bool {
    job.pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| {
            matches!(text(condition, "/type"), "Complete" | "Failed")
                && text(condition, "/status") == "True"
        })
}

/// A scaler leaves a target of no replicas alone unless its own least number is none (Kubernetes, "Horizontal Pod Autoscaling",
/// implicit maintenance-mode deactivation).
fn scaler_item(view: &View, scaler: &Value) -> Item {
    let least = scaler.pointer("/spec/minReplicas").and_then(Value::as_u64);
    let open = least == Some(0);
    let before = Before::of(
        scaler,
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        json!({"minReplicas": least}),
    );
    let undo = undo::patch(view, &before, &json!({"spec": {"minReplicas": least}}));
    let note = match open {
        true => "may scale up from 0",
        false => "leaves a target of 0 replicas alone",
    };
    before.item(SCALERS, state(open), note, "set minReplicas to 1", undo)
}

/// What closes an object, as a JSON merge patch.
pub(super) fn patch(before: &Before) -> Option<Value> {
    Some(match before.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
            json!({"spec": {"replicas": 0}})
        }
        "DaemonSet" => {
            json!({"spec": {"template": {"spec": {"nodeSelector": {CONTAINED: "true"}}}}})
        }
        "CronJob" | "Job" => json!({"spec": {"suspend": true}}),
        "HorizontalPodAutoscaler" => json!({"spec": {"minReplicas": 1}}),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use containment::State;

    use super::*;

    fn view(kind: &'static str, object: Value) -> View {
        View {
            context: "c".to_owned(),
            objects: [(kind, vec![object])].into(),
            ..View::default()
        }
    }

    #[test]
    fn what_is_open_and_how_it_comes_back() {
        let meta = json!({"name": "x", "namespace": "n", "uid": "u"});
        let patch = |kind: &str, back: &str| {
            format!("kubectl --context c -n n patch {kind} x '--type=merge' -p '{back}'")
        };
        for (kind, spec, state, undo) in [
            (
                "Deployment",
                json!({"replicas": 3}),
                State::Open,
                "kubectl --context c -n n scale deployment/x '--replicas=3'".to_owned(),
            ),
            (
                "StatefulSet",
                json!({}),
                State::Open,
                "kubectl --context c -n n scale statefulset/x '--replicas=1'".to_owned(),
            ),
            (
                "ReplicaSet",
                json!({"replicas": 0}),
                State::Closed,
                "kubectl --context c -n n scale replicaset/x '--replicas=0'".to_owned(),
            ),
            (
                "DaemonSet",
                json!({"template": {"spec": {}}}),
                State::Open,
                patch(
                    "daemonset",
                    r#"{"spec":{"template":{"spec":{"nodeSelector":{"rebuild.dev/contained":null}}}}}"#,
                ),
            ),
            (
                "CronJob",
                json!({}),
                State::Open,
                patch("cronjob", r#"{"spec":{"suspend":false}}"#),
            ),
            (
                "Job",
                json!({"suspend": true}),
                State::Closed,
                patch("job", r#"{"spec":{"suspend":true}}"#),
            ),
            (
                "HorizontalPodAutoscaler",
                json!({"minReplicas": 0}),
                State::Open,
                patch("horizontalpodautoscaler", r#"{"spec":{"minReplicas":0}}"#),
            ),
            (
                "HorizontalPodAutoscaler",
                json!({"minReplicas": 2}),
                State::Closed,
                patch("horizontalpodautoscaler", r#"{"spec":{"minReplicas":2}}"#),
            ),
        ] {
            let found = items(&view(kind, json!({"metadata": meta, "spec": spec})));
            assert_eq!(found.len(), 1, "{kind}");
            assert_eq!((found[0].state, &found[0].undo), (state, &undo), "{kind}");
            let before = Before::read(&found[0]).expect("it is one of ours");
            assert!(super::patch(&before).is_some(), "{kind}");
        }
        let done = json!({"metadata": meta, "status": {"conditions": [{"type": "Complete", "status": "True"}]}});
        assert_eq!(items(&view("Job", done)), []);
    }

    #[test]
    fn an_owner_counts_only_if_it_is_looked_after() {
        let object = |uid: &str, controller: bool| json!({"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "d", "uid": uid, "controller": controller}]}});
        let known = BTreeSet::from(["known".to_owned()]);
        assert_eq!(
            owner(&object("known", true), &known).as_deref(),
            Some("Deployment/d")
        );
        assert_eq!(owner(&object("known", false), &known), None);
        assert_eq!(owner(&object("claimed", true), &known), None);
    }
}
