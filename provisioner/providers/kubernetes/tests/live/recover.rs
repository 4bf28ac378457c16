//! Pods replaced, nodes emptied, workloads stopped and started.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use executor::provider::{Ensure, Error, ErrorKind, Provider};
use planner::recovery::{self, Asked, Cluster, PodState};
use planner::reference::Outputs;
use planner::{Action, Resource, Step};
use provider_kubernetes::{Kubernetes, Recovery};
use serde_json::{Value, json};

use crate::support::*;

async fn seen(cluster: &Kubernetes, namespace: &str) -> Cluster {
    let scope = scope(namespace);
    cluster
        .recoverable(
            namespace,
            &scope.generation,
            &BTreeSet::from([namespace.to_owned()]),
        )
        .await
        .unwrap()
}

/// A namespace with a Deployment of two that serve, and a budget.
async fn two(cluster: &Kubernetes, namespace_: &str) {
    let scope = scope(namespace_);
    apply(cluster, &scope, namespace(namespace_)).await.unwrap();
    apply(cluster, &scope, deployment(namespace_, "16Mi"))
        .await
        .unwrap();
    let budget = json!({"object": {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "api", "namespace": namespace_},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "api"}}}}});
    apply(cluster, &scope, budget).await.unwrap();
    // The controller fills it in a moment later.
    eventually(|| {
        let allowed = kubectl(&[
            "get",
            "pdb",
            "api",
            "-n",
            namespace_,
            "-o",
            "jsonpath={.status.disruptionsAllowed}",
        ]);
        (allowed == "1").then_some(())
    })
    .await;
}

async fn ensured(
    cluster: &Arc<Kubernetes>,
    namespace: &str,
    resource: &Resource,
) -> Result<Outputs, Error> {
    let scope = scope(namespace);
    let step = Step {
        id: format!("update {}", resource.address),
        action: Action::Update,
        address: resource.address.clone(),
        spec: resource.spec.clone(),
        ..step(config("x", "y"))
    };
    let recovery = Recovery::new(cluster.clone());
    recovery
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec: resource.spec.clone(),
        })
        .await
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn crash(namespace: &str, pod: &str) {
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        "containerStatuses": [{
            "name": "api", "image": "example.com/api:1", "imageID": "", "ready": false, "restartCount": 9,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        }],
    }});
    kubectl(&[
        "patch",
        "pod",
        pod,
        "-n",
        namespace,
        "--subresource=status",
        "-p",
        &status.to_string(),
    ]);
}

