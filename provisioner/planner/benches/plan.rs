//! Planning 1,000 infrastructure and 500 Kubernetes objects: from nothing, with nothing to do, and the preview of the former.

use std::collections::BTreeMap;

use planner::plan::Target;
use planner::preview::{self, Style};
use planner::reference::{Outputs, resolve};
use planner::{Input, Inventory, Observed, Policy, Reference, Resource, Rotate, Source, render};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// 20 VPCs with an internet gateway, 12 subnets, a route table, a security group, a launch template, 20 instances and 14 volumes each.
const TEMPLATE: &str = r#"
resources:
{% for v in range(end=20) %}
  - {address: ec2.vpc.v{{ v }}, spec: {cidr: 10.{{ v }}.0.0/16}}
  - {address: ec2.internet-gateway.v{{ v }}, spec: {vpc: {ref: ec2.vpc.v{{ v }}}}}
  - {address: ec2.security-group.v{{ v }}, spec: {vpc: {ref: ec2.vpc.v{{ v }}}, description: group, ingress: [{protocol: tcp, from_port: 443, to_port: 443, cidr: 10.0.0.0/8}]}}
  - {address: ec2.launch-template.v{{ v }}, spec: {name: v{{ v }}, image: ami-0123456789abcdef0, instance_type: t3.medium, security_groups: [{ref: ec2.security-group.v{{ v }}}]}}
{% for s in range(end=12) %}
  - {address: ec2.subnet.v{{ v }}-{{ s }}, spec: {vpc: {ref: ec2.vpc.v{{ v }}}, cidr: 10.{{ v }}.{{ s }}.0/24, zone: us-east-1a}}
{% endfor %}
{% for i in range(end=20) %}
  - {address: ec2.instance.v{{ v }}-{{ i }}, spec: {launch_template: {ref: ec2.launch-template.v{{ v }}}, subnet: {ref: ec2.subnet.v{{ v }}-{{ i % 12 }}}, private_ip: 10.{{ v }}.{{ i % 12 }}.{{ 10 + i }}}}
{% endfor %}
{% for d in range(end=14) %}
  - {address: ec2.volume.v{{ v }}-{{ d }}, spec: {zone: us-east-1a, size: 100, instance: {ref: ec2.instance.v{{ v }}-{{ d }}}, device: /dev/sdf}}
{% endfor %}
{% endfor %}
"#;

fn source() -> Source {
    Source {
        path: "bench.yaml.tera".to_owned(),
        text: TEMPLATE.to_owned(),
    }
}

fn cluster() -> impl Iterator<Item = Resource> {
    (0..500).map(|number| {
        let (group, kind, version) = match number % 5 {
            0 | 1 => ("apps/Deployment", "Deployment", "apps/v1"),
            2 => ("Service", "Service", "v1"),
            3 => ("networking.k8s.io/Ingress", "Ingress", "networking.k8s.io/v1"),
            _ => ("ConfigMap", "ConfigMap", "v1"),
        };
        let containers: Vec<Value> = (0..2)
            .map(|at| {
                json!({"name": format!("c{at}"), "image": format!("registry.example/c{at}@sha256:{}", "a".repeat(64)),
                    "env": (0..10).map(|env| json!({"name": format!("E{env}"), "value": format!("value {env}")})).collect::<Vec<_>>(),
                    "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}})
            })
            .collect();
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": format!("o{number}"), "namespace": "bench", "labels": {"app": format!("o{number}")}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": containers}}}});
        Resource {
            address: planner::Address::new("kubernetes", group, &format!("bench/o{number}")).expect("an address"),
            spec: json!({"object": object}),
            depends_on: Default::default(),
            origin: None,
        }
    })
}

fn input() -> Input {
    let mut desired = render(&[source()], &json!({})).expect("the template renders");
    assert_eq!(desired.len(), 1000);
    desired.extend(cluster());
    Input {
        desired,
        inventory: Inventory::default(),
        case: planner::Case::default(),
        target: Target {
            environment: "bench".to_owned(),
            generation: "20261124-7f3a".parse().expect("a generation"),
            fresh: false,
            places: BTreeMap::new(),
        },
        actual: BTreeMap::new(),
        created: "2026-11-24T02:00:00Z".parse().expect("a time"),
        tool: "0.1.0".to_owned(),
        backup: None,
        inputs: BTreeMap::new(),
        policy: Policy::default(),
        rotate: Rotate::None,
        medians: BTreeMap::new(),
    }
}

/// The same with everything there.
fn settled() -> Input {
    let mut input = input();
    let plan = planner::plan(input.clone()).expect("a plan");
    for step in &plan.steps {
        let kind = planner::kinds::of(&step.address).expect("a kind");
        let id = |address: &planner::Address| format!("id-{address}");
        let mut spec = resolve(&step.spec, &|reference: &Reference| {
            Some(json!(id(&reference.address)))
        });
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !kind.opaque.contains(&field.as_str()));
        }
        let outputs = Outputs::from([("id".to_owned(), json!(id(&step.address)))]);
        input.inventory.objects.push(Observed {
            address: step.address.clone(),
            generation: plan.target.generation.clone(),
            id: id(&step.address),
            spec,
            outputs,
            digest: (!step.digest.is_empty()).then(|| step.digest.clone()),
            ready: true,
            marks: BTreeMap::new(),
        });
    }
    assert!(!planner::plan(input.clone()).expect("a plan").has_changes());
    input
}

#[divan::bench(sample_count = 20)]
fn render_1000(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(|| render(&[source()], &json!({})));
}

#[divan::bench(sample_count = 20)]
fn plan_from_nothing(bencher: divan::Bencher<'_, '_>) {
    bencher.with_inputs(input).bench_values(planner::plan);
}

#[divan::bench(sample_count = 20)]
fn plan_nothing_to_do(bencher: divan::Bencher<'_, '_>) {
    let settled = settled();
    bencher
        .with_inputs(|| settled.clone())
        .bench_values(planner::plan);
}

#[divan::bench(sample_count = 20)]
fn plan_destroy(bencher: divan::Bencher<'_, '_>) {
    let settled = settled();
    bencher
        .with_inputs(|| settled.clone())
        .bench_values(planner::destroy);
}

#[divan::bench(sample_count = 20)]
fn preview_from_nothing(bencher: divan::Bencher<'_, '_>) {
    let plan = planner::plan(input()).expect("a plan");
    bencher.bench(|| preview::text(&plan, &Style::default()));
}
