//! The EC2 provider against moto, which answers like EC2 over HTTP.
//!
//! moto ignores client tokens and drops metadata options of launch templates, so what was sent is asserted on too.

mod contain;
mod evidence;
mod support;
mod wire;

use std::collections::BTreeMap;

use executor::provider::{Ensure, ErrorKind, Provider, Scope};
use planner::identity::client_token;
use planner::reference::Outputs;
use planner::{Action, Address, Layer, Observed, Step, canonical, kinds};
use provider_ec2::Ec2;
use serde_json::{Value, json};
use support::{Moto, Recorder};

pub(crate) fn scope(generation: &str) -> Scope {
    Scope {
        environment: "live".to_owned(),
        generation: generation.parse().expect("a generation id"),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    }
}

fn normal(address: &Address, spec: Value) -> Value {
    let kind = kinds::of(address).expect("a kind of the catalogue");
    (kind.normalize)(&spec).unwrap_or_else(|error| panic!("{address}: {error}"))
}

fn step(scope: &Scope, action: Action, address: &str, spec: &Value, object: Option<&str>) -> Step {
    let address: Address = address.parse().expect("an address");
    let kind = kinds::of(&address).expect("a kind of the catalogue");
    let digest = canonical::digest(spec);
    Step {
        id: format!("{action:?} {address}"),
        action,
        layer: Layer::Network,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: object.map(str::to_owned),
        changes: Vec::new(),
        token: client_token(&scope.generation, &address, &digest),
        digest: if kind.opaque.is_empty() {
            String::new()
        } else {
            digest
        },
        reason: String::new(),
        seconds: 1,
        calls: 1,
        address,
    }
}

