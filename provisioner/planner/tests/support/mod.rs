//! A small environment, and the cloud it would become.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;

use planner::plan::{PinnedBackup, Target};
use planner::reference::{Outputs, resolve};
use planner::{
    Action, Address, Input, Inventory, Observed, Plan, Policy, Resource, Rotate, Source, applyset,
    render,
};
use serde_json::{Value, json};

pub const TEMPLATE: &str = r#"
resources:
  - address: ec2.vpc.main
    spec: {cidr: 10.0.0.0/16}
  - address: ec2.internet-gateway.main
    spec: {vpc: {ref: ec2.vpc.main}}
  - address: ec2.subnet.a
    spec: {vpc: {ref: ec2.vpc.main}, cidr: 10.0.1.0/24, zone: us-east-1a, public: true}
  - address: ec2.subnet.b
    spec: {vpc: {ref: ec2.vpc.main}, cidr: 10.0.2.0/24, zone: us-east-1b}
  - address: ec2.elastic-ip.nat
    spec: {}
  - address: ec2.nat-gateway.main
    spec: {subnet: {ref: ec2.subnet.a}, elastic_ip: {ref: ec2.elastic-ip.nat}}
    depends_on: [ec2.internet-gateway.main]
  - address: ec2.route-table.private
    spec:
      vpc: {ref: ec2.vpc.main}
      routes: [{destination: 0.0.0.0/0, gateway: {ref: ec2.nat-gateway.main}}]
      subnets: [{ref: ec2.subnet.a}, {ref: ec2.subnet.b}]
  - address: ec2.security-group.web
    spec:
      vpc: {ref: ec2.vpc.main}
      description: web
      ingress:
        - {protocol: tcp, from_port: 443, to_port: 443, cidr: 0.0.0.0/0}
        - {protocol: tcp, from_port: 22, to_port: 22, cidr: 10.0.0.0/8}
  - address: vault.secret.ssh
    spec: {mount: secret, path: demo/ssh, generator: {type: ed25519}}
  - address: vault.secret.data
    spec: {mount: secret, path: demo/data, generator: {type: random, bytes: 32, encoding: hex}}
  - address: vault.secret.api
    spec: {mount: secret, path: demo/api, generator: {type: password, length: 40, symbols: 2}}
  - address: ec2.key-pair.main
    spec: {name: demo-ssh, public_key: {ref: vault.secret.ssh/public-key}}
  - address: iam.role.api
    spec:
      name: demo-api
      trust: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["sts:AssumeRole"], Principal: {Service: [ec2.amazonaws.com]}}]}
  - address: iam.instance-profile.api
    spec: {name: demo-api, role: {ref: iam.role.api/name}}
  - address: ec2.launch-template.api
    spec:
      name: demo-api
      image: ami-0123456789abcdef0
      instance_type: t3.medium
      key_pair: {ref: ec2.key-pair.main/name}
      instance_profile: {ref: iam.instance-profile.api/name}
      security_groups: [{ref: ec2.security-group.web}]
      user_data: |
        #!/bin/sh
        echo hello
  - address: ec2.instance.api
    spec: {launch_template: {ref: ec2.launch-template.api}, subnet: {ref: ec2.subnet.a}, private_ip: 10.0.1.10}
  - address: s3.bucket.data
    spec: {name: demo-data}
  - address: seed.object.chain
    spec:
      bucket: {ref: s3.bucket.data/name}
      key: chain.enc
      encrypt_with: {mount: secret, path: demo/data, field: value}
      sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  - address: check.seed.chain
    spec:
      bucket: {ref: s3.bucket.data/name}
      key: chain.enc
      decrypt_with: {mount: secret, path: demo/data, field: value}
      head: bbbb
      blocks: 12
  - address: check.http.health
    spec: {url: "https://demo.example/health"}
  - address: s3.generation.mark
    spec: {bucket: {ref: s3.bucket.data/name}, state: validated}
    depends_on: [check.http.health, check.seed.chain]
"#;

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub fn object(text: &str, object: Value) -> Resource {
    Resource {
        address: address(text),
        spec: json!({"object": object}),
        depends_on: Default::default(),
        origin: None,
    }
}

pub fn cluster() -> Vec<Resource> {
    let meta = |name: &str| json!({"name": name, "namespace": "demo"});
    let mut secret = object(
        "kubernetes.Secret.demo/api",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("api"), "type": "Opaque"}),
    );
    secret.spec["secrets"] =
        json!({"key": {"mount": "secret", "path": "demo/api", "field": "value"}});
    vec![
        object(
            "kubernetes.Namespace.demo",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}),
        ),
        object(
            "kubernetes.ConfigMap.demo/api",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("api"), "data": {"mode": "on"}}),
        ),
        secret,
        object(
            "kubernetes.apps/Deployment.demo/api",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("api"), "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "api"}},
                "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "registry.example/api:1",
                "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}]}}}}),
        ),
        object(
            "kubernetes.networking.k8s.io/Ingress.demo/api",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("api"), "spec": {"rules": []}}),
        ),
    ]
}

pub fn desired() -> Vec<Resource> {
    let source = Source {
        path: "demo.yaml.tera".to_owned(),
        text: TEMPLATE.to_owned(),
    };
    let mut resources = render(&[source], &json!({})).unwrap();
    resources.extend(cluster());
    applyset::form(&mut resources, "demo", "0.1.0").unwrap();
    resources
}

