//! A server that fails now and then, and connections that break: injected by a fake in front of the real server.

use std::sync::Arc;

use executor::End;
use executor::provider::Provider;
use provider_kubernetes::Kubernetes;
use serde_json::json;

use crate::proxy::{Fault, Proxy, Sent};
use crate::support::*;

async fn through(proxy: &Proxy) -> Arc<Kubernetes> {
    let cluster = Kubernetes::connect(&proxy.kubeconfig, sandbox::KUBE_CONTEXT).await;
    Arc::new(cluster.unwrap())
}

fn is_apply(sent: &Sent, path: &str) -> bool {
    sent.method == "PATCH" && sent.path.ends_with(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_asked_again_and_nothing_is_made_twice() {
    let mut applies = 0;
    let proxy = Proxy::start(move |sent| {
        if !is_apply(sent, "/configmaps/api") {
            return None;
        }
        applies += 1;
        match applies {
            1 => Some(Fault::Answer(429, &[("Retry-After", "1")])),
            2 => Some(Fault::Answer(500, &[])),
            // Done, and not told so.
            3 => Some(Fault::Swallowed(500)),
            _ => None,
        }
    })
    .await;
    let (cluster, scope) = (through(&proxy).await, scope("flaky"));
    let wanted = resources(&[namespace("flaky"), config("flaky", "b")]);
    let plan = planned(&cluster, &scope, &wanted).await;
    let (outcome, told) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    // Every failure is told, since nothing below the executor tries again by itself.
    let told: Vec<&str> = retries(&told).iter().map(|(step, _)| *step).collect();
    assert_eq!(told, ["create kubernetes.ConfigMap.flaky/api"; 3]);
    let applies = proxy.sent("PATCH", "/configmaps/api");
    assert_eq!(applies.len(), 4);
    for apply in &applies {
        assert_eq!(
            (
                &apply.body["data"],
                apply.query.contains("fieldManager=rebuild")
            ),
            (&json!({"a": "b"}), true)
        );
        assert!(!apply.query.contains("force=true"), "{}", apply.query);
    }
    // The fourth knew the object that the third had made, and changed nothing of it.
    let version = |path: &str| {
        kubectl(&[
            "get",
            "configmap",
            "api",
            "-n",
            "flaky",
            "--show-managed-fields",
            "-o",
            path,
        ])
    };
    assert_eq!(
        applies[3].body["metadata"]["uid"],
        json!(version("jsonpath={.metadata.uid}"))
    );
    assert_eq!(
        version("jsonpath={.metadata.managedFields[*].manager}"),
        "rebuild"
    );
    assert_eq!(
        mutations(&planned(&cluster, &scope, &wanted).await),
        [""; 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_goes_on_when_connections_break() {
    let (mut applied, mut left) = (false, 3);
    let proxy = Proxy::start(move |sent| {
        applied |= is_apply(sent, "/deployments/api");
        if applied && left > 0 && sent.method == "GET" && sent.path.ends_with("/deployments/api") {
            left -= 1;
            return Some(Fault::Broken);
        }
        None
    })
    .await;
    let (cluster, scope) = (through(&proxy).await, scope("broken"));
    let wanted = resources(&[namespace("broken"), deployment("broken", "16Mi")]);
    let plan = planned(&cluster, &scope, &wanted).await;
    let (outcome, told) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(retries(&told), []);
    assert_eq!(proxy.sent("PATCH", "/deployments/api").len(), 1);
    // One before the apply, three in vain, and at least one that was answered.
    assert!(proxy.sent("GET", "/deployments/api").len() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_bears_a_moment_of_trouble() {
    let mut lists = 0;
    let proxy = Proxy::start(move |sent| {
        if !(sent.method == "GET" && sent.path == "/api/v1/configmaps") {
            return None;
        }
        lists += 1;
        match lists {
            1 => Some(Fault::Answer(429, &[("Retry-After", "100000")])),
            2 => Some(Fault::Broken),
            _ => None,
        }
    })
    .await;
    let (cluster, scope) = (through(&proxy).await, scope("trouble"));
    apply(&cluster, &scope, namespace("trouble")).await.unwrap();
    apply(&cluster, &scope, config("trouble", "b"))
        .await
        .unwrap();
    assert_eq!(cluster.observe(&scope).await.unwrap().objects.len(), 2);
    assert_eq!(proxy.sent("GET", "/api/v1/configmaps").len(), 3);
}
