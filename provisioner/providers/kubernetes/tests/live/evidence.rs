//! What an environment has in a cluster is read, and no value of a Secret.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::collect::{Collector, Mask};
use evidence::testing::collected;
use provider_kubernetes::evidence::{KubernetesEvidence, Scope};
use serde_json::{Value, json};

use crate::support::{cluster, eventually, kubectl, try_kubectl};

fn apply(objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("list.json");
    std::fs::write(&file, list).expect("written");
    // Client-side, so that the values are copied into an annotation.
    kubectl(&["apply", "-f", file.to_str().expect("UTF-8")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_read_and_no_secret_is() {
    let (old, clean) = ("evidence-old", "evidence-clean");
    let namespace = |name: &str, generation: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
            "rebuild.dev/environment": "evidence", "rebuild.dev/generation": generation}}})
    };
    let cluster = Arc::new(cluster().await);
    apply(&[
        namespace(old, "20261124-0001"),
        namespace(clean, "20261125-0001"),
    ]);
    eventually(|| try_kubectl(&["-n", old, "get", "serviceaccount", "default"]).ok()).await;
    let meta = |name: &str| json!({"name": name, "namespace": old});
    apply(&[
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "probes.evidence.test"},
            "spec": {"group": "evidence.test", "scope": "Namespaced", "names": {"kind": "Probe", "plural": "probes"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("data"), "stringData": {"password": "canary-password"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("twin"), "data": {"again": "Y2FuYXJ5LXBhc3N3b3Jk"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("settings"), "data": {"mode": "planted-mode"}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("planted"), "spec": {"containers": [
            {"name": "c", "image": "example.test/c:1", "env": [{"name": "HOST", "value": "evil.example"}]}]}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "evidence-rogue"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": old}]}),
    ]);
    let probe = json!({"apiVersion": "evidence.test/v1", "kind": "Probe", "metadata": meta("one"), "spec": {"any": "thing"}});
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("probe.json");
    std::fs::write(&file, probe.to_string()).expect("written");
    let file = file.to_str().expect("UTF-8");
    eventually(|| try_kubectl(&["apply", "-f", file]).ok()).await;
    eventually(|| {
        let text = kubectl(&["-n", old, "get", "pod", "planted", "-o", "json"]);
        let pod: Value = serde_json::from_str(&text).expect("JSON");
        pod["status"]["containerStatuses"].is_array().then_some(())
    })
    .await;

    let scope = Scope {
        environment: "evidence".to_owned(),
        generations: ["20261124-0001".parse().expect("an id")].into(),
        namespaces: Vec::new(),
    };
    let place = KubernetesEvidence::new(cluster.clone(), scope, Mask::new().expect("random bytes"));
    assert_eq!(
        place.generations().await,
        Ok(vec!["20261124-0001".to_owned()])
    );
    let (texts, missing) = collected(place).await;
    assert_eq!(missing, BTreeMap::new());
    let at = |name: &str| format!("kubernetes/namespaces/{old}/{name}.json");
    for (name, words) in [
        (at("pods"), "evil.example"),
        (at("images"), "example.test/c:1"),
        (at("configmaps"), "planted-mode"),
        (at("probes.evidence.test"), "thing"),
        (at("events"), "planted"),
        (at("namespace"), "20261124-0001"),
        (
            "kubernetes/cluster/clusterrolebindings.rbac.authorization.k8s.io.json".to_owned(),
            "evidence-rogue",
        ),
        (
            "kubernetes/cluster/customresourcedefinitions.apiextensions.k8s.io.json".to_owned(),
            "probes.evidence.test",
        ),
        ("kubernetes/cluster/nodes.json".to_owned(), "kind"),
    ] {
        let text = texts
            .get(&name)
            .unwrap_or_else(|| panic!("{name}: {:?}", texts.keys()));
        assert!(text.contains(words), "{name}: {text}");
    }
    let secrets: Value = serde_json::from_str(&texts[&at("secrets")]).expect("JSON");
    let find = |name: &str| {
        let mut items = secrets["items"].as_array().expect("items").iter();
        items
            .find(|secret| secret["metadata"]["name"] == name)
            .expect("it is there")
    };
    let print = &find("data")["data"]["password"]["fingerprint"];
    assert!(print.as_str().expect("a text").starts_with("hmac-sha256:"));
    assert_eq!(
        print,
        &find("twin")["data"]["again"]["fingerprint"],
        "the same password is seen to be"
    );
    for (name, text) in &texts {
        assert!(
            !text.contains("canary-password") && !text.contains("Y2FuYXJ5LXBhc3N3b3Jk"),
            "{name}"
        );
        assert!(!name.contains(clean), "{name}");
    }
}