pub fn input() -> Input {
    Input {
        desired: desired(),
        inventory: Inventory::default(),
        case: planner::Case::default(),
        target: Target {
            environment: "demo".to_owned(),
            generation: "20261124-7f3a".parse().unwrap(),
            fresh: false,
            places: BTreeMap::from([
                ("account".to_owned(), "123456789012".to_owned()),
                ("region".to_owned(), "us-east-1".to_owned()),
            ]),
        },
        actual: BTreeMap::from([
            ("account".to_owned(), "123456789012".to_owned()),
            ("region".to_owned(), "us-east-1".to_owned()),
        ]),
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        tool: "0.1.0".to_owned(),
        backup: Some(PinnedBackup {
            id: "demo_20261123_033004_weekly".to_owned(),
            location: "s3://backups/demo_20261123_033004_weekly.json.gz".to_owned(),
            version: Some("v1".to_owned()),
            size: 4096,
            sha256: "a".repeat(64),
            format: "natlangchain".to_owned(),
            head: "bbbb".to_owned(),
            blocks: 12,
            entries: 30,
            written: "2026-11-23T03:30:04Z".parse().unwrap(),
        }),
        inputs: BTreeMap::from([("demo.yaml.tera".to_owned(), "cccc".to_owned())]),
        policy: Policy {
            public_ports: [443].into(),
            manifests: manifest::Policy {
                severities: [(
                    manifest::Code::ImageWithoutDigest,
                    planner::Severity::Warning,
                )]
                .into(),
                ..manifest::Policy::default()
            },
            rto_seconds: 3600,
            rpo_seconds: 86_400,
            ..Policy::default()
        },
        rotate: Rotate::None,
        medians: BTreeMap::new(),
    }
}

/// The plan's result as the providers would observe it: ids made up, what can't be read back left out.
pub fn applied(input: &Input) -> Inventory {
    let plan = planner::plan(input.clone()).unwrap();
    observed_after(&plan, &input.inventory)
}

pub fn observed_after(plan: &Plan, before: &Inventory) -> Inventory {
    let mut objects: BTreeMap<Address, Observed> = before
        .objects
        .iter()
        .map(|object| (object.address.clone(), object.clone()))
        .collect();
    let mut done: BTreeMap<String, bool> = plan
        .steps
        .iter()
        .map(|step| (step.id.clone(), false))
        .collect();
    while done.values().any(|done| !done) {
        let ready: Vec<_> = plan
            .steps
            .iter()
            .filter(|step| !done[&step.id] && step.depends_on.iter().all(|id| done[id]))
            .collect();
        assert!(!ready.is_empty(), "the steps' order leads nowhere");
        for step in ready {
            done.insert(step.id.clone(), true);
            match step.action {
                Action::Check => continue,
                Action::Delete => {
                    if objects
                        .get(&step.address)
                        .is_some_and(|object| Some(&object.id) == step.object.as_ref())
                    {
                        objects.remove(&step.address);
                    }
                    continue;
                }
                _ => {}
            }
            let kind = planner::kinds::of(&step.address).unwrap();
            let id = step
                .object
                .clone()
                .unwrap_or_else(|| format!("{}-{}", step.address.kind(), &step.token[..16]));
            let lookup = |reference: &planner::Reference| {
                objects
                    .get(&reference.address)
                    .and_then(|object| object.outputs.get(&reference.attribute).cloned())
            };
            let mut spec = resolve(&step.spec, &lookup);
            assert!(
                planner::reference::references(&spec).is_empty(),
                "{} is applied before what it refers to",
                step.id
            );
            let fields = spec.as_object_mut().unwrap();
            fields.retain(|name, _| !kind.opaque.contains(&name.as_str()));
            let outputs: Outputs = kind
                .outputs
                .iter()
                .map(|output| {
                    (
                        (*output).to_owned(),
                        if *output == "id" {
                            json!(id)
                        } else {
                            json!(format!("{output} of {id}"))
                        },
                    )
                })
                .collect();
            objects.insert(
                step.address.clone(),
                Observed {
                    address: step.address.clone(),
                    generation: plan.target.generation.clone(),
                    id,
                    spec,
                    outputs,
                    digest: (!step.digest.is_empty()).then(|| step.digest.clone()),
                    ready: true,
                    marks: BTreeMap::new(),
                },
            );
        }
    }
    let mut inventory = Inventory::default();
    inventory.merge(Inventory {
        objects: objects.into_values().collect(),
        foreign: Vec::new(),
    });
    inventory
}

/// Replaces a field of a wanted resource.
pub fn set(input: &mut Input, text: &str, pointer: &str, value: Value) {
    let resource = input
        .desired
        .iter_mut()
        .find(|resource| resource.address.to_string() == text)
        .unwrap();
    *resource.spec.pointer_mut(pointer).unwrap() = value;
}

pub fn drop(input: &mut Input, text: &str) {
    input
        .desired
        .retain(|resource| resource.address.to_string() != text);
}

/// `ACTION ADDRESS` of every mutating step.
pub fn mutations(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .filter(|step| step.action.mutates())
        .map(|step| step.id.as_str())
        .collect()
}

/// Whether `later` waits, directly or not, for `earlier`.
pub fn waits(plan: &Plan, later: &str, earlier: &str) -> bool {
    let step = |id: &str| {
        plan.steps
            .iter()
            .find(|step| step.id == id)
            .unwrap_or_else(|| panic!("no step {id}"))
    };
    step(earlier);
    let mut open = vec![later];
    let mut seen = std::collections::HashSet::new();
    while let Some(id) = open.pop() {
        if id == earlier {
            return true;
        }
        if seen.insert(id) {
            open.extend(step(id).depends_on.iter().map(String::as_str));
        }
    }
    false
}
