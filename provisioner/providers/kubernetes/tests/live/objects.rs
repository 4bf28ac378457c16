//! Single objects: applied once, observed, removed; never what is not ours.

use executor::provider::{ErrorKind, Provider};
use provider_kubernetes::{ConnectError, Kubernetes};
use serde_json::json;

use crate::support::*;

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
