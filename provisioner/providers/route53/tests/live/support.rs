//! A zone of a test's own, and everything that is asked to be changed in it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use aws_sdk_route53::Client;
use aws_sdk_route53::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_route53::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_route53::error::BoxError;
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use executor::provider::{Ensure, Error, Provider, Scope};
use planner::kind::Layer;
use planner::reference::Outputs;
use planner::{Action, Observed, Step, canonical};
use provider_aws::{Connection, Keys};
use provider_route53::Route53;
use sandbox::testing::Moto;
use serde_json::{Value, json};

pub const ADDRESS: &str = "route53.record.api";

static MOTO: LazyLock<Moto> = LazyLock::new(|| Moto::start().unwrap());

/// Keeps the body of every batch that is sent.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<String>>>);

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        if request.method() == "POST"
            && let Some(body) = request.body().bytes()
        {
            let text = String::from_utf8_lossy(body).into_owned();
            self.0.lock().unwrap().push(text);
        }
        Ok(())
    }
}

pub async fn config(endpoint: &str) -> aws_config::SdkConfig {
    let connection = Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(endpoint.to_owned()),
        keys: Some(Keys {
            id: "test".to_owned(),
            secret: "test".to_owned().into(),
            session: None,
        }),
        ..Connection::default()
    };
    connection.load().await
}

pub struct Zone {
    pub id: String,
    client: Client,
    config: aws_config::SdkConfig,
    recorder: Recorder,
}

impl Zone {
    pub async fn new(name: &str) -> Self {
        let config = config(&MOTO.endpoint).await;
        let client = Client::new(&config);
        let made = client
            .create_hosted_zone()
            .name(name)
            .caller_reference(name)
            .send()
            .await
            .unwrap();
        let id = made.hosted_zone().unwrap().id();
        Self {
            id: id.trim_start_matches("/hostedzone/").to_owned(),
            client,
            config,
            recorder: Recorder::default(),
        }
    }

    pub fn provider(&self) -> Route53 {
        let config = aws_sdk_route53::config::Builder::from(&self.config)
            .interceptor(self.recorder.clone())
            .build();
        Route53::with_client(&self.config, Client::from_conf(config))
    }

    /// What the provider asked to have changed since the last time: `ACTION NAME TYPE TTL VALUES`.
    pub fn sent(&self) -> Vec<String> {
        let bodies = std::mem::take(&mut *self.recorder.0.lock().unwrap());
        bodies.iter().flat_map(|body| changes(body)).collect()
    }

    /// As somebody else would.
    pub async fn put(&self, action: ChangeAction, sets: &[ResourceRecordSet]) {
        let changes = sets.iter().map(|set| {
            Change::builder()
                .action(action.clone())
                .resource_record_set(set.clone())
                .build()
                .unwrap()
        });
        let batch = ChangeBatch::builder()
            .set_changes(Some(changes.collect()))
            .build()
            .unwrap();
        self.client
            .change_resource_record_sets()
            .hosted_zone_id(&self.id)
            .change_batch(batch)
            .send()
            .await
            .unwrap();
    }

    pub async fn all(&self) -> Vec<ResourceRecordSet> {
        let listed = self.client.list_resource_record_sets();
        let listed = listed.hosted_zone_id(&self.id).send().await.unwrap();
        listed.resource_record_sets
    }
}

/// The changes of a batch, in order.
pub fn changes(body: &str) -> Vec<String> {
    let inside = |text: &str, tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(&open) {
            let (value, left) = after.split_once(&close).unwrap();
            found.push(value.replace("&quot;", "\"").replace("&#34;", "\""));
            rest = left;
        }
        found
    };
    let all = inside(body, "Change");
    all.iter()
        .map(|change| {
            let mut words: Vec<String> = ["Action", "Name", "Type", "TTL"]
                .iter()
                .flat_map(|tag| inside(change, tag))
                .collect();
            words[1] = words[1].trim_end_matches('.').to_owned();
            words.extend(inside(change, "Value"));
            words.join(" ")
        })
        .collect()
}

pub fn set(name: &str, kind: RrType, ttl: i64, value: &str) -> ResourceRecordSet {
    ResourceRecordSet::builder()
        .name(name)
        .r#type(kind)
        .ttl(ttl)
        .resource_records(ResourceRecord::builder().value(value).build().unwrap())
        .build()
        .unwrap()
}

/// The TXT record beside an A record.
pub fn txt(name: &str, value: &str) -> ResourceRecordSet {
    set(&format!("_rebuild-a.{name}"), RrType::Txt, 300, value)
}

pub fn spec(zone: &str, name: &str, value: &str) -> Value {
    json!({"zone": zone, "name": name, "record_type": "A", "ttl": 60, "values": [value]})
}

pub fn digest(spec: &Value) -> String {
    canonical::digest(&json!([spec["record_type"], spec["ttl"], spec["values"]]))
}

pub fn scope(zone: &str, name: &str, kind: &str) -> Scope {
    let place = format!("{zone}/{name}/{kind}");
    Scope {
        environment: "demo".to_owned(),
        generation: super::ONE.parse().unwrap(),
        kinds: Vec::new(),
        names: BTreeMap::from([(ADDRESS.parse().unwrap(), place)]),
    }
}

pub async fn observed(provider: &Route53, zone: &str, name: &str) -> Observed {
    let inventory = provider.observe(&scope(zone, name, "A")).await.unwrap();
    assert!(inventory.foreign.is_empty(), "{inventory:?}");
    let mut objects = inventory.objects;
    objects.retain(|object| object.spec["name"] == name);
    assert_eq!(objects.len(), 1, "{objects:?}");
    objects.remove(0)
}

/// Makes it where nothing is.
pub async fn ensure(provider: &Route53, generation: &str, spec: Value) -> Result<Outputs, Error> {
    step(provider, generation, spec, None).await
}

/// Switches it from what the plan saw.
pub async fn ensure_from(
    provider: &Route53,
    generation: &str,
    spec: Value,
    object: &str,
) -> Result<Outputs, Error> {
    step(provider, generation, spec, Some(object.to_owned())).await
}

async fn step(
    provider: &Route53,
    generation: &str,
    spec: Value,
    object: Option<String>,
) -> Result<Outputs, Error> {
    let mut scope = scope("Z", "x.example", "A");
    scope.generation = generation.parse().unwrap();
    let step = Step {
        id: format!("update {ADDRESS}"),
        action: Action::Update,
        address: ADDRESS.parse().unwrap(),
        layer: Layer::Exposure,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object,
        changes: Vec::new(),
        token: String::new(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    };
    let request = Ensure {
        scope: &scope,
        step: &step,
        spec,
    };
    provider.ensure(request).await
}
