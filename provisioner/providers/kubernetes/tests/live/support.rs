//! The cluster that all tests share, and a whole run: observed, planned, applied.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use executor::event::{Event, Events};
use executor::journal::Journal;
use executor::lock::Unfenced;
use executor::provider::{Ensure, Error, Provider, Scope, SecretSource};
use executor::scheduler::{Options, Outcome, Providers, Runner};
use executor::stop::Stop;
use planner::plan::Target;
use planner::{Action, Address, Input, Plan, Policy, Resource, Rotate, Step};
use provider_kubernetes::Kubernetes;
use sandbox::testing::ControlPlane;
use secrecy::SecretString;
use serde_json::{Value, json};

pub static CLUSTER: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().unwrap());

struct Values;

#[async_trait]
impl SecretSource for Values {
    async fn read(&self, _: &str, _: &str, field: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from(format!("value of {field}")))
    }
}

pub async fn cluster() -> Kubernetes {
    let cluster = Kubernetes::connect(&CLUSTER.kubeconfig, sandbox::KUBE_CONTEXT)
        .await
        .unwrap();
    cluster
        .with_secrets(Arc::new(Values))
        .with_deadline(Duration::from_secs(120))
}

pub fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments).unwrap_or_else(|why| panic!("kubectl {arguments:?}: {why}"))
}

/// What it printed, or what it complained of.
pub fn try_kubectl(arguments: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new(&CLUSTER.kubectl)
        .arg("--kubeconfig")
        .arg(&CLUSTER.kubeconfig)
        .args(arguments)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Waits until a question has the answer that is waited for.
pub async fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match ask() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found)
        .await
        .expect("it came about within a minute")
}

pub fn scope(environment: &str) -> Scope {
    let kinds = [
        "Pod",
        "batch/Job",
        "ConfigMap",
        "Secret",
        "apps/Deployment",
        "apiextensions.k8s.io/CustomResourceDefinition",
    ];
    Scope {
        environment: environment.to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: kinds.map(str::to_owned).to_vec(),
        names: BTreeMap::new(),
    }
}

pub fn step(spec: Value) -> Step {
    let object = &spec["object"];
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let (version, kind, name, namespace) = (
        text(&object["apiVersion"]),
        text(&object["kind"]),
        text(&object["metadata"]["name"]),
        text(&object["metadata"]["namespace"]),
    );
    let kind = version
        .split_once('/')
        .map_or(kind.clone(), |(group, _)| format!("{group}/{kind}"));
    let name = if namespace.is_empty() {
        name
    } else {
        format!("{namespace}/{name}")
    };
    let address = Address::new("kubernetes", &kind, &name).unwrap();
    Step {
        id: format!("create {address}"),
        action: Action::Create,
        layer: planner::kinds::of(&address).unwrap().layer,
        address,
        depends_on: Vec::new(),
        spec,
        object: None,
        changes: Vec::new(),
        token: "t".to_owned(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    }
}

pub async fn apply(
    cluster: &Kubernetes,
    scope: &Scope,
    spec: Value,
) -> Result<planner::reference::Outputs, Error> {
    let step = step(spec);
    cluster
        .ensure(Ensure {
            scope,
            step: &step,
            spec: step.spec.clone(),
        })
        .await
}

pub fn namespace(name: &str) -> Value {
    json!({"object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}})
}

pub fn config(namespace: &str, value: &str) -> Value {
    json!({"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "api", "namespace": namespace}, "data": {"a": value}}})
}

pub fn deployment(namespace: &str, memory: &str) -> Value {
    json!({"object": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": namespace}, "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "api"}},
        "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "example.com/api:1", "resources": {"requests": {"memory": memory}}}]}},
    }}})
}

/// Objects as an overlay would give them.
pub fn resources(objects: &[Value]) -> Vec<Resource> {
    objects
        .iter()
        .map(|spec| Resource {
            address: step(spec.clone()).address,
            spec: spec.clone(),
            depends_on: Default::default(),
            origin: None,
        })
        .collect()
}

/// The plan that makes the objects out of what is there.
pub async fn planned(cluster: &Kubernetes, scope: &Scope, desired: &[Resource]) -> Plan {
    plan_with(cluster, scope, desired, Policy::default()).await
}

pub async fn plan_with(
    cluster: &Kubernetes,
    scope: &Scope,
    desired: &[Resource],
    mut policy: Policy,
) -> Plan {
    // The objects of these tests are as small as can be: what is good practice is not their concern.
    policy.manifests.severities = manifest::Code::ALL
        .iter()
        .map(|code| (*code, manifest::Severity::Note))
        .collect();
    planner::plan(Input {
        desired: desired.to_vec(),
        inventory: cluster.observe(scope).await.unwrap(),
        case: planner::Case::default(),
        target: Target {
            environment: scope.environment.clone(),
            generation: scope.generation.clone(),
            fresh: false,
            places: BTreeMap::new(),
        },
        actual: BTreeMap::new(),
        created: "2026-11-24T02:00:00Z".parse().unwrap(),
        tool: "0.1.0".to_owned(),
        backup: None,
        inputs: BTreeMap::new(),
        policy,
        rotate: Rotate::None,
        medians: BTreeMap::new(),
    })
    .unwrap()
}

/// Ids of the steps that change something.
pub fn mutations(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .filter(|step| step.action.mutates())
        .map(|step| step.id.as_str())
        .collect()
}

/// Carries out a plan as the command line does, with short pauses between attempts. Returns what it came to and what was told.
pub async fn run(cluster: &Arc<Kubernetes>, scope: &Scope, plan: &Plan) -> (Outcome, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(&folder.path().join("journal.jsonl")).unwrap();
    let mut providers = Providers::default();
    providers.insert(cluster.clone());
    let (events, mut told) = Events::channel();
    let outcome = Runner {
        plan,
        providers: &providers,
        options: Options {
            objects: cluster.observe(scope).await.unwrap().objects,
            attempts: 4,
            backoff: Duration::from_millis(20),
            backoff_cap: Duration::from_millis(100),
            seed: Some(1),
            ..Options::new(scope.clone())
        },
        fence: Arc::new(Unfenced),
        stop: Stop::default(),
        events,
    }
    .run(&mut journal)
    .await
    .unwrap();
    let mut heard = Vec::new();
    while let Ok(event) = told.try_recv() {
        heard.push(event);
    }
    (outcome, heard)
}

/// The one failure of a run.
pub fn failure(outcome: &Outcome) -> &executor::scheduler::Failure {
    assert_eq!(outcome.failures.len(), 1, "{:?}", outcome.failures);
    &outcome.failures[0]
}

/// What was told of attempts that failed: step and why.
pub fn retries(events: &[Event]) -> Vec<(&str, &str)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::StepRetrying { step, why, .. } => Some((step.as_str(), why.as_str())),
            _ => None,
        })
        .collect()
}
