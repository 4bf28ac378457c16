//! Objects and namespaces that are being deleted.

use std::sync::Arc;
use std::time::Duration;

use executor::End;
use executor::provider::{ErrorKind, Provider};
use serde_json::json;

use crate::support::*;

const HELD: &str = "SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_end_says_what_holds_it() {
    let (patient, scope) = (Arc::new(cluster().await), scope("ending"));
    let mut held = config("ending", "a");
    held["object"]["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let first = resources(&[namespace("ending"), held]);
    let plan = planned(&patient, &scope, &first).await;
    assert_eq!(run(&patient, &scope, &plan).await.0.end, End::Complete);
    let uid = || {
        kubectl(&[
            "get",
            "namespace",
            "ending",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
    };
    let before = uid();
    kubectl(&["delete", "namespace", "ending", "--wait=false"]);
    kubectl(&[
        "wait",
        "--for=condition=NamespaceFinalizersRemaining",
        "namespace/ending",
        "--timeout=60s",
    ]);

    let hasty = cluster().await.with_deadline(Duration::from_secs(1));
    let error = apply(&hasty, &scope, namespace("ending"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(
        error.why.starts_with("not gone after 1 s: ") && error.why.contains(HELD),
        "{error}"
    );
    let mut other = config("ending", "a");
    other["object"]["metadata"]["name"] = json!("other");
    let error = apply(&hasty, &scope, other).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotYet);
    assert!(
        error.why.contains("being terminated") && error.why.contains(HELD),
        "{error}"
    );
    let seen = hasty.observe(&scope).await.unwrap().objects;
    let object = |kind: &str| seen.iter().find(|o| o.address.kind() == kind).unwrap();
    let error = hasty.remove(object("Namespace")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(error.why.contains(HELD), "{error}");
    let error = hasty.remove(object("ConfigMap")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(
        error.why.ends_with("finalizers: example.com/hold"),
        "{error}"
    );

    // What goes counts as gone: everything in the namespace is made anew, once it has let go.
    let wanted = resources(&[namespace("ending"), config("ending", "a")]);
    let plan = planned(&patient, &scope, &wanted).await;
    assert_eq!(
        mutations(&plan),
        [
            "create kubernetes.Namespace.ending",
            "create kubernetes.ConfigMap.ending/api"
        ]
    );
    let release = [
        "patch",
        "configmap",
        "api",
        "-n",
        "ending",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ];
    kubectl(&release);
    let (outcome, told) = run(&patient, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    assert_eq!(retries(&told), []);
    assert_ne!(uid(), before);
    assert_eq!(
        mutations(&planned(&patient, &scope, &wanted).await),
        [""; 0]
    );
}
