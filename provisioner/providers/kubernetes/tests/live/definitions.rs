//! A definition and an object of its kind in one apply.

use std::sync::Arc;

use executor::End;
use serde_json::json;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_and_its_first_object_go_in_one_run() {
    let (cluster, mut scope) = (Arc::new(cluster().await), scope("gadgets"));
    scope.kinds.push("tools.example.com/Gadget".to_owned());
    let objects = resources(&[
        json!({"object": {"apiVersion": "tools.example.com/v1", "kind": "Gadget", "metadata": {"name": "one"}, "size": 3}}),
        json!({"object": {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.tools.example.com"}, "spec": {
            "group": "tools.example.com", "scope": "Cluster", "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        }}}),
    ]);
    let plan = planned(&cluster, &scope, &objects).await;
    assert_eq!(
        mutations(&plan),
        [
            "create kubernetes.apiextensions.k8s.io/CustomResourceDefinition.gadgets.tools.example.com",
            "create kubernetes.tools.example.com/Gadget.one"
        ]
    );
    let (outcome, told) = run(&cluster, &scope, &plan).await;
    assert_eq!(outcome.end, End::Complete, "{:?}", outcome.failures);
    // The object came when its kind was served, and not by trying.
    assert_eq!(retries(&told), []);
    assert_eq!(
        kubectl(&[
            "get",
            "gadgets.tools.example.com",
            "one",
            "-o",
            "jsonpath={.size}"
        ]),
        "3"
    );
    assert_eq!(
        mutations(&planned(&cluster, &scope, &objects).await),
        [""; 0]
    );
}