fn uids(cluster: &Cluster) -> BTreeSet<&str> {
    let there = cluster
        .pods
        .iter()
        .filter(|pod| pod.state != PodState::Ending);
    there.map(|pod| pod.uid.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_crashes_is_replaced() {
    let cluster = Arc::new(cluster().await);
    two(&cluster, "crashing").await;
    let before = seen(&cluster, "crashing").await;
    assert_eq!(before.pods.len(), 2);
    assert!(
        recovery::node(&before, &Asked::Failed, now())
            .unwrap()
            .resources
            .is_empty()
    );
    let (ill, well) = (&before.pods[0], &before.pods[1]);
    crash("crashing", &ill.name);
    let found = recovery::node(&seen(&cluster, "crashing").await, &Asked::Failed, now()).unwrap();
    assert_eq!(found.resources.len(), 1, "{found:?}");
    let wanted = &found.resources[0];
    assert_eq!(
        wanted.spec["pods"],
        json!([{"name": ill.name, "uid": ill.uid, "serves": false, "node_answers": true}])
    );
    let outputs = ensured(&cluster, "crashing", wanted).await.unwrap();
    let after = seen(&cluster, "crashing").await;
    assert!(!uids(&after).contains(ill.uid.as_str()));
    assert!(
        uids(&after).contains(well.uid.as_str()),
        "the one that serves was left alone"
    );
    assert!(after.pods.iter().all(|pod| pod.state == PodState::Ready));
    let new = after.pods.iter().find(|pod| pod.uid != well.uid).unwrap();
    assert_eq!(outputs["replacements"], json!([new.name]));

    // Done again, as a run that was cut short does: nothing more goes.
    ensured(&cluster, "crashing", wanted).await.unwrap();
    assert_eq!(uids(&seen(&cluster, "crashing").await), uids(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_up_what_serves() {
    let cluster = Arc::new(cluster().await);
    two(&cluster, "guarded").await;
    let before = seen(&cluster, "guarded").await;
    let asked = Asked::Pods([before.pods[0].path()].into());
    let found = recovery::node(&before, &asked, now()).unwrap();
    let mut wanted = found.resources[0].clone();
    assert_eq!(wanted.spec["pods"][0]["serves"], json!(true));
    // The other one fails after the plan: now none may go.
    crash("guarded", &before.pods[1].name);
    eventually(|| {
        let allowed = kubectl(&[
            "get",
            "pdb",
            "api",
            "-n",
            "guarded",
            "-o",
            "jsonpath={.status.disruptionsAllowed}",
        ]);
        (allowed == "0").then_some(())
    })
    .await;
    wanted.spec["deadline"] = json!(2);
    let error = ensured(&cluster, "guarded", &wanted).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline, "{error}");
    assert!(error.why.contains("disruption budget"), "{error}");
    assert_eq!(uids(&seen(&cluster, "guarded").await), uids(&before));
    let found = recovery::node(&seen(&cluster, "guarded").await, &asked, now()).unwrap();
    let codes: Vec<&str> = found
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect();
    assert!(
        codes.contains(&"node.none-left") && codes.contains(&"node.budget"),
        "{codes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_workload_gets_its_number_back() {
    let cluster = Arc::new(cluster().await);
    two(&cluster, "stopping").await;
    let before = seen(&cluster, "stopping").await;
    let workload = json!(before.workloads[0].workload);
    let resource = |kind: &str| Resource {
        address: format!("recover.{kind}.api").parse().unwrap(),
        spec: json!({"workload": workload, "replicas": 2, "deadline": 60}),
        depends_on: Default::default(),
        origin: None,
    };
    for _ in 0..2 {
        ensured(&cluster, "stopping", &resource("stop"))
            .await
            .unwrap();
        let stopped = seen(&cluster, "stopping").await;
        assert_eq!(stopped.pods, []);
        assert_eq!(
            (
                stopped.workloads[0].replicas,
                stopped.workloads[0].stopped_at
            ),
            (0, Some(2))
        );
    }
    ensured(&cluster, "stopping", &resource("start"))
        .await
        .unwrap();
    let started = seen(&cluster, "stopping").await;
    assert_eq!(
        (
            started.workloads[0].replicas,
            started.workloads[0].stopped_at
        ),
        (2, None)
    );
    assert_eq!(started.pods.len(), 2);
    // Nothing is left that a plan of the main command would change.
    let scope = scope("stopping");
    let plan = planned(
        &cluster,
        &scope,
        &resources(&[namespace("stopping"), deployment("stopping", "16Mi")]),
    )
    .await;
    assert_eq!(mutations(&plan), [""; 0]);

    let mut other = resource("stop");
    other.spec["workload"]["uid"] = json!("11111111-1111-1111-1111-111111111111");
    let error = ensured(&cluster, "stopping", &other).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    assert_eq!(seen(&cluster, "stopping").await.workloads[0].replicas, 2);
}

/// Nodes are every test's, so this one has a node of its own, which only its pods are placed on.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_emptied() {
    let cluster = Arc::new(cluster().await);
    let taken: Value = serde_json::from_str(&kubectl(&["get", "nodes", "-o", "json"])).unwrap();
    let mut own = taken["items"][0].clone();
    let metadata = json!({"name": "emptied", "labels": {"kubernetes.io/hostname": "emptied", "example.com/for": "emptying"}, "annotations": {"kwok.x-k8s.io/node": "fake"}});
    own["metadata"] = metadata;
    own["spec"] = json!({"taints": [{"key": "example.com/for", "value": "emptying", "effect": "NoSchedule"}]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.json");
    std::fs::write(&file, own.to_string()).unwrap();
    kubectl(&["apply", "-f", file.to_str().unwrap()]);
    eventually(|| {
        let ready = kubectl(&[
            "get",
            "node",
            "emptied",
            "-o",
            "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
        ]);
        (ready == "True").then_some(())
    })
    .await;
    let scope = scope("emptying");
    apply(&cluster, &scope, namespace("emptying"))
        .await
        .unwrap();
    let mut wanted = deployment("emptying", "16Mi");
    let spec = &mut wanted["object"]["spec"]["template"]["spec"];
    spec["tolerations"] = json!([{"key": "example.com/for", "operator": "Exists"}]);
    spec["nodeSelector"] = json!({"example.com/for": "emptying"});
    apply(&cluster, &scope, wanted).await.unwrap();
    let before = seen(&cluster, "emptying").await;
    assert!(
        before
            .pods
            .iter()
            .all(|pod| pod.node.as_deref() == Some("emptied")),
        "{before:?}"
    );
    // Now there is a second place.
    kubectl(&["label", "node", "sandbox-a", "example.com/for=emptying"]);
    let found = recovery::node(&before, &Asked::Node("emptied".to_owned()), now()).unwrap();
    assert_eq!(found.resources.len(), 2, "{found:?}");
    for resource in &found.resources {
        tokio::time::timeout(
            Duration::from_secs(120),
            ensured(&cluster, "emptying", resource),
        )
        .await
        .unwrap()
        .unwrap();
    }
    let after = seen(&cluster, "emptying").await;
    assert_eq!(after.pods.len(), 2);
    assert!(
        after
            .pods
            .iter()
            .all(|pod| pod.node.as_deref() != Some("emptied") && pod.state == PodState::Ready),
        "{after:?}"
    );
    assert!(
        after
            .nodes
            .iter()
            .any(|node| node.name == "emptied" && !node.schedulable)
    );
    kubectl(&["delete", "node", "emptied"]);
}
