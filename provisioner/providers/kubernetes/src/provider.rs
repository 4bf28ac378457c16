//! Every `kubernetes.*` kind.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use http_body_util::BodyExt as _;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Discovery, Scope as Reach};
use planner::identity::labels;
use planner::kinds::kubernetes::Object;
use planner::reference::Outputs;
use planner::{Action, Address, Inventory, Observed, canonical};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::connect::{self, ConnectError};
use crate::error::{failure, missing};
use crate::kstatus::{self, Status};
use crate::normal::{self, mark, text};

/// Objects in one page of a list.
const PAGE: u32 = 500;
/// Between two looks at an object that is on its way.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for an object to become current, or to be gone.
const DEADLINE: Duration = Duration::from_secs(600);

/// One cluster, as one context of a kubeconfig reaches it.
pub struct Kubernetes {
    client: Client,
    server: String,
    context: String,
    secrets: Option<Arc<dyn SecretSource>>,
    deadline: Duration,
    /// Which kinds the server knows: asked once, and again when a kind is not among them.
    known: Mutex<Option<Arc<Discovery>>>,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// Prepares a client for a named context; nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// When the file, the context in it or what it names is of no use.
    pub async fn connect(kubeconfig: &Path, context: &str) -> Result<Self, ConnectError> {
        let (client, server) = connect::client(kubeconfig, context).await?;
        Ok(Self {
            client,
            server,
            context: context.to_owned(),
            secrets: None,
            deadline: DEADLINE,
            known: Mutex::new(None),
        })
    }

    /// Where the values of Secrets are read.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn SecretSource>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Another limit than ten minutes for every wait.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Every workload of a namespace with its status, by `KIND/NAME`: Deployments, StatefulSets, DaemonSets, Jobs and pods nobody owns.
    ///
    /// # Errors
    /// When the cluster can't be asked.
    pub async fn workloads(&self, namespace: &str) -> Result<Vec<(String, Status)>, Error> {
        let mut found = Vec::new();
        for (group, kind) in [
            ("apps", "Deployment"),
            ("apps", "StatefulSet"),
            ("apps", "DaemonSet"),
            ("batch", "Job"),
            ("", "Pod"),
        ] {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            let api = Api::namespaced_with(self.client.clone(), namespace, &resource);
            for object in self
                .list(&format!("list {kind}s of {namespace}"), &api, kind, None)
                .await?
            {
                let owned = object
                    .pointer("/metadata/ownerReferences")
                    .and_then(Value::as_array)
                    .is_some_and(|owners| !owners.is_empty());
                if !owned {
                    let status = match kstatus::status(&object) {
                        Status::InProgress(why) => Status::InProgress(
                            self.pods_reason(&object)
                                .await
                                .map_or(why.clone(), |pod| format!("{why}; {pod}")),
                        ),
                        status => status,
                    };
                    found.push((
                        format!("{kind}/{}", text(&object, "/metadata/name")),
                        status,
                    ));
                }
            }
        }
        Ok(found)
    }

