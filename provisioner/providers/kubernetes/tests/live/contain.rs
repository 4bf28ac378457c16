//! An environment is cut off in a cluster, and the server itself refuses what worked before.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use containment::{Barrier, Item, State};
use provider_kubernetes::{KubernetesBarrier, Reach};
use serde_json::{Value, json};

use crate::support::{CLUSTER, cluster, eventually, kubectl, try_kubectl};

fn create(objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("list.json");
    std::fs::write(&file, list).expect("written");
    kubectl(&["create", "-f", file.to_str().expect("UTF-8")]);
}

fn get(arguments: &[&str]) -> Value {
    let text = kubectl(&[&["get", "-o", "json"], arguments].concat());
    serde_json::from_str(&text).expect("JSON")
}

fn namespace(name: &str, environment: &str, generation: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
        "rebuild.dev/environment": environment, "rebuild.dev/generation": generation}}})
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "c", "image": "example.test/c:1", "env": [{"name": "PASSWORD", "value": "canary-in-a-pod"}]}]})
}

/// What an environment may have in a namespace, and what an intruder may add.
fn furniture(namespace: &str) -> Vec<Value> {
    let meta = |name: &str| json!({"name": name, "namespace": namespace});
    let selector = json!({"matchLabels": {"app": "x"}});
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()});
    let mut privileged = pod_spec();
    privileged["containers"][0]["securityContext"] = json!({"privileged": true});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("worker")}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "legacy", "namespace": namespace, "annotations": {"kubernetes.io/service-account.name": "worker"}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("data"), "stringData": {"password": "canary-in-a-secret"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("web"),
            "spec": {"replicas": 2, "selector": selector, "template": template}}),
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta("agent"),
            "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {"metadata": {"labels": {"app": "agent"}}, "spec": pod_spec()}}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta("nightly"),
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": pod_spec()["containers"]}}}}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
            "spec": {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("web"),
            "spec": {"ingressClassName": "nginx", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta("open"),
            "spec": {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("planted"), "spec": privileged}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("rogue-{namespace}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": namespace}]}),
    ]
}

/// Versions of everything in a namespace but what controllers write there by themselves.
fn versions(namespace: &str) -> BTreeMap<String, String> {
    let kinds = "deployments,daemonsets,cronjobs,services,ingresses,networkpolicies,secrets,serviceaccounts,rolebindings";
    let list = get(&["-n", namespace, kinds]);
    let items = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|object| {
            let spec = object.get("spec").unwrap_or(&Value::Null);
            (
                format!("{}/{}", object["kind"], object["metadata"]["name"]),
                format!("{} {spec}", object["metadata"]["uid"]),
            )
        });
    items.collect()
}

/// Whether the API server lets the bearer of a token in, and lets it list the nodes.
fn may(token: &str) -> Result<String, String> {
    try_kubectl(&["--token", token, "get", "nodes", "-o", "name"])
}

