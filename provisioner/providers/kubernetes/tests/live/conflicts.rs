//! Fields that another manager holds.

use std::sync::Arc;

use executor::End;
use executor::provider::ErrorKind;
use planner::Action;
use serde_json::json;

use crate::support::*;

fn patched_by(manager: &str, patch: &str) {
    kubectl(&[
        "patch",
        "configmap",
        "api",
        "-n",
        "rivals",
        &format!("--field-manager={manager}"),
        "-p",
        patch,
    ]);
}

fn data() -> String {
    kubectl(&[
        "get",
        "configmap",
        "api",
        "-n",
        "rivals",
        "-o",
        "jsonpath={.data.a} {.data.b}",
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_plan_showed_is_taken_from_another_manager() {
    let (cluster, scope) = (Arc::new(cluster().await), scope("rivals"));
    let mut wanted = config("rivals", "ours");
    wanted["object"]["data"]["b"] = json!("ours");
    let wanted = resources(&[namespace("rivals"), wanted]);
    let first = planned(&cluster, &scope, &wanted).await;
    assert_eq!(run(&cluster, &scope, &first).await.0.end, End::Complete);

    patched_by("rival", r#"{"data":{"a":"theirs"}}"#);
    let plan = planned(&cluster, &scope, &wanted).await;
    let shown = plan
        .steps
        .iter()
        .find(|step| step.action == Action::Update)
        .unwrap();
    assert_eq!(shown.changes.len(), 1, "{:?}", shown.changes);
    assert_eq!(shown.changes[0].path, "object.data.a");
    assert_eq!(
        shown.reason,
        "also written by rival, who loses the fields that differ"
    );

    // Somebody else comes between the plan and its apply.
    patched_by("latecomer", r#"{"data":{"b":"theirs"}}"#);
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    let failure = failure(&outcome);
    assert_eq!((failure.kind, failure.attempts), (ErrorKind::Conflict, 1));
    assert!(
        failure.why.ends_with(
            "fields that the plan does not change are held by another manager: `data.b`: conflict with \"latecomer\" using v1"
        ),
        "{}",
        failure.why
    );
    assert_eq!(data(), "theirs theirs");

    let plan = planned(&cluster, &scope, &wanted).await;
    let (outcome, _) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(data(), "ours ours");
    assert_eq!(
        mutations(&planned(&cluster, &scope, &wanted).await),
        [""; 0]
    );
}