    /// Asks a Service over HTTP through the API server, where nothing outside of the cluster leads to it yet. Returns status and body.
    ///
    /// `service` is `NAME:PORT`, as in the API's path (Kubernetes API, `connectGetNamespacedServiceProxyWithPath`).
    ///
    /// # Errors
    /// When the cluster can't be asked, or the answer is longer than `limit` bytes.
    pub async fn ask_service(
        &self,
        (namespace, service, path): (&str, &str, &str),
        header: Option<(http::HeaderName, http::HeaderValue)>,
        limit: usize,
    ) -> Result<(u16, Vec<u8>), Error> {
        let what = || format!("ask the Service {namespace}/{service} for {path}");
        let mut request = http::Request::get(format!(
            "/api/v1/namespaces/{namespace}/services/{service}/proxy{path}"
        ));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request
            .body(kube::client::Body::empty())
            .map_err(|error| Error::new(ErrorKind::Invalid, what(), error.to_string()))?;
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| failure(&what(), error))?;
        let status = answer.status().as_u16();
        let body = http_body_util::Limited::new(answer.into_body(), limit)
            .collect()
            .await
            .map_err(|error| Error::new(ErrorKind::Unreachable, what(), error.to_string()))?;
        Ok((status, body.to_bytes().into()))
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    async fn discovery(&self, afresh: bool) -> Result<Arc<Discovery>, Error> {
        let mut known = self.known.lock().await;
        if let Some(discovery) = known.as_ref().filter(|_| !afresh) {
            return Ok(discovery.clone());
        }
        let discovery = Discovery::new(self.client.clone())
            .run_aggregated()
            .await
            .map_err(|error| failure("ask which kinds the cluster knows", error))?;
        let discovery = Arc::new(discovery);
        *known = Some(discovery.clone());
        Ok(discovery)
    }

    /// The resource of an object's kind and version.
    async fn resource(
        &self,
        what: &str,
        object: &Value,
    ) -> Result<(ApiResource, ApiCapabilities), Error> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = GroupVersionKind::gvk(group, version, kind);
        for afresh in [false, true] {
            if let Some(found) = self.discovery(afresh).await?.resolve_gvk(&kind) {
                return Ok(found);
            }
        }
        // A definition that was established a moment ago is served a moment later.
        Err(Error::new(
            ErrorKind::NotYet,
            what,
            format!("the cluster knows no {} of {group}/{version}", kind.kind),
        ))
    }

    fn api(&self, resource: &ApiResource, reach: &Reach, namespace: &str) -> Api<DynamicObject> {
        match reach {
            Reach::Namespaced => Api::namespaced_with(self.client.clone(), namespace, resource),
            Reach::Cluster => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Every object, through all pages. Items of a list carry neither kind nor version, so both are put back.
    async fn list(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        kind: &str,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = selector.map(str::to_owned);
        let mut found = Vec::new();
        loop {
            let page = match api.list(&params).await {
                Ok(page) => page,
                Err(error) if missing(&error) => return Ok(found),
                Err(error) => return Err(failure(what, error)),
            };
            for item in page.items {
                let mut item = json(what, &item)?;
                if item.get("kind").is_none() {
                    item["kind"] = json!(kind);
                }
                found.push(item);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn get(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
    ) -> Result<Option<Value>, Error> {
        match api.get_opt(name).await {
            Ok(found) => found.map(|object| json(what, &object)).transpose(),
            Err(error) => Err(failure(what, error)),
        }
    }

    /// A Secret's `data`, read at use.
    async fn fill(&self, what: &str, object: &mut Value, spec: &Object) -> Result<(), Error> {
        if spec.secrets.is_empty() {
            return Ok(());
        }
        if text(object, "/kind") != "Secret" {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "only a Secret takes values from Vault",
            ));
        }
        let Some(source) = &self.secrets else {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "its values stand in Vault, and no Vault is given",
            ));
        };
        let mut data = object
            .get("data")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_else(Map::new);
        for (name, field) in &spec.secrets {
            let value = source.read(&field.mount, &field.path, &field.field).await?;
            data.insert(
                name.clone(),
                Value::from(STANDARD.encode(value.expose_secret())),
            );
        }
        object["data"] = Value::Object(data);
        Ok(())
    }

    /// Waits until the object is current.
    async fn settle(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
        applied: Value,
    ) -> Result<Value, Error> {
        let (until, mut live) = (Instant::now() + self.deadline, applied);
        loop {
            let waits_for = match kstatus::status(&live) {
                Status::Current => return Ok(live),
                // A rollout that ran into its own deadline goes on trying; ours says when it is enough.
                Status::Failed(why) if text(&live, "/kind") == "Deployment" => why,
                Status::Failed(why) => {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        what,
                        self.pods_reason(&live)
                            .await
                            .map_or(why.clone(), |pod| format!("{why}; {pod}")),
                    ));
                }
                Status::Terminating => "it is being deleted".to_owned(),
                Status::InProgress(why) => why,
            };
            if Instant::now() >= until {
                let why = self
                    .pods_reason(&live)
                    .await
                    .map_or(waits_for.clone(), |pod| format!("{waits_for}; {pod}"));
                return Err(Error::new(
                    ErrorKind::Deadline,
                    what,
                    format!("not ready after {} s: {why}", self.deadline.as_secs()),
                ));
            }
            sleep(PAUSE).await;
            live = self.get(what, api, name).await?.ok_or_else(|| {
                Error::new(
                    ErrorKind::Conflict,
                    what,
                    "it was deleted while it was awaited",
                )
            })?;
        }
    }

    /// What keeps a workload's pods from being ready. A help for people: when it can't be found out, nothing is said.
    async fn pods_reason(&self, workload: &Value) -> Option<String> {
        let selector = workload
            .pointer("/spec/selector/matchLabels")?
            .as_object()?;
        let selector: Vec<String> = selector
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
            .collect();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let api = Api::namespaced_with(
            self.client.clone(),
            text(workload, "/metadata/namespace"),
            &resource,
        );
        let pods = self
            .list("list pods", &api, "Pod", Some(&selector.join(",")))
            .await
            .ok()?;
        let pod = pods
            .iter()
            .find(|pod| kstatus::status(pod) != Status::Current)?;
        Some(format!(
            "pod `{}`: {}",
            text(pod, "/metadata/name"),
            kstatus::reason(pod)
        ))
    }
}

