//! Every `kubernetes.*` kind.

use std::collections::BTreeSet;
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
    Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Discovery, Scope as Reach};
use planner::identity::labels;
use planner::kinds::kubernetes::Object;
use planner::reference::Outputs;
use planner::{Action, Address, Inventory, Observed, Step, applyset, canonical};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::backup;
use crate::conflict;
use crate::connect::{self, ConnectError};
use crate::error::{failure, missing};
use crate::kstatus::{self, Status};
use crate::normal::{self, mark, text};
use crate::reading;

/// Longest wait for an object to become current, or to be gone.
const DEADLINE: Duration = Duration::from_secs(600);

/// One cluster, as one context of a kubeconfig reaches it.
pub struct Kubernetes {
    pub(crate) client: Client,
    server: String,
    pub(crate) context: String,
    secrets: Option<Arc<dyn SecretSource>>,
    pub(crate) deadline: Duration,
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
                // A Job that takes a backup is awaited by whoever made it, and serves nobody.
                if !owned && !backup::is_ours(&object) {
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

    pub(crate) async fn discovery(&self, afresh: bool) -> Result<Arc<Discovery>, Error> {
        let mut known = self.known.lock().await;
        if let Some(discovery) = known.as_ref().filter(|_| !afresh) {
            return Ok(discovery.clone());
        }
        let discovery = reading::patiently("ask which kinds the cluster knows", || {
            Discovery::new(self.client.clone()).run_aggregated()
        })
        .await?;
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

    /// One server-side apply. What another manager holds is taken from it only where the plan showed that the field changes.
    async fn apply(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        wanted: &Value,
        step: &Step,
        namespace: &str,
    ) -> Result<Value, Error> {
        let name = text(wanted, "/metadata/name");
        let patch = Patch::Apply(wanted);
        let params = PatchParams::apply(labels::FIELD_MANAGER);
        let mut answer = api.patch(name, &params, &patch).await;
        if let Err(kube::Error::Api(status)) = &answer {
            let conflicts = conflict::of(status);
            let shown: &[_] = match step.action {
                Action::Update => &step.changes,
                _ => &[],
            };
            let not_shown = conflict::not_shown(&conflicts, shown);
            if !not_shown.is_empty() {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    what,
                    format!(
                        "fields that the plan does not change are held by another manager: {}",
                        conflict::text(&not_shown)
                    ),
                ));
            }
            if !conflicts.is_empty() {
                answer = api.patch(name, &params.force(), &patch).await;
            }
        }
        match answer {
            Ok(applied) => reading::json(what, &applied),
            Err(error) => {
                let mut error = failure(what, error);
                if error.kind == ErrorKind::NotYet && error.why.contains("namespaces") {
                    error.why = format!("its namespace is not there yet: {}", error.why);
                } else if error.kind == ErrorKind::NotYet
                    && let Some(held_by) = self.namespace_held_by(namespace).await
                {
                    error.why = format!("{}; the namespace waits for: {held_by}", error.why);
                }
                Err(error)
            }
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
}

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn budget(&self) -> Budget {
        // API Priority and Fairness guards the server, which answers 429 when it is busy, and that is heeded; kubectl sets itself no limit
        // where the server has it.
        Budget {
            concurrency: 16,
            rate: 200.0,
            burst: 400,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        let what = format!("ask {} for its version", self.server);
        let version = reading::patiently(&what, || self.client.apiserver_version()).await?;
        let reviews = Api::<SelfSubjectReview>::all(self.client.clone());
        let (how, question) = (PostParams::default(), SelfSubjectReview::default());
        let review = reading::patiently("ask the cluster who we are", || {
            reviews.create(&how, &question)
        })
        .await?;
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
        // The inventories say of which kinds there is something, be it declared or not; so those are known after the ConfigMaps.
        let (mut inventory, mut listed) = (Inventory::default(), BTreeSet::new());
        let mut next: BTreeSet<String> = scope.kinds.iter().cloned().collect();
        next.insert("Namespace".to_owned());
        while !next.is_empty() {
            for kind in &next {
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
                    // What another provider made here is observed by that one.
                    let found = normal::observed(&live)
                        .filter(|found| found.address.provider() == self.name());
                    inventory.objects.extend(found);
                }
            }
            listed.append(&mut next);
            let known = inventory.objects.iter().flat_map(applyset::kinds);
            next = known.filter(|kind| !listed.contains(kind)).collect();
        }
        normal::mark_ending(&mut inventory.objects);
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
            let uid = text(&live, "/metadata/uid").to_owned();
            if kstatus::status(&live) == Status::Terminating {
                self.gone(&what, &api, &name, &uid).await?;
            } else {
                // With the identity named, an object that took its place meanwhile is refused by the server.
                wanted["metadata"]["uid"] = json!(uid);
            }
        }
        self.fill(&what, &mut wanted, &spec).await?;
        let applied = self.apply(&what, &api, &wanted, step, namespace).await?;
        let live = self.settle(&what, &api, &name, applied).await?;
        self.served(&what, &live).await?;
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
        self.gone(&what, &api, name, &object.id).await
    }
}