async fn ensure(
    provider: &Ec2,
    scope: &Scope,
    action: Action,
    address: &str,
    spec: Value,
    object: Option<&str>,
) -> Outputs {
    let spec = normal(&address.parse().expect("an address"), spec);
    let step = step(scope, action, address, &spec, object);
    provider
        .ensure(Ensure {
            scope,
            step: &step,
            spec,
        })
        .await
        .unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// Creates twice: the second time must find what the first made.
pub(crate) async fn create(provider: &Ec2, scope: &Scope, address: &str, spec: Value) -> Outputs {
    let first = ensure(provider, scope, Action::Create, address, spec.clone(), None).await;
    let second = ensure(provider, scope, Action::Create, address, spec.clone(), None).await;
    assert_eq!(
        first, second,
        "{address}: a second ensure must change nothing"
    );
    let kind = kinds::of(&address.parse().expect("an address")).expect("a kind of the catalogue");
    for output in kind.outputs.iter().filter(|output| **output != "public-ip") {
        assert!(first.contains_key(*output), "{address} gives {output}");
    }
    let object = object(provider, scope, address).await;
    compare(&object, &spec);
    first
}

async fn object(provider: &Ec2, scope: &Scope, address: &str) -> Observed {
    let inventory = provider.observe(scope).await.expect("observe");
    let mut found: Vec<Observed> = inventory
        .objects
        .into_iter()
        .filter(|object| {
            object.address.to_string() == address && object.generation == scope.generation
        })
        .collect();
    assert_eq!(found.len(), 1, "{address} must be there once");
    found.remove(0)
}

/// The no-op comparison: every field that can be read back equals the wanted one, sets in any order.
fn compare(object: &Observed, spec: &Value) {
    let kind = kinds::of(&object.address).expect("a kind of the catalogue");
    let wanted = normal(&object.address, spec.clone());
    let sorted = |field: &str, value: &Value| match value {
        Value::Array(items) if kind.sets.contains(&field) => {
            let mut items: Vec<String> = items.iter().map(canonical::text).collect();
            items.sort();
            json!(items)
        }
        other => other.clone(),
    };
    let seen = object.spec.as_object().expect("an object");
    let wanted = wanted.as_object().expect("an object");
    for field in wanted
        .keys()
        .chain(seen.keys())
        .filter(|field| !kind.opaque.contains(&field.as_str()))
    {
        let (a, b) = (
            seen.get(field).unwrap_or(&Value::Null),
            wanted.get(field).unwrap_or(&Value::Null),
        );
        assert_eq!(
            sorted(field, a),
            sorted(field, b),
            "{} field {field}",
            object.address
        );
    }
    assert!(object.ready, "{}", object.address);
}

pub(crate) fn id(outputs: &Outputs) -> String {
    outputs
        .get("id")
        .and_then(Value::as_str)
        .expect("an id")
        .to_owned()
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrh1mZz0dBCg3pd1Q1L7Vr3eGHZ0Jv8pB4RkTjGmB2V test";

#[tokio::test]
async fn every_kind_is_made_once_read_back_and_removed() {
    let moto = Moto::start().await;
    let recorder = Recorder::default();
    let provider = moto.provider(&recorder).await;
    let scope = scope("20261124-0001");
    let image = moto.image().await;

    let vpc = id(&create(
        &provider,
        &scope,
        "ec2.vpc.main",
        json!({"cidr": "10.7.0.0/16", "dns_hostnames": true, "tags": {"team": "ops"}}),
    )
    .await);
    let public = id(&create(
        &provider,
        &scope,
        "ec2.subnet.public",
        json!({"vpc": vpc, "cidr": "10.7.1.0/24", "zone": "us-east-1a", "public": true}),
    )
    .await);
    let private = id(&create(&provider, &scope, "ec2.subnet.private", json!({"vpc": vpc, "cidr": "10.7.2.0/24", "zone": "us-east-1a", "tags": {"Name": "declared"}})).await);
    let internet = id(&create(
        &provider,
        &scope,
        "ec2.internet-gateway.main",
        json!({"vpc": vpc}),
    )
    .await);
    let address = create(&provider, &scope, "ec2.elastic-ip.nat", json!({})).await;
    assert!(address.contains_key("public-ip"));
    let nat = id(&create(
        &provider,
        &scope,
        "ec2.nat-gateway.main",
        json!({"subnet": public, "elastic_ip": id(&address)}),
    )
    .await);
    create(&provider, &scope, "ec2.route-table.public", json!({"vpc": vpc, "routes": [{"destination": "0.0.0.0/0", "gateway": internet}], "subnets": [public]})).await;
    create(&provider, &scope, "ec2.route-table.private", json!({"vpc": vpc, "routes": [{"destination": "0.0.0.0/0", "gateway": nat}], "subnets": [private]})).await;
    let web = id(&create(
        &provider,
        &scope,
        "ec2.security-group.web",
        json!({"vpc": vpc, "description": "web", "ingress": [
            {"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "0.0.0.0/0", "description": "https"},
            {"protocol": "tcp", "from_port": 80, "to_port": 80, "cidr": "10.7.0.0/16"}]}),
    )
    .await);
    let data = id(&create(
        &provider,
        &scope,
        "ec2.security-group.data",
        json!({"vpc": vpc, "description": "data", "ingress": [{"protocol": "tcp", "from_port": 5432, "to_port": 5432, "group": web}],
            "egress": [{"protocol": "-1", "from_port": -1, "to_port": -1, "cidr": "10.7.0.0/16"}]}),
    )
    .await);
    create(
        &provider,
        &scope,
        "ec2.network-acl.private",
        json!({"vpc": vpc, "entries": [
            {"number": 100, "protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "10.7.0.0/16"},
            {"number": 100, "egress": true, "protocol": "-1", "cidr": "0.0.0.0/0"}], "subnets": [private]}),
    )
    .await;
    let key = create(
        &provider,
        &scope,
        "ec2.key-pair.admin",
        json!({"name": "live-20261124-0001-admin", "public_key": KEY}),
    )
    .await;
    let template = id(&create(
        &provider,
        &scope,
        "ec2.launch-template.node",
        json!({"name": "live-20261124-0001-node", "image": image, "instance_type": "t3.micro", "key_pair": key["name"], "security_groups": [data],
            "block_devices": [{"device": "/dev/sdb", "size": 20}], "user_data": "#!/bin/sh\ntrue\n"}),
    )
    .await);
    let instance = create(
        &provider,
        &scope,
        "ec2.instance.node",
        json!({"launch_template": template, "subnet": private, "private_ip": "10.7.2.10"}),
    )
    .await;
    assert_eq!(instance["private-ip"], "10.7.2.10");
    let volume =
        json!({"zone": "us-east-1a", "size": 8, "instance": id(&instance), "device": "/dev/sdf"});
    create(&provider, &scope, "ec2.volume.data", volume).await;

    for call in [
        "CreateNatGateway",
        "CreateRouteTable",
        "CreateNetworkAcl",
        "CreateLaunchTemplate",
        "RunInstances",
        "CreateVolume",
    ] {
        let sent = recorder.sent(call);
        assert!(!sent.is_empty(), "{call} was never sent");
        for form in sent {
            assert!(
                form.get("ClientToken")
                    .is_some_and(|token| token.len() == 64),
                "{call} without a client token"
            );
            assert!(
                form.values().any(|value| value == "rebuild:environment"),
                "{call} without ownership tags"
            );
        }
    }
    let template = &recorder.sent("CreateLaunchTemplate")[0];
    assert_eq!(
        template["LaunchTemplateData.MetadataOptions.HttpTokens"],
        "required"
    );
    assert_eq!(
        template["LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit"],
        "1"
    );
    let devices = template
        .iter()
        .filter(|(key, _)| key.ends_with(".DeviceName"))
        .count();
    let encrypted = template
        .iter()
        .filter(|(key, value)| key.ends_with(".Ebs.Encrypted") && *value == "true")
        .count();
    assert!(devices >= 1 && devices == encrypted, "{template:?}");
    assert_eq!(recorder.sent("CreateVolume")[0]["Encrypted"], "true");

    // In place: rules, routes, entries, tags, size.
    let group = object(&provider, &scope, "ec2.security-group.web").await;
    let spec = json!({"vpc": vpc, "description": "web", "tags": {"a": "b"}, "ingress": [{"protocol": "tcp", "from_port": 8443, "to_port": 8443, "cidr": "0.0.0.0/0"}]});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.security-group.web",
        spec.clone(),
        Some(&group.id),
    )
    .await;
    compare(
        &object(&provider, &scope, "ec2.security-group.web").await,
        &spec,
    );
    let table = object(&provider, &scope, "ec2.route-table.private").await;
    let spec = json!({"vpc": vpc, "routes": [], "subnets": []});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.route-table.private",
        spec.clone(),
        Some(&table.id),
    )
    .await;
    compare(
        &object(&provider, &scope, "ec2.route-table.private").await,
        &spec,
    );
    let acl = object(&provider, &scope, "ec2.network-acl.private").await;
    let spec = json!({"vpc": vpc, "entries": [{"number": 100, "protocol": "udp", "from_port": 53, "to_port": 53, "cidr": "10.7.0.0/16", "allow": false}], "subnets": []});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.network-acl.private",
        spec.clone(),
        Some(&acl.id),
    )
    .await;
    compare(
        &object(&provider, &scope, "ec2.network-acl.private").await,
        &spec,
    );
    let held = object(&provider, &scope, "ec2.volume.data").await;
    let spec = json!({"zone": "us-east-1a", "size": 16});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.volume.data",
        spec.clone(),
        Some(&held.id),
    )
    .await;
    compare(&object(&provider, &scope, "ec2.volume.data").await, &spec);
    // A name that is no longer declared becomes the default one.
    let subnet = object(&provider, &scope, "ec2.subnet.private").await;
    let spec = json!({"vpc": vpc, "cidr": "10.7.2.0/24", "zone": "us-east-1a"});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.subnet.private",
        spec.clone(),
        Some(&subnet.id),
    )
    .await;
    compare(
        &object(&provider, &scope, "ec2.subnet.private").await,
        &spec,
    );
    let main = object(&provider, &scope, "ec2.vpc.main").await;
    let spec = json!({"cidr": "10.7.0.0/16", "dns_hostnames": false, "tags": {}});
    ensure(
        &provider,
        &scope,
        Action::Update,
        "ec2.vpc.main",
        spec.clone(),
        Some(&main.id),
    )
    .await;
    compare(&object(&provider, &scope, "ec2.vpc.main").await, &spec);

    // A replacement is another object, once, however often it is asked for.
    let subnet = object(&provider, &scope, "ec2.elastic-ip.nat").await;
    let one = ensure(
        &provider,
        &scope,
        Action::Replace,
        "ec2.elastic-ip.nat",
        json!({"tags": {"x": "1"}}),
        Some(&subnet.id),
    )
    .await;
    let two = ensure(
        &provider,
        &scope,
        Action::Replace,
        "ec2.elastic-ip.nat",
        json!({"tags": {"x": "1"}}),
        Some(&subnet.id),
    )
    .await;
    assert_eq!(one, two);
    assert_ne!(id(&one), subnet.id);

    // Down again, dependents first, each twice.
    let order = [
        "volume",
        "instance",
        "launch-template",
        "key-pair",
        "network-acl",
        "route-table",
        "nat-gateway",
        "elastic-ip",
        "internet-gateway",
        "security-group",
        "subnet",
        "vpc",
    ];
    let mut objects = provider.observe(&scope).await.expect("observe").objects;
    assert_eq!(objects.len(), 16);
    objects.sort_by_key(|object| order.iter().position(|kind| *kind == object.address.kind()));
    for object in &objects {
        for _ in 0..2 {
            provider
                .remove(object)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", object.address));
        }
    }
    assert!(
        provider
            .observe(&scope)
            .await
            .expect("observe")
            .objects
            .is_empty()
    );
}

