//! The inventory: an ApplySet that proves what may be pruned, and that kubectl can read.

use std::sync::Arc;

use executor::End;
use planner::{Policy, Resource, applyset};
use serde_json::{Value, json};

use crate::support::*;

const PARENT: &str = "rebuild-inventory";

fn set(objects: &[Value]) -> Vec<Resource> {
    let mut wanted = resources(objects);
    applyset::form(&mut wanted, "listed", "0.1.0").unwrap();
    wanted
}

fn named(name: &str, annotations: Value) -> Value {
    let mut object = config("listed", "b");
    object["object"]["metadata"]["name"] = json!(name);
    object["object"]["metadata"]["annotations"] = annotations;
    object
}

fn names(kind: &str) -> String {
    let selector = format!("{}={}", applyset::PART_OF, id());
    kubectl(&[
        "get",
        kind,
        "-A",
        "-l",
        &selector,
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ])
}

fn id() -> String {
    applyset::id(PARENT, "listed", "ConfigMap", "")
}

fn kinds() -> String {
    let annotation = applyset::GROUP_KINDS.replace('.', "\\.");
    let path = format!("jsonpath={{.metadata.annotations.{annotation}}}");
    kubectl(&["get", "configmap", PARENT, "-n", "listed", "-o", &path])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_no_more_is_pruned_and_kubectl_agrees() {
    let (cluster, scope) = (Arc::new(cluster().await), scope("listed"));
    let allowed = || Policy {
        prune: true,
        ..Policy::default()
    };
    let service = json!({"object": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "listed"},
        "spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}}});
    let first = set(&[
        namespace("listed"),
        config("listed", "b"),
        named("kept", json!({"rebuild.dev/prune": "keep"})),
        named("gone", json!({})),
        service,
        deployment("listed", "16Mi"),
    ]);
    let plan = plan_with(&cluster, &scope, &first, allowed()).await;
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(names("configmap"), "api gone kept");
    assert_eq!(kinds(), "ConfigMap,Deployment.apps,Service");
    let again = plan_with(&cluster, &scope, &first, allowed()).await;
    assert_eq!(mutations(&again), [""; 0]);

    // Marked as ours, but no inventory knows of it: somebody copied an object.
    let copy = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "copy", "namespace": "listed",
        "labels": {"rebuild.dev/environment": "listed", "rebuild.dev/generation": scope.generation},
        "annotations": {"rebuild.dev/address": "kubernetes.ConfigMap.listed/copy"},
    }});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("copy.json");
    std::fs::write(&file, copy.to_string()).unwrap();
    kubectl(&["create", "-f", file.to_str().unwrap()]);

    // Nothing declares a Service now, so that only the inventory says that there is one.
    let second = set(&[
        namespace("listed"),
        config("listed", "c"),
        deployment("listed", "16Mi"),
    ]);
    assert!(!scope.kinds.contains(&"Service".to_owned()));
    let stays = planned(&cluster, &scope, &second).await;
    assert_eq!(
        mutations(&stays),
        ["update kubernetes.ConfigMap.listed/api"]
    );
    let plan = plan_with(&cluster, &scope, &second, allowed()).await;
    assert_eq!(
        mutations(&plan),
        [
            "update kubernetes.ConfigMap.listed/api",
            "delete kubernetes.ConfigMap.listed/gone",
            "delete kubernetes.Service.listed/api",
            "update kubernetes.ConfigMap.listed/rebuild-inventory after pruning",
        ]
    );
    let told: Vec<(&str, &str)> = plan
        .findings
        .iter()
        .filter(|finding| finding.code.starts_with("object."))
        .map(|finding| (finding.code.as_str(), finding.subject.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("object.kept", "kubernetes.ConfigMap.listed/kept"),
            (
                "object.not-in-inventory",
                "kubernetes.ConfigMap.listed/copy"
            ),
        ]
    );
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(
        (names("configmap"), names("service")),
        ("api kept".to_owned(), String::new())
    );
    assert!(try_kubectl(&["get", "configmap", "copy", "-n", "listed"]).is_ok());
    assert_eq!(kinds(), "ConfigMap,Deployment.apps");
    let again = plan_with(&cluster, &scope, &second, allowed()).await;
    assert_eq!(mutations(&again), [""; 0]);

    // kubectl keeps off a set of other tools, and takes ours for one that is in order.
    let members = |kept: bool| {
        let mut all = vec![config("listed", "c"), deployment("listed", "16Mi")];
        all.extend(kept.then(|| named("kept", json!({}))));
        let items: Vec<&Value> = all.iter().map(|spec| &spec["object"]).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let file = folder.path().join(format!("members-{kept}.json"));
        std::fs::write(&file, list.to_string()).unwrap();
        file
    };
    let parent = format!("configmap/{PARENT}");
    let apply = |kept: bool| {
        let output = std::process::Command::new(&CLUSTER.kubectl)
            .env("KUBECTL_APPLYSET", "true")
            .arg("--kubeconfig")
            .arg(&CLUSTER.kubeconfig)
            .args([
                "apply",
                "--server-side",
                "--force-conflicts",
                "--dry-run=server",
                "--prune",
            ])
            .args(["-n", "listed", "--applyset", &parent, "-f"])
            .arg(members(kept))
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (done, _, why) = apply(true);
    assert!(!done && why.contains("rebuild"), "{why}");
    let tooling = format!("{}=kubectl/v1.37.2", applyset::TOOLING);
    kubectl(&["annotate", &parent, "-n", "listed", "--overwrite", &tooling]);
    for (kept, pruned) in [(true, vec![]), (false, vec!["configmap/kept"])] {
        let (done, said, why) = apply(kept);
        assert!(done, "{why}");
        let found: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("pruned"))
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert_eq!(found, pruned, "{said}");
    }
}