fn json(what: &str, object: &DynamicObject) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| {
        Error::new(
            ErrorKind::Server,
            what,
            format!("the object can't be read: {error}"),
        )
    })
}

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 16,
            rate: 50.0,
            burst: 100,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        let version = self
            .client
            .apiserver_version()
            .await
            .map_err(|error| failure(&format!("ask {} for its version", self.server), error))?;
        let what = "ask the cluster who we are";
        let review = Api::<SelfSubjectReview>::all(self.client.clone())
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await;
        let review = review.map_err(|error| failure(what, error))?;
        let user = review
            .status
            .and_then(|status| status.user_info)
            .and_then(|user| user.username);
        Ok(Identity {
            places: [
                ("cluster".to_owned(), self.server.clone()),
                ("context".to_owned(), self.context.clone()),
            ]
            .into(),
            principal: user.unwrap_or_default(),
            version: Some(version.git_version),
            clock_skew: None,
        })
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let discovery = self.discovery(true).await?;
        let selector = format!("{}={}", labels::ENVIRONMENT, scope.environment);
        let mut kinds: Vec<&str> = scope
            .kinds
            .iter()
            .map(String::as_str)
            .chain(["Namespace"])
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut inventory = Inventory::default();
        for kind in kinds {
            let (group, name) = kind.rsplit_once('/').unwrap_or(("", kind));
            let Some((resource, _)) = discovery
                .get(group)
                .and_then(|group| group.recommended_kind(name))
            else {
                continue;
            };
            let api = Api::all_with(self.client.clone(), &resource);
            let what = format!("list {kind} of environment {}", scope.environment);
            for mut live in self.list(&what, &api, name, Some(&selector)).await? {
                live["apiVersion"] = json!(resource.api_version);
                inventory.objects.extend(normal::observed(&live));
            }
        }
        let mut sorted = Inventory::default();
        sorted.merge(inventory);
        Ok(sorted)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let (step, scope) = (request.step, request.scope);
        let what = format!("apply {}", step.address);
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, what.clone(), why);
        let spec: Object = serde_json::from_value(request.spec.clone())
            .map_err(|error| invalid(&error.to_string()))?;
        let digest = if step.digest.is_empty() {
            canonical::digest(&request.spec)
        } else {
            step.digest.clone()
        };
        let name = text(&spec.object, "/metadata/name").to_owned();
        if name.is_empty() {
            return Err(invalid("the object has no name"));
        }
        let mut wanted = normal::marked(
            &spec.object,
            &scope.environment,
            &scope.generation,
            &step.address,
            &digest,
            &spec.secrets,
        )
        .ok_or_else(|| invalid("the object's metadata is no map"))?;
        let (resource, capabilities) = self.resource(&what, &wanted).await?;
        let namespace = text(&spec.object, "/metadata/namespace");
        if capabilities.scope == Reach::Namespaced && namespace.is_empty() {
            return Err(invalid("the object names no namespace"));
        }
        let api = self.api(&resource, &capabilities.scope, namespace);
        if let Some(live) = self.get(&what, &api, &name).await? {
            if !normal::is_of(&live, &scope.environment, &scope.generation) {
                return Err(Error::new(
                    ErrorKind::Foreign,
                    what,
                    "it is there and does not carry the labels of this generation",
                ));
            }
            // With the identity named, an object that took its place meanwhile is refused by the server.
            wanted["metadata"]["uid"] = json!(text(&live, "/metadata/uid"));
        }
        self.fill(&what, &mut wanted, &spec).await?;
        // An update takes back the fields whose difference the plan showed, whoever wrote them. Whatever else conflicts is refused.
        let params = PatchParams {
            force: step.action == Action::Update && !step.changes.is_empty(),
            ..PatchParams::apply(labels::FIELD_MANAGER)
        };
        let applied = api
            .patch(&name, &params, &Patch::Apply(&wanted))
            .await
            .map_err(|error| {
                let mut error = failure(&what, error);
                if error.kind == ErrorKind::NotYet && error.why.contains("namespaces") {
                    error.why = format!("its namespace is not there yet: {}", error.why);
                }
                error
            })?;
        let live = self
            .settle(&what, &api, &name, json(&what, &applied)?)
            .await?;
        Ok(normal::outputs(&live))
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let what = format!("delete {}", object.address);
        let declared = object.spec.get("object").unwrap_or(&Value::Null);
        let name = text(declared, "/metadata/name");
        let (resource, capabilities) = match self.resource(&what, declared).await {
            // Its definition is gone, and every object of it with it.
            Err(error) if error.kind == ErrorKind::NotYet => return Ok(()),
            other => other?,
        };
        let api = self.api(
            &resource,
            &capabilities.scope,
            text(declared, "/metadata/namespace"),
        );
        let Some(live) = self.get(&what, &api, name).await? else {
            return Ok(());
        };
        if text(&live, "/metadata/uid") != object.id {
            // Another object of the name: ours is gone.
            return Ok(());
        }
        let environment = object
            .marks
            .get("environment")
            .map(String::as_str)
            .unwrap_or("");
        let address: Option<Address> =
            mark(&live, "annotations", labels::ADDRESS).and_then(|text| text.parse().ok());
        if !normal::is_of(&live, environment, &object.generation)
            || address.as_ref() != Some(&object.address)
        {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks any more",
            ));
        }
        let params = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        let params = params.preconditions(Preconditions {
            uid: Some(object.id.clone()),
            resource_version: None,
        });
        match api.delete(name, &params).await {
            Err(error) if !missing(&error) => return Err(failure(&what, error)),
            _ => {}
        }
        let until = Instant::now() + self.deadline;
        while let Some(live) = self
            .get(&what, &api, name)
            .await?
            .filter(|live| text(live, "/metadata/uid") == object.id)
        {
            if Instant::now() >= until {
                let finalizers = live
                    .pointer("/metadata/finalizers")
                    .cloned()
                    .unwrap_or(Value::Null);
                return Err(Error::new(
                    ErrorKind::Deadline,
                    what,
                    format!(
                        "not gone after {} s; finalizers: {finalizers}",
                        self.deadline.as_secs()
                    ),
                ));
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }
}
