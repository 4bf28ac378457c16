//! What a cluster holds of an environment, as evidence. Reading only.
//!
//! Every kind that can be listed is listed: in the environment's namespaces, and of the cluster what gives rights, admits, defines or stores.
//! Values of Secrets are replaced by fingerprints before anything is put down, and so are their annotations, among which `kubectl apply`
//! leaves a copy of the values. Everything else is kept as it is, values of variables in pods too: what an intruder planted shows there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ::evidence::collect::{Collector, Mask, Shelf, part};
use async_trait::async_trait;
use executor::provider::{Error, ErrorKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use planner::Generation;
use planner::identity::labels;
use serde_json::{Map, Value, json};

use crate::Kubernetes;
use crate::normal::{mark, text};
use crate::reading::{self, patiently};

const SERVICE: &str = "kubernetes";
/// Objects in one page of a list.
const PAGE: u32 = 250;
/// Pages of one list.
const PAGES: usize = 400;
/// Kinds of the whole cluster that are collected: all of these groups, and these of the core.
const GROUPS: [&str; 6] = [
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "storage.k8s.io",
];
const CORE: [&str; 2] = ["nodes", "persistentvolumes"];

/// Of what in a cluster evidence is collected.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose namespaces are found by our label.
    pub environment: String,
    /// Its generations; every one of them when empty.
    pub generations: BTreeSet<Generation>,
    /// Further namespaces by name. One that is marked as another environment's is refused.
    pub namespaces: Vec<String>,
}

/// One cluster as a place that evidence comes from.
#[derive(Debug)]
pub struct KubernetesEvidence {
    cluster: Arc<Kubernetes>,
    scope: Scope,
    mask: Mask,
}

/// A kind that the server can list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespaced: bool,
}

impl Kind {
    fn resource(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(&self.group, &self.version, &self.kind);
        ApiResource::from_gvk_with_plural(&gvk, &self.plural)
    }

    fn file(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    fn of_the_cluster(&self) -> bool {
        GROUPS.contains(&self.group.as_str())
            || self.group.is_empty() && CORE.contains(&self.plural.as_str())
    }
}

impl KubernetesEvidence {
    /// Prepares it; nothing is asked yet. Fingerprints of values are under `mask`.
    pub fn new(cluster: Arc<Kubernetes>, scope: Scope, mask: Mask) -> Self {
        Self {
            cluster,
            scope,
            mask,
        }
    }

    fn chosen(&self, namespace: &Value) -> bool {
        self.scope.generations.is_empty()
            || mark(namespace, "labels", labels::GENERATION)
                .and_then(|text| text.parse().ok())
                .is_some_and(|found: Generation| self.scope.generations.contains(&found))
    }

    /// Marked namespaces of any generation.
    async fn marked(&self) -> Result<Vec<Value>, Error> {
        let environment = &self.scope.environment;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
        let api = Api::all_with(self.cluster.client.clone(), &resource);
        let what = format!("list the namespaces of environment {environment}");
        let selector = format!("{}={environment}", labels::ENVIRONMENT);
        let mut found = self
            .cluster
            .list(&what, &api, "Namespace", Some(&selector))
            .await?;
        found.retain(|namespace| {
            mark(namespace, "labels", labels::ENVIRONMENT) == Some(environment.as_str())
        });
        Ok(found)
    }

    /// The namespaces, each put on the shelf.
    async fn namespaces(&self, shelf: &Shelf) -> BTreeSet<String> {
        let mut found = match self.marked().await {
            Ok(found) => found,
            Err(error) => {
                shelf
                    .missing("namespaces", "GET /api/v1/namespaces", SERVICE, &error)
                    .await;
                Vec::new()
            }
        };
        found.retain(|namespace| self.chosen(namespace));
        for name in &self.scope.namespaces {
            let (file, call) = (
                format!("namespaces/{}/namespace", part(name)),
                format!("GET /api/v1/namespaces/{name}"),
            );
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
            let api: Api<DynamicObject> = Api::all_with(self.cluster.client.clone(), &resource);
            let answer = patiently(&call, || api.get_opt(name)).await;
            let answer = answer.and_then(|found| {
                found
                    .map(|object| reading::json(&call, &object))
                    .transpose()
            });
            match answer {
                Ok(Some(namespace)) => {
                    let owner = mark(&namespace, "labels", labels::ENVIRONMENT);
                    if owner.is_some_and(|owner| owner != self.scope.environment) {
                        let why = "it is marked as another environment's";
                        shelf.missing(&file, &call, SERVICE, &why).await;
                    } else {
                        found.push(namespace);
                    }
                }
                Ok(None) => shelf.put(&file, &call, SERVICE, &Value::Null).await,
                Err(error) => shelf.missing(&file, &call, SERVICE, &error).await,
            }
        }
        let mut names = BTreeSet::new();
        for namespace in found {
            let name = text(&namespace, "/metadata/name").to_owned();
            if !names.insert(name.clone()) {
                continue;
            }
            let (file, call) = (
                format!("namespaces/{}/namespace", part(&name)),
                format!("GET /api/v1/namespaces/{name}"),
            );
            shelf.put(&file, &call, SERVICE, &namespace).await;
        }
        names
    }

