//! Against a real control plane whose nodes are kwok's.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope, SecretSource};
use planner::{Action, Address, Step};
use provider_kubernetes::{ConnectError, Kubernetes};
use sandbox::testing::ControlPlane;
use secrecy::SecretString;
use serde_json::{Value, json};

static CLUSTER: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().unwrap());

struct Values;

#[async_trait]
impl SecretSource for Values {
    async fn read(&self, _: &str, _: &str, field: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from(format!("value of {field}")))
    }
}

async fn cluster() -> Kubernetes {
    let cluster = Kubernetes::connect(&CLUSTER.kubeconfig, sandbox::KUBE_CONTEXT)
        .await
        .unwrap();
    cluster
        .with_secrets(Arc::new(Values))
        .with_deadline(Duration::from_secs(120))
}

fn kubectl(arguments: &[&str]) -> String {
    let output = std::process::Command::new(&CLUSTER.kubectl)
        .arg("--kubeconfig")
        .arg(&CLUSTER.kubeconfig)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn scope(environment: &str) -> Scope {
    let kinds = [
        "ConfigMap",
        "Secret",
        "apps/Deployment",
        "example.com/Widget",
        "apiextensions.k8s.io/CustomResourceDefinition",
    ];
    Scope {
        environment: environment.to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: kinds.map(str::to_owned).to_vec(),
        names: BTreeMap::new(),
    }
}

fn step(spec: Value) -> Step {
    let object = &spec["object"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (version, kind, name, namespace) = (
        text(&object["apiVersion"]),
        text(&object["kind"]),
        text(&object["metadata"]["name"]),
        text(&object["metadata"]["namespace"]),
    );
    let kind = version
        .split_once('/')
        .map_or(kind.clone(), |(group, _)| format!("{group}/{kind}"));
    let name = if namespace.is_empty() {
        name
    } else {
        format!("{namespace}/{name}")
    };
    let address = Address::new("kubernetes", &kind, &name).unwrap();
    Step {
        id: format!("create {address}"),
        action: Action::Create,
        layer: planner::kinds::of(&address).unwrap().layer,
        address,
        depends_on: Vec::new(),
        spec,
        object: None,
        changes: Vec::new(),
        token: "t".to_owned(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    }
}

async fn apply(
    cluster: &Kubernetes,
    scope: &Scope,
    spec: Value,
) -> Result<planner::reference::Outputs, Error> {
    let step = step(spec);
    cluster
        .ensure(Ensure {
            scope,
            step: &step,
            spec: step.spec.clone(),
        })
        .await
}

fn namespace(name: &str) -> Value {
    json!({"object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}})
}

fn config(namespace: &str, value: &str) -> Value {
    json!({"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "api", "namespace": namespace}, "data": {"a": value}}})
}

fn deployment(namespace: &str, memory: &str) -> Value {
    json!({"object": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": namespace}, "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "api"}},
        "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "example.com/api:1", "resources": {"requests": {"memory": memory}}}]}},
    }}})
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_applied_once_observed_and_removed() {
    let (cluster, scope) = (cluster().await, scope("lives"));
    apply(&cluster, &scope, namespace("lives")).await.unwrap();
    let secret = json!({
        "object": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api", "namespace": "lives"}, "type": "Opaque"},
        "secrets": {"KEY": {"mount": "secret", "path": "p", "field": "value"}},
    });
    let version = || {
        kubectl(&[
            "get",
            "configmap/api",
            "secret/api",
            "deployment/api",
            "-n",
            "lives",
            "-o",
            "jsonpath={.items[*].metadata.uid} {.items[*].metadata.generation}",
        ])
    };
    let resource_version = || {
        kubectl(&[
            "get",
            "configmap/api",
            "secret/api",
            "-n",
            "lives",
            "-o",
            "jsonpath={.items[*].metadata.resourceVersion}",
        ])
    };
    for spec in [
        config("lives", "b"),
        secret.clone(),
        deployment("lives", "16Mi"),
    ] {
        let outputs = apply(&cluster, &scope, spec).await.unwrap();
        assert_eq!(
            (&outputs["name"], &outputs["namespace"]),
            (&json!("api"), &json!("lives"))
        );
    }
    let before = (version(), resource_version());
    for spec in [
        config("lives", "b"),
        secret.clone(),
        deployment("lives", "16Mi"),
    ] {
        apply(&cluster, &scope, spec).await.unwrap();
    }
    assert_eq!(before, (version(), resource_version()));
    let managers = kubectl(&[
        "get",
        "configmap",
        "api",
        "-n",
        "lives",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ]);
    assert_eq!(managers, "rebuild");

    let seen = cluster.observe(&scope).await.unwrap().objects;
    let addresses: Vec<String> = seen
        .iter()
        .map(|object| object.address.to_string())
        .collect();
    assert_eq!(
        addresses,
        [
            "kubernetes.ConfigMap.lives/api",
            "kubernetes.Namespace.lives",
            "kubernetes.Secret.lives/api",
            "kubernetes.apps/Deployment.lives/api"
        ]
    );
    assert!(seen.iter().all(|object| object.ready), "{seen:?}");
    assert_eq!(seen[2].spec["secrets"], secret["secrets"]);
    // Neither the value nor its Base64 form.
    let everything = format!("{seen:?}");
    assert!(!everything.contains("value of") && !everything.contains("dmFsdWUgb2Yg"));
    assert_eq!(
        kubectl(&[
            "get",
            "secret",
            "api",
            "-n",
            "lives",
            "-o",
            "jsonpath={.data.KEY}"
        ]),
        "dmFsdWUgb2YgdmFsdWU="
    );
    assert_eq!(cluster.workloads("lives").await.unwrap().len(), 1);

    for object in seen
        .iter()
        .filter(|object| object.address.kind() != "Namespace")
        .chain(
            seen.iter()
                .filter(|object| object.address.kind() == "Namespace"),
        )
    {
        cluster.remove(object).await.unwrap();
        cluster.remove(object).await.unwrap();
    }
    assert!(cluster.observe(&scope).await.unwrap().objects.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_refused_and_conflicts_name_the_other() {
    let (cluster, scope) = (cluster().await, scope("clash"));
    apply(&cluster, &scope, namespace("clash")).await.unwrap();
    kubectl(&[
        "create",
        "configmap",
        "api",
        "-n",
        "clash",
        "--from-literal=a=theirs",
    ]);
    assert_eq!(
        apply(&cluster, &scope, config("clash", "b"))
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Foreign
    );
    assert_eq!(
        kubectl(&[
            "get",
            "configmap",
            "api",
            "-n",
            "clash",
            "-o",
            "jsonpath={.data.a}"
        ]),
        "theirs"
    );
    kubectl(&["delete", "configmap", "api", "-n", "clash"]);
    apply(&cluster, &scope, config("clash", "b")).await.unwrap();
    kubectl(&[
        "patch",
        "configmap",
        "api",
        "-n",
        "clash",
        "--field-manager=intruder",
        "-p",
        r#"{"data":{"a":"c"}}"#,
    ]);
    let error = apply(&cluster, &scope, config("clash", "b"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.why.contains("intruder"), "{error}");
    let mut seen = cluster.observe(&scope).await.unwrap().objects.remove(0);
    kubectl(&[
        "label",
        "configmap",
        "api",
        "-n",
        "clash",
        "rebuild.dev/generation=other",
        "--overwrite",
    ]);
    seen.generation = "20261124-7f3a".parse().unwrap();
    assert_eq!(
        cluster.remove(&seen).await.unwrap_err().kind,
        ErrorKind::Foreign
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_never_gets_ready_says_why() {
    let (cluster, scope) = (cluster().await, scope("stuck"));
    apply(&cluster, &scope, namespace("stuck")).await.unwrap();
    let cluster = cluster.with_deadline(Duration::from_secs(5));
    let error = apply(&cluster, &scope, deployment("stuck", "9000Gi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(error.why.contains("Insufficient memory"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_come_later() {
    let (cluster, scope) = (cluster().await, scope("late"));
    assert!(cluster.observe(&scope).await.unwrap().objects.is_empty());
    let definition = json!({"object": {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
    }}});
    apply(&cluster, &scope, definition).await.unwrap();
    let widget = json!({"object": {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "one"}, "size": 3}});
    let made = async {
        loop {
            match apply(&cluster, &scope, widget.clone()).await {
                Ok(_) => break,
                Err(error) => assert!(error.kind.retryable(), "{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), made)
        .await
        .unwrap();
    assert_eq!(cluster.observe(&scope).await.unwrap().objects.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_whom() {
    let identity = cluster().await.identity().await.unwrap();
    assert_eq!(identity.places["cluster"], CLUSTER.server);
    assert!(identity.version.is_some() && !identity.principal.is_empty());
    assert!(matches!(
        Kubernetes::connect(&CLUSTER.kubeconfig, "nowhere").await,
        Err(ConnectError::Context { .. })
    ));
    let file = std::path::Path::new("/nowhere/kubeconfig");
    assert!(matches!(
        Kubernetes::connect(file, "x").await,
        Err(ConnectError::File { .. })
    ));
}
