//! The IAM provider against moto.

mod contain;
mod evidence;
mod support;

use std::collections::BTreeMap;

use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope};
use planner::identity::client_token;
use planner::reference::Outputs;
use planner::{Action, Address, Layer, Observed, Step, canonical, kinds};
use provider_iam::Iam;
use serde_json::{Value, json};
use support::Moto;

fn normal(address: &Address, spec: Value) -> Value {
    (kinds::of(address).expect("a kind").normalize)(&spec)
        .unwrap_or_else(|error| panic!("{address}: {error}"))
}

async fn ensure(
    provider: &Iam,
    scope: &Scope,
    address: &str,
    spec: Value,
) -> Result<Outputs, Error> {
    let address: Address = address.parse().expect("an address");
    let spec = normal(&address, spec);
    let step = Step {
        id: format!("create {address}"),
        action: Action::Create,
        layer: Layer::Identity,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: None,
        changes: Vec::new(),
        token: client_token(&scope.generation, &address, &canonical::digest(&spec)),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
        address,
    };
    provider
        .ensure(Ensure {
            scope,
            step: &step,
            spec,
        })
        .await
}

/// Makes it twice and reads back what was asked for.
async fn made(provider: &Iam, scope: &Scope, address: &str, spec: Value) -> Observed {
    let first = ensure(provider, scope, address, spec.clone())
        .await
        .unwrap_or_else(|error| panic!("{address}: {error}"));
    let second = ensure(provider, scope, address, spec.clone())
        .await
        .unwrap_or_else(|error| panic!("{address}: {error}"));
    assert_eq!(first, second);
    let objects = provider.observe(scope).await.expect("observe").objects;
    let mut found: Vec<Observed> = objects
        .into_iter()
        .filter(|object| object.address.to_string() == address)
        .collect();
    assert_eq!(found.len(), 1, "{address} must be there once");
    let object = found.remove(0);
    assert_eq!(object.spec, normal(&object.address, spec), "{address}");
    assert_eq!(object.outputs, first);
    object
}

fn document(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

#[tokio::test]
async fn every_kind_is_made_once_changed_in_place_and_removed() {
    let moto = Moto::start().await;
    let config = moto.config().await;
    let provider = Iam::new(&config);
    let mut scope = Scope {
        environment: "live".to_owned(),
        generation: "20261124-0001".parse().expect("an id"),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    };
    let identity = provider.identity().await.expect("identity");
    assert_eq!(identity.places["account"], "123456789012");

    let policy = json!({"name": "live-20261124-0001-read", "description": "reads", "document": document("s3:GetObject"), "tags": {"team": "ops"}});
    let policy = made(&provider, &scope, "iam.policy.read", policy).await;
    // More changes than a policy has versions.
    for n in 0..6 {
        let spec = json!({"name": "live-20261124-0001-read", "description": "reads", "document": document(&format!("s3:Action{n}")), "tags": {}});
        made(&provider, &scope, "iam.policy.read", spec).await;
    }
    let trust = |service: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    let role = |service: &str, policies: Value| json!({"name": "live-20261124-0001-node", "description": "a node", "trust": trust(service), "policies": policies, "tags": {"a": "b"}});
    made(
        &provider,
        &scope,
        "iam.role.node",
        role("ec2.amazonaws.com", json!([policy.id])),
    )
    .await;
    made(
        &provider,
        &scope,
        "iam.role.node",
        role("ecs.amazonaws.com", json!([])),
    )
    .await;
    made(
        &provider,
        &scope,
        "iam.role.node",
        role("ecs.amazonaws.com", json!([policy.id])),
    )
    .await;
    let mut other = role("ec2.amazonaws.com", json!([]));
    other["name"] = json!("live-20261124-0001-other");
    made(&provider, &scope, "iam.role.other", other).await;
    made(
        &provider,
        &scope,
        "iam.instance-profile.node",
        json!({"name": "live-20261124-0001-node", "role": "live-20261124-0001-node"}),
    )
    .await;
    made(
        &provider,
        &scope,
        "iam.instance-profile.node",
        json!({"name": "live-20261124-0001-node", "role": "live-20261124-0001-other"}),
    )
    .await;

    let client = aws_sdk_iam::Client::new(&config);
    client
        .create_role()
        .role_name("live-20261124-0001-strange")
        .assume_role_policy_document(trust("ec2.amazonaws.com").to_string())
        .send()
        .await
        .expect("a stranger's role");
    let mut strange = role("ec2.amazonaws.com", json!([]));
    strange["name"] = json!("live-20261124-0001-strange");
    assert_eq!(
        ensure(&provider, &scope, "iam.role.strange", strange)
            .await
            .expect_err("not ours")
            .kind,
        ErrorKind::Foreign
    );
    scope.names.insert(
        "iam.role.strange".parse().expect("an address"),
        "live-20261124-0001-strange".to_owned(),
    );
    let inventory = provider.observe(&scope).await.expect("observe");
    assert_eq!(inventory.foreign.len(), 1);

    // In the least helpful order, each twice.
    let mut objects = inventory.objects;
    assert_eq!(objects.len(), 4);
    objects.sort_by_key(|object| object.address.kind() != "policy");
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
    client
        .get_role()
        .role_name("live-20261124-0001-strange")
        .send()
        .await
        .expect("the stranger's role stays");
}