    /// Every kind that can be listed, in the version that the server prefers.
    async fn kinds(&self, shelf: &Shelf) -> Vec<Kind> {
        let client = &self.cluster.client;
        let mut versions: Vec<(String, String)> = vec![(String::new(), "v1".to_owned())];
        match patiently("GET /apis", || client.list_api_groups()).await {
            Ok(groups) => {
                for group in groups.groups {
                    let preferred = group.preferred_version.into_iter().chain(group.versions);
                    versions.extend(preferred.map(|version| (group.name.clone(), version.version)));
                }
            }
            Err(error) => shelf.missing("kinds", "GET /apis", SERVICE, &error).await,
        }
        let mut known: BTreeSet<(String, String)> = BTreeSet::new();
        let mut asked: BTreeSet<(String, String)> = BTreeSet::new();
        let mut kinds = Vec::new();
        for (group, version) in versions {
            if !asked.insert((group.clone(), version.clone())) {
                continue;
            }
            let call = match group.as_str() {
                "" => format!("GET /api/{version}"),
                group => format!("GET /apis/{group}/{version}"),
            };
            let answer = match group.as_str() {
                "" => patiently(&call, || client.list_core_api_resources(&version)).await,
                group => {
                    let path = format!("{group}/{version}");
                    patiently(&call, || client.list_api_group_resources(&path)).await
                }
            };
            match answer {
                Ok(list) => {
                    for resource in list.resources {
                        if is_listable(&resource)
                            && known.insert((group.clone(), resource.name.clone()))
                        {
                            kinds.push(Kind {
                                group: group.clone(),
                                version: version.clone(),
                                kind: resource.kind,
                                plural: resource.name,
                                namespaced: resource.namespaced,
                            });
                        }
                    }
                }
                Err(error) => {
                    let file = format!("kinds/{}", part(&format!("{group}/{version}")));
                    shelf.missing(&file, &call, SERVICE, &error).await;
                }
            }
        }
        kinds
    }

    /// One kind of one namespace, or of the cluster; returns what was found of pods.
    async fn objects(&self, shelf: &Shelf, kind: &Kind, namespace: Option<&str>) -> Vec<Value> {
        let resource = kind.resource();
        let client = self.cluster.client.clone();
        let (api, folder): (Api<DynamicObject>, String) = match namespace {
            Some(name) => (
                Api::namespaced_with(client, name, &resource),
                format!("namespaces/{}", part(name)),
            ),
            None => (Api::all_with(client, &resource), "cluster".to_owned()),
        };
        let file = format!("{folder}/{}", part(&kind.file()));
        let call = format!("GET {}", url(kind, namespace));
        let mut params = ListParams::default().limit(PAGE);
        let mut pods = Vec::new();
        for page in 1..=PAGES {
            let name = match page {
                1 => file.clone(),
                page => format!("{file}-{page}"),
            };
            let found = match patiently(&call, || api.list(&params)).await {
                Ok(found) => found,
                // Not served any more, or no kind that lists: there is none.
                Err(error) if error.kind == ErrorKind::NotYet => return pods,
                Err(error) => {
                    shelf.missing(&name, &call, SERVICE, &error).await;
                    return pods;
                }
            };
            let mut items = Vec::new();
            for object in &found.items {
                match reading::json(&call, object) {
                    Ok(mut item) => {
                        if kind.group.is_empty() && kind.plural == "secrets" {
                            self.masked(&mut item);
                        }
                        items.push(item);
                    }
                    Err(error) => {
                        let name = format!("{name}-unread");
                        shelf.missing(&name, &call, SERVICE, &error).await;
                    }
                }
            }
            if !(items.is_empty() && page == 1) {
                let list = json!({
                    "apiVersion": resource.api_version, "kind": format!("{}List", kind.kind),
                    "metadata": {"resourceVersion": found.metadata.resource_version}, "items": items,
                });
                shelf.put(&name, &call, SERVICE, &list).await;
            }
            if kind.group.is_empty() && kind.plural == "pods" {
                pods.append(&mut items);
            }
            params.continue_token = found.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return pods;
            }
        }
        let why = format!("there are more than {PAGES} pages");
        let name = format!("{file}-rest");
        shelf.missing(&name, &call, SERVICE, &why).await;
        pods
    }

