//! Rollouts that never get ready say why.

use std::time::Duration;

use executor::provider::ErrorKind;
use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_fit_no_node() {
    let (cluster, scope) = (cluster().await, scope("stuck"));
    apply(&cluster, &scope, namespace("stuck")).await.unwrap();
    let cluster = cluster.with_deadline(Duration::from_secs(5));
    let error = apply(&cluster, &scope, deployment("stuck", "9000Gi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    for words in [
        "0 of 2 pods are ready",
        "pod `api-",
        "Unschedulable",
        "Insufficient memory",
    ] {
        assert!(error.why.contains(words), "{words}: {error}");
    }
}

/// No kubelet of the sandbox pulls an image, so the test says what one would.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_can_not_be_pulled() {
    let (cluster, scope) = (cluster().await, scope("pulling"));
    apply(&cluster, &scope, namespace("pulling")).await.unwrap();
    let mut wanted = deployment("pulling", "16Mi");
    wanted["object"]["spec"]["replicas"] = json!(1);
    // On no node, so that nobody else speaks for the pod.
    wanted["object"]["spec"]["template"]["spec"]["nodeSelector"] =
        json!({"example.com/no": "where"});
    let cluster = cluster.with_deadline(Duration::from_secs(1));
    apply(&cluster, &scope, wanted.clone()).await.unwrap_err();
    let pod = eventually(|| {
        let name = kubectl(&[
            "get",
            "pods",
            "-n",
            "pulling",
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ]);
        (!name.is_empty()).then_some(name)
    })
    .await;
    let status = json!({"status": {"containerStatuses": [{
        "name": "api", "image": "example.com/api:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"example.com/api:1\""}},
    }]}});
    kubectl(&[
        "patch",
        "pod",
        &pod,
        "-n",
        "pulling",
        "--subresource=status",
        "-p",
        &status.to_string(),
    ]);
    let error = apply(&cluster, &scope, wanted).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert_eq!(
        error.why,
        format!(
            "not ready after 1 s: 0 of 1 pods are ready; pod `{pod}`: container `api`: ImagePullBackOff: Back-off pulling image \"example.com/api:1\""
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_are_never_made() {
    let (cluster, scope) = (cluster().await, scope("podless"));
    let mut guarded = namespace("podless");
    guarded["object"]["metadata"]["labels"] =
        json!({"pod-security.kubernetes.io/enforce": "restricted"});
    apply(&cluster, &scope, guarded).await.unwrap();
    let cluster = cluster.with_deadline(Duration::from_secs(5));
    let error = apply(&cluster, &scope, deployment("podless", "16Mi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    for words in ["FailedCreate", "violates PodSecurity"] {
        assert!(error.why.contains(words), "{words}: {error}");
    }
}
