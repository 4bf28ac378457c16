//! What is found in the project's own overlays.

use std::path::Path;

use manifest::{Finding, Policy, check};
use overlay::{DiskTree, Options, render};
use serde_json::{Value, json};

/// An overlay's objects, and those that a rebuild makes beside it.
fn objects(name: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root
        .join("templates/kubernetes/overlays")
        .join(name)
        .canonicalize()
        .unwrap();
    let tree = DiskTree::new(Path::new("/")).unwrap();
    let rendered = render(&tree, folder.to_str().unwrap(), &Options::default()).unwrap();
    let beside = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "natlangchain"}});
    rendered
        .objects
        .iter()
        .map(|object| json(&object.value))
        .chain([
            beside("Secret", "natlangchain-secrets"),
            beside("ConfigMap", "rebuild-seed"),
        ])
        .collect()
}

fn json(value: &overlay::Value) -> Value {
    use overlay::Value as From;
    match value {
        From::Null => Value::Null,
        From::Bool(value) => json!(value),
        From::Int(value) => json!(value),
        From::Uint(value) => json!(value),
        From::Float(value) => json!(value),
        From::String(value) => json!(value),
        From::List(items) => items.iter().map(json).collect(),
        From::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), json(value)))
                .collect(),
        ),
    }
}

fn found(objects: &[Value]) -> String {
    let objects: Vec<&Value> = objects.iter().collect();
    check(&objects, &Policy::default())
        .iter()
        .map(|finding: &Finding| {
            format!(
                "{} {} {}: {finding}\n    {}\n",
                finding.severity, finding.object, finding.code, finding.hint
            )
        })
        .collect()
}

#[test]
fn production() {
    insta::assert_snapshot!(found(&objects("production")));
}

#[test]
fn staging() {
    insta::assert_snapshot!(found(&objects("staging")));
}

#[test]
fn sandbox() {
    insta::assert_snapshot!(found(&objects("sandbox")));
}

/// Without the Secret that a rebuild fills, what reads it is told of.
#[test]
fn what_a_rebuild_makes_is_missed_without_it() {
    let mut objects = objects("production");
    objects.retain(|object| object["kind"] != "Secret");
    insta::assert_snapshot!(found(&objects));
}