    /// A Secret whose values are fingerprints.
    fn masked(&self, secret: &mut Value) {
        let Some(map) = secret.as_object_mut() else {
            return;
        };
        for field in ["data", "stringData"] {
            let values = map.get_mut(field).and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(Map::values_mut) {
                let text = value.as_str().unwrap_or_default();
                *value = json!({ "characters": text.len(), "fingerprint": self.mask.of(text.as_bytes()) });
            }
        }
        let annotations = map
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut("annotations"))
            .and_then(Value::as_object_mut);
        for (name, value) in annotations.into_iter().flatten() {
            if !name.starts_with("rebuild.dev/")
                && !name.starts_with("kubernetes.io/service-account.")
            {
                let text = value.as_str().unwrap_or_default();
                *value = json!(self.mask.of(text.as_bytes()));
            }
        }
    }
}

fn is_listable(resource: &APIResource) -> bool {
    resource.verbs.iter().any(|verb| verb == "list") && !resource.name.contains('/')
}

fn url(kind: &Kind, namespace: Option<&str>) -> String {
    let root = match kind.group.as_str() {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{}", kind.plural),
        None => format!("{root}/{}", kind.plural),
    }
}

/// What really runs: by image and digest, which pods.
fn images(pods: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in pods {
        let name = text(pod, "/metadata/name");
        for field in [
            "containerStatuses",
            "initContainerStatuses",
            "ephemeralContainerStatuses",
        ] {
            let statuses = pod.pointer(&format!("/status/{field}"));
            for status in statuses.and_then(Value::as_array).into_iter().flatten() {
                let image = format!("{} {}", text(status, "/image"), text(status, "/imageID"));
                let container = format!("{name}/{}", text(status, "/name"));
                found
                    .entry(image.trim().to_owned())
                    .or_default()
                    .insert(container);
            }
        }
    }
    found
}

#[async_trait]
impl Collector for KubernetesEvidence {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        let found = self.marked().await.map_err(|error| error.to_string())?;
        let ids: BTreeSet<&str> = found
            .iter()
            .filter(|namespace| self.chosen(namespace))
            .filter_map(|namespace| mark(namespace, "labels", labels::GENERATION))
            .collect();
        Ok(ids.into_iter().map(str::to_owned).collect())
    }

    async fn collect(&self, shelf: &Shelf) {
        let namespaces = self.namespaces(shelf).await;
        let kinds = self.kinds(shelf).await;
        for kind in kinds.iter().filter(|kind| !kind.namespaced) {
            if kind.of_the_cluster() {
                self.objects(shelf, kind, None).await;
            }
        }
        for namespace in &namespaces {
            let mut pods = Vec::new();
            for kind in kinds.iter().filter(|kind| kind.namespaced) {
                pods.append(&mut self.objects(shelf, kind, Some(namespace)).await);
            }
            let (file, call) = (
                format!("namespaces/{}/images", part(namespace)),
                format!("GET /api/v1/namespaces/{namespace}/pods"),
            );
            shelf.put(&file, &call, SERVICE, &images(&pods)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_by_digest() {
        let pods = [json!({"metadata": {"name": "p"}, "status": {
            "containerStatuses": [{"name": "c", "image": "x:1", "imageID": "x@sha256:aa"}],
            "initContainerStatuses": [{"name": "i", "image": "x:1", "imageID": "x@sha256:aa"}],
        }})];
        let found = serde_json::to_value(images(&pods)).unwrap();
        assert_eq!(found, json!({"x:1 x@sha256:aa": ["p/c", "p/i"]}));
    }
}
