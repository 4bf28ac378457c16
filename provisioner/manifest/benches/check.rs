//! Checking an overlay of 20,000 objects.

use manifest::{Policy, check};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// Forty namespaces with a policy each; workloads, their services, accounts and configuration in equal parts.
fn objects() -> Vec<Value> {
    let mut all: Vec<Value> = (0..40)
        .map(|at| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "all", "namespace": format!("n{at}")},
                "spec": {"podSelector": {"matchLabels": {"app": format!("o{at}")}}}})
        })
        .collect();
    for number in 0..20_000 / 4 {
        let name = format!("o{number}");
        let metadata = json!({"name": name, "namespace": format!("n{}", number % 40), "labels": {"app": name}});
        let containers: Vec<Value> = (0..2)
            .map(|at| {
                json!({"name": format!("c{at}"), "image": format!("registry.example/c{at}@sha256:{}", "a".repeat(64)),
                    "env": (0..10).map(|env| json!({"name": format!("E{env}"), "value": "v"})).collect::<Vec<_>>(),
                    "envFrom": [{"configMapRef": {"name": name}}],
                    "ports": [{"containerPort": 80}],
                    "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}})
            })
            .collect();
        all.extend([
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"serviceAccountName": name, "containers": containers}}}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1", "b": "2"}}),
        ]);
    }
    all
}

#[divan::bench(sample_count = 10)]
fn twenty_thousand_objects(bencher: divan::Bencher<'_, '_>) {
    let objects = objects();
    let objects: Vec<&Value> = objects.iter().collect();
    bencher.bench_local(|| check(&objects, &Policy::default()).len());
}