fn open(items: &[Item]) -> Vec<&str> {
    let open = items.iter().filter(|item| item.state == State::Open);
    open.map(|item| item.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_works_any_more_and_nothing_else_is_touched() {
    let cluster = Arc::new(cluster().await);
    let (old, clean, other) = ("contain-old", "contain-clean", "contain-other");
    create(&[
        namespace(old, "contain", "20261124-0001"),
        namespace(clean, "contain", "20261125-0001"),
        namespace(other, "contain-else", "20261124-0001"),
    ]);
    for name in [old, clean, other] {
        eventually(|| try_kubectl(&["-n", name, "get", "serviceaccount", "default"]).ok()).await;
        create(&furniture(name));
    }
    let token = |name: &str| {
        kubectl(&["-n", name, "create", "token", "worker"])
            .trim()
            .to_owned()
    };
    let (planted, spared) = (token(old), token(clean));
    eventually(|| may(&planted).ok()).await;
    eventually(|| {
        let secret = get(&["-n", old, "secret", "legacy"]);
        secret["data"]["token"].as_str().map(drop)
    })
    .await;
    let untouched = (versions(clean), versions(other));

    let reach = Reach {
        environment: "contain".to_owned(),
        namespaces: vec![other.to_owned()],
        except: vec!["20261125-0001".parse().expect("an id")],
    };
    let barrier = KubernetesBarrier::new(cluster.clone(), reach);
    let survey = barrier.survey().await.expect("a survey");
    let unread: Vec<String> = survey.unread.iter().map(ToString::to_string).collect();
    assert_eq!(
        unread,
        [format!(
            "cut off the namespace {other}: it is marked as another environment's"
        )]
    );
    let found = serde_json::to_string(&survey.items).expect("JSON");
    assert!(!found.contains("canary"), "{found}");
    assert!(!found.contains(clean) && !found.contains(other), "{found}");
    for wanted in [
        "kubernetes.NetworkPolicy/contain-old/rebuild-contained",
        "kubernetes.NetworkPolicy/contain-old/open",
        "kubernetes.Ingress/contain-old/web",
        "kubernetes.Service/contain-old/web",
        "kubernetes.ClusterRoleBinding/rogue-contain-old",
        "kubernetes.Deployment/contain-old/web",
        "kubernetes.DaemonSet/contain-old/agent",
        "kubernetes.CronJob/contain-old/nightly",
        "kubernetes.Pod/contain-old/planted",
        "kubernetes.Secret/contain-old/legacy",
        "kubernetes.ServiceAccount/contain-old/worker",
        "kubernetes.ServiceAccount/contain-old/default",
    ] {
        assert!(
            open(&survey.items).contains(&wanted),
            "{wanted} in {:?}",
            open(&survey.items)
        );
    }
    let waves: BTreeSet<u8> = survey.items.iter().map(|item| item.wave).collect();
    for wave in waves {
        for item in survey
            .items
            .iter()
            .filter(|item| item.wave == wave && item.state == State::Open)
        {
            barrier
                .close(item)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", item.id));
        }
    }

    // The server believes a token that it knew for some seconds more, without its rights.
    eventually(|| {
        may(&planted)
            .err()
            .filter(|why| why.contains("Unauthorized"))
    })
    .await;
    may(&spared).expect("the clean generation's token works");
    eventually(|| {
        let pods = get(&["-n", old, "pods"]);
        pods["items"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(())
    })
    .await;
    assert!(try_kubectl(&["get", "clusterrolebinding", "rogue-contain-old"]).is_err());
    kubectl(&["get", "clusterrolebinding", "rogue-contain-clean"]);
    assert_eq!(
        get(&["-n", old, "service", "web"])["spec"]["type"],
        "ClusterIP"
    );
    assert_eq!((versions(clean), versions(other)), untouched);

    let again = barrier.survey().await.expect("a survey");
    assert!(open(&again.items).is_empty(), "{:?}", open(&again.items));
    let before = versions(old);
    // An account that is closed again gets another new identity, which harms nobody.
    let again = again
        .items
        .iter()
        .filter(|item| !item.id.contains("ServiceAccount"));
    for item in again {
        barrier
            .close(item)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", item.id));
    }
    assert_eq!(
        versions(old),
        before,
        "closing what is closed changes nothing"
    );

    let undo = survey
        .items
        .iter()
        .find(|item| item.id.ends_with("Deployment/contain-old/web"));
    run(&undo.expect("the Deployment").undo);
    assert_eq!(
        get(&["-n", old, "deployment", "web"])["spec"]["replicas"],
        2
    );
    let undo = survey
        .items
        .iter()
        .find(|item| item.id.contains("ClusterRoleBinding/rogue"));
    run(&undo.expect("the binding").undo);
    kubectl(&["get", "clusterrolebinding", "rogue-contain-old"]);
}

/// Runs an undo as a person would, in a shell.
fn run(line: &str) {
    let folder = CLUSTER.kubectl.parent().expect("its folder");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let ended = Command::new("sh")
        .args(["-ec", line])
        .env("PATH", path)
        .env("KUBECONFIG", &CLUSTER.kubeconfig)
        .status();
    assert!(ended.expect("a shell").success(), "{line}");
}