#[tokio::test]
async fn what_was_held_back_is_added_to_the_group_that_was_made() {
    let moto = Moto::start().await;
    let recorder = Recorder::default();
    let provider = moto.provider(&recorder).await;
    let scope = scope("20261124-0004");
    let address = "ec2.security-group.api";
    let vpc = ensure(
        &provider,
        &scope,
        Action::Create,
        "ec2.vpc.main",
        json!({"cidr": "10.9.0.0/16"}),
        None,
    )
    .await;
    let spec = |egress: Value| {
        normal(
            &address.parse().expect("an address"),
            json!({"vpc": id(&vpc), "description": "api", "egress": egress}),
        )
    };
    let rule = json!({"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr": "0.0.0.0/0"});
    let closed = spec(json!([]));
    let open = spec(json!([rule]));
    // Both steps of a plan carry the token that the object is made with.
    let creating = step(&scope, Action::Create, address, &closed, None);
    let opening = |object: Option<&str>| Step {
        token: creating.token.clone(),
        ..step(&scope, Action::Open, address, &open, object)
    };
    let run = async |step: &Step| {
        let spec = step.spec.clone();
        let request = Ensure {
            scope: &scope,
            step,
            spec,
        };
        provider.ensure(request).await
    };
    let early = run(&opening(None)).await.expect_err("nothing to add to");
    assert_eq!(early.kind, ErrorKind::Conflict, "{early}");

    let made = run(&creating).await.expect("made");
    compare(&object(&provider, &scope, address).await, &closed);
    for object_id in [None, Some(id(&made))] {
        let opened = run(&opening(object_id.as_deref())).await.expect("opened");
        assert_eq!(id(&opened), id(&made));
        compare(&object(&provider, &scope, address).await, &open);
    }
}

