//! What stands between an apply and the cluster: webhooks and policies.

use std::sync::Arc;

use executor::End;
use executor::provider::ErrorKind;
use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_nobody_answers_for_is_named() {
    let (cluster, scope) = (Arc::new(cluster().await), scope("hooked"));
    apply(&cluster, &scope, namespace("hooked")).await.unwrap();
    let hook = json!({"object": {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "hooked"},
    "webhooks": [{
        "name": "guard.example.com", "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "hooked", "name": "absent"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "hooked"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
    }]}});
    apply(&cluster, &scope, hook).await.unwrap();
    // The server hears of its own webhooks by a watch.
    eventually(|| {
        try_kubectl(&[
            "create",
            "configmap",
            "x",
            "-n",
            "hooked",
            "--dry-run=server",
        ])
        .err()
    })
    .await;
    let wanted = resources(&[namespace("hooked"), config("hooked", "b")]);
    let plan = planned(&cluster, &scope, &wanted).await;
    let (outcome, told) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Failed);
    let failure = failure(&outcome);
    assert_eq!(
        (failure.step.as_str(), failure.kind, failure.attempts),
        (
            "create kubernetes.ConfigMap.hooked/api",
            ErrorKind::Server,
            4
        )
    );
    for words in [
        "apply kubernetes.ConfigMap.hooked/api",
        "failed calling webhook \"guard.example.com\"",
        "service \"absent\" not found",
    ] {
        assert!(failure.why.contains(words), "{words}: {}", failure.why);
    }
    assert_eq!(retries(&told).len(), 3);
    assert!(try_kubectl(&["get", "configmap", "api", "-n", "hooked"]).is_err());

    kubectl(&["delete", "validatingwebhookconfiguration", "hooked"]);
    eventually(|| {
        try_kubectl(&[
            "create",
            "configmap",
            "x",
            "-n",
            "hooked",
            "--dry-run=server",
        ])
        .ok()
    })
    .await;
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_refuses_is_not_a_matter_of_credentials() {
    let (cluster, scope) = (cluster().await, scope("guarded"));
    let mut guarded = namespace("guarded");
    guarded["object"]["metadata"]["labels"] =
        json!({"pod-security.kubernetes.io/enforce": "restricted"});
    apply(&cluster, &scope, guarded).await.unwrap();
    let pod = json!({"object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api", "namespace": "guarded"},
        "spec": {"containers": [{"name": "api", "image": "example.com/api:1", "securityContext": {"privileged": true}}]}}});
    let error = apply(&cluster, &scope, pod).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.why.contains("violates PodSecurity") && error.why.contains("privileged"),
        "{error}"
    );
}
