//! Changes that the API server refuses: shown before the apply, and carried out as delete and create.

use std::sync::Arc;

use executor::End;
use planner::{Action, Plan};
use provider_kubernetes::Kubernetes;
use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::support::*;

fn job(value: Option<&str>) -> Value {
    let env: Vec<Value> = [("KEPT", Some("1")), ("A", value)]
        .iter()
        .filter_map(|(name, value)| Some(json!({"name": name, "value": (*value)?})))
        .collect();
    json!({"object": {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "fixed"}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "once", "image": "example.com/once:1", "env": env}]}},
    }}})
}

fn sealed(data: Value) -> Value {
    json!({"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sealed", "namespace": "fixed"}, "immutable": true, "data": data}})
}

fn labelled(label: &str) -> Value {
    let mut wanted = deployment("fixed", "16Mi");
    for place in [
        "/object/spec/selector/matchLabels",
        "/object/spec/template/metadata/labels",
    ] {
        *wanted.pointer_mut(place).unwrap() = json!({"app": label});
    }
    wanted
}

fn uid(object: &str) -> String {
    kubectl(&[
        "get",
        object,
        "-n",
        "fixed",
        "-o",
        "jsonpath={.metadata.uid}",
    ])
}

fn reason<'a>(plan: &'a Plan, address: &str) -> &'a str {
    let step = plan
        .steps
        .iter()
        .find(|step| step.action == Action::Replace && step.address.to_string() == address);
    &step
        .unwrap_or_else(|| panic!("{address} is not replaced: {:?}", mutations(plan)))
        .reason
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_changed_is_replaced_as_the_plan_says() {
    let (proxy, scope) = (Proxy::start(|_| None).await, scope("fixed"));
    let cluster = Kubernetes::connect(&proxy.kubeconfig, sandbox::KUBE_CONTEXT)
        .await
        .unwrap();
    let cluster = Arc::new(cluster);
    let wanted = |job: Value, sealed: Value, labelled: Value| {
        resources(&[namespace("fixed"), job, sealed, labelled])
    };
    let first = wanted(
        job(Some("1")),
        sealed(json!({"a": "1", "b": "2"})),
        labelled("old"),
    );
    let plan = planned(&cluster, &scope, &first).await;
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(mutations(&planned(&cluster, &scope, &first).await), [""; 0]);

    // A value that changes, a key that goes, a selector. What goes is seen too, though everything that is declared holds.
    for (next, cause) in [
        (
            wanted(job(Some("2")), sealed(json!({"a": "1"})), labelled("new")),
            "`object.spec.template.spec.containers[name=once].env[name=A].value` can't be changed in place",
        ),
        (
            wanted(job(None), sealed(json!({"a": "3"})), labelled("newer")),
            "`object.spec.template.spec.containers[name=once].env[name=A]` can't be changed in place",
        ),
    ] {
        let plan = planned(&cluster, &scope, &next).await;
        let name = "kubernetes.batch/Job.fixed/once";
        assert_eq!(reason(&plan, name), cause);
        assert!(reason(&plan, "kubernetes.ConfigMap.fixed/sealed").starts_with("`object.data."));
        assert_eq!(
            reason(&plan, "kubernetes.apps/Deployment.fixed/api"),
            "`object.spec.selector.matchLabels.app` can't be changed in place"
        );
        let objects = [
            ("job/once", "/jobs/once"),
            ("configmap/sealed", "/configmaps/sealed"),
            ("deployment/api", "/deployments/api"),
        ];
        let before = objects.map(|(object, _)| uid(object));
        let (outcome, told) = run(&cluster, &scope, &plan).await;
        assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
        assert_eq!(retries(&told), []);
        for ((object, path), before) in objects.iter().zip(&before) {
            assert_ne!(uid(object), *before);
            let deletes = proxy.sent("DELETE", path);
            let delete = deletes.last().unwrap();
            assert_eq!(
                delete.body["preconditions"]["uid"],
                json!(before),
                "{object}"
            );
            // The new one is not asked to be the old one.
            let applies = proxy.sent("PATCH", path);
            assert_eq!(applies.last().unwrap().body["metadata"].get("uid"), None);
        }
        assert_eq!(mutations(&planned(&cluster, &scope, &next).await), [""; 0]);
    }
    assert_eq!(
        kubectl(&[
            "get",
            "configmap",
            "sealed",
            "-n",
            "fixed",
            "-o",
            "jsonpath={.data}"
        ]),
        r#"{"a":"3"}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_no_more_is_shown_and_taken_out() {
    let (cluster, scope) = (Arc::new(cluster().await), scope("fewer"));
    let mut both = config("fewer", "1");
    both["object"]["data"]["b"] = json!("2");
    let first = planned(&cluster, &scope, &resources(&[namespace("fewer"), both])).await;
    assert_eq!(run(&cluster, &scope, &first).await.0.end, End::Complete);
    let fewer = resources(&[namespace("fewer"), config("fewer", "1")]);
    let plan = planned(&cluster, &scope, &fewer).await;
    assert_eq!(mutations(&plan), ["update kubernetes.ConfigMap.fewer/api"]);
    let changes = &plan.steps[0].changes;
    assert_eq!(
        (
            changes.len(),
            changes[0].path.as_str(),
            &changes[0].before,
            &changes[0].after
        ),
        (1, "object.data.b", &Some(json!("2")), &None)
    );
    assert_eq!(run(&cluster, &scope, &plan).await.0.end, End::Complete);
    assert_eq!(
        kubectl(&[
            "get",
            "configmap",
            "api",
            "-n",
            "fewer",
            "-o",
            "jsonpath={.data}"
        ]),
        r#"{"a":"1"}"#
    );
}