#[tokio::test]
async fn looking_at_more_asks_no_more() {
    let moto = Moto::start().await;
    let recorder = Recorder::default();
    let provider = moto.provider(&recorder).await;
    let scope = scope("20261124-0003");
    let make = async |address: String, spec: Value| {
        id(&ensure(&provider, &scope, Action::Create, &address, spec, None).await)
    };
    let asked = async || {
        let before = recorder.calls();
        let inventory = provider.observe(&scope).await.expect("observe");
        (inventory.objects.len(), recorder.calls() - before)
    };
    let image = moto.image().await;
    let vpc = make("ec2.vpc.main".to_owned(), json!({"cidr": "10.7.0.0/16"})).await;
    let mut seen = Vec::new();
    for numbers in [0..1, 1..12] {
        for number in numbers {
            let cidr = format!("10.7.{number}.0/24");
            let subnet = make(
                format!("ec2.subnet.s{number}"),
                json!({"vpc": vpc, "cidr": cidr, "zone": "us-east-1a"}),
            )
            .await;
            make(
                format!("ec2.security-group.g{number}"),
                json!({"vpc": vpc, "description": "group"}),
            )
            .await;
            make(
                format!("ec2.route-table.r{number}"),
                json!({"vpc": vpc, "subnets": [subnet]}),
            )
            .await;
            make(
                format!("ec2.volume.v{number}"),
                json!({"zone": "us-east-1a", "size": 10}),
            )
            .await;
            let name = format!("live-20261124-0003-{number}");
            let template = make(
                format!("ec2.launch-template.t{number}"),
                json!({"name": name, "image": image, "instance_type": "t3.micro"}),
            )
            .await;
            make(
                format!("ec2.instance.i{number}"),
                json!({"launch_template": template, "subnet": subnet}),
            )
            .await;
        }
        seen.push(asked().await);
    }
    let [(few, first), (many, second)] = seen[..] else {
        unreachable!("two rounds")
    };
    assert_eq!((few, many), (7, 73));
    assert_eq!(
        first, second,
        "requests to observe {few} and {many} objects"
    );
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let moto = Moto::start().await;
    let provider = moto.provider(&Recorder::default()).await;
    let mut scope = scope("20261124-0002");
    let name = "live-20261124-0002-admin";
    moto.client()
        .await
        .import_key_pair()
        .key_name(name)
        .public_key_material(aws_sdk_ec2::primitives::Blob::new(KEY))
        .send()
        .await
        .expect("a stranger's key pair");
    let address: Address = "ec2.key-pair.admin".parse().expect("an address");
    scope.names.insert(address.clone(), name.to_owned());
    let inventory = provider.observe(&scope).await.expect("observe");
    assert!(inventory.objects.is_empty());
    assert_eq!(inventory.foreign.len(), 1);
    let spec = normal(&address, json!({"name": name, "public_key": KEY}));
    let step = step(&scope, Action::Create, "ec2.key-pair.admin", &spec, None);
    let error = provider
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec,
        })
        .await
        .expect_err("the name is taken");
    assert_eq!(error.kind, ErrorKind::Foreign);
    let stranger = moto
        .client()
        .await
        .create_vpc()
        .cidr_block("10.9.0.0/16")
        .send()
        .await
        .expect("a stranger's VPC");
    let stranger = stranger
        .vpc()
        .and_then(|vpc| vpc.vpc_id())
        .expect("an id")
        .to_owned();
    let claimed = Observed {
        address: "ec2.vpc.main".parse().expect("an address"),
        generation: scope.generation.clone(),
        id: stranger,
        spec: Value::Null,
        outputs: Outputs::new(),
        digest: None,
        ready: true,
        marks: BTreeMap::new(),
    };
    assert_eq!(
        provider.remove(&claimed).await.expect_err("not ours").kind,
        ErrorKind::Foreign
    );
}
