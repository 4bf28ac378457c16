//! What of a cluster is looked at when something in it is recovered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use executor::provider::Error;
use jiff::Timestamp;
use kube::api::{Api, ApiResource};
use kube::core::GroupVersionKind;
use planner::Generation;
use planner::kinds::recover::Workload;
use planner::recovery::{Budget, Cluster, Node, Pod, PodState, Scaled};
use serde_json::Value;

use super::STOPPED;
use crate::Kubernetes;
use crate::kstatus;
use crate::normal::{is_of, mark, text};

/// What a container waits for when it won't start by itself (kubelet, `pkg/kubelet/images/types.go`, `pkg/kubelet/container`).
const STUCK: [&str; 10] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerError",
    "CreateContainerConfigError",
    "RunContainerError",
    "PreStartHookError",
];
/// Kinds that replace their pods.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

pub(super) fn resource(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

impl Kubernetes {
    async fn of_kind(
        &self,
        namespace: Option<&str>,
        group: &str,
        kind: &str,
    ) -> Result<Vec<Value>, Error> {
        let resource = resource(group, kind);
        let api = match namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        };
        let place = namespace.map_or(String::new(), |namespace| format!(" of {namespace}"));
        self.list(&format!("list {kind}s{place}"), &api, kind, None)
            .await
    }

    /// Pods, nodes, disruption budgets and workloads of a generation, by asking. Changes nothing.
    ///
    /// # Errors
    /// When the cluster can't be asked: half a picture is none.
    pub async fn recoverable(
        &self,
        environment: &str,
        generation: &Generation,
        namespaces: &BTreeSet<String>,
    ) -> Result<Cluster, Error> {
        let mut cluster = Cluster {
            nodes: self
                .of_kind(None, "", "Node")
                .await?
                .iter()
                .map(node)
                .collect(),
            ..Cluster::default()
        };
        let volumes = self.of_kind(None, "", "PersistentVolume").await?;
        for namespace in namespaces {
            let claims = self
                .of_kind(Some(namespace), "", "PersistentVolumeClaim")
                .await?;
            let mut owners = Owners::default();
            for kind in WORKLOADS {
                for object in self.of_kind(Some(namespace), "apps", kind).await? {
                    // An object without our marks is never changed, so its pods are nobody's here.
                    if !is_of(&object, environment, generation) {
                        continue;
                    }
                    let scaled = scaled(&object, kind, namespace);
                    owners
                        .workloads
                        .insert(scaled.workload.uid.clone(), scaled.workload.clone());
                    cluster.workloads.push(scaled);
                }
            }
            for set in self.of_kind(Some(namespace), "apps", "ReplicaSet").await? {
                if let Some(owner) = controller(&set) {
                    owners
                        .sets
                        .insert(text(&set, "/metadata/uid").to_owned(), owner);
                }
            }
            for budget in self
                .of_kind(Some(namespace), "policy", "PodDisruptionBudget")
                .await?
            {
                cluster.budgets.push(Budget {
                    namespace: namespace.clone(),
                    name: text(&budget, "/metadata/name").to_owned(),
                    selector: texts(budget.pointer("/spec/selector/matchLabels")),
                    allowed: budget
                        .pointer("/status/disruptionsAllowed")
                        .and_then(Value::as_i64)
                        .unwrap_or(0),
                });
            }
            let local = local(&claims, &volumes);
            let pods = self.of_kind(Some(namespace), "", "Pod").await?;
            let there = pods
                .iter()
                .filter(|pod| text(pod, "/status/phase") != "Succeeded");
            cluster
                .pods
                .extend(there.map(|pod| read(pod, namespace, &owners, &local)));
        }
        cluster.sort();
        Ok(cluster)
    }

    /// The pods of one workload, and it itself; `None` when it is gone or another took its place.
    pub(super) async fn pods_of(
        &self,
        wanted: &Workload,
    ) -> Result<Option<(Value, Vec<Value>)>, Error> {
        let what = format!("look at {}/{}", wanted.kind, wanted.name);
        let api = Api::namespaced_with(
            self.client(),
            &wanted.namespace,
            &resource("apps", &wanted.kind),
        );
        let live = self.get(&what, &api, &wanted.name).await?;
        let Some(mut live) = live.filter(|live| text(live, "/metadata/uid") == wanted.uid) else {
            return Ok(None);
        };
        live["kind"] = Value::from(wanted.kind.as_str());
        let mut owners = BTreeSet::from([wanted.uid.clone()]);
        if wanted.kind == "Deployment" {
            for set in self
                .of_kind(Some(&wanted.namespace), "apps", "ReplicaSet")
                .await?
            {
                if controller(&set).as_ref() == Some(&wanted.uid) {
                    owners.insert(text(&set, "/metadata/uid").to_owned());
                }
            }
        }
        let mut pods = self.of_kind(Some(&wanted.namespace), "", "Pod").await?;
        pods.retain(|pod| controller(pod).is_some_and(|owner| owners.contains(&owner)));
        Ok(Some((live, pods)))
    }
}

/// Who owns what in a namespace, by identity.
#[derive(Default)]
struct Owners {
    workloads: HashMap<String, Workload>,
    /// Controllers of ReplicaSets.
    sets: HashMap<String, String>,
}

/// Identity of the controller (Kubernetes API, `OwnerReference`).
pub(super) fn controller(object: &Value) -> Option<String> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    Some(text(owner, "/uid").to_owned())
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let map = map.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

fn node(node: &Value) -> Node {
    Node {
        name: text(node, "/metadata/name").to_owned(),
        uid: text(node, "/metadata/uid").to_owned(),
        ready: holds(node, "Ready"),
        schedulable: node.pointer("/spec/unschedulable") != Some(&Value::Bool(true)),
    }
}

pub(super) fn number(value: Option<&Value>) -> Option<u32> {
    value
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok())
}

/// How many pods a workload should have: one where the field is not set (Kubernetes API, `DeploymentSpec`).
pub(super) fn wanted(object: &Value) -> u32 {
    let pointer = match text(object, "/kind") {
        "DaemonSet" => "/status/desiredNumberScheduled",
        _ => "/spec/replicas",
    };
    number(object.pointer(pointer)).unwrap_or(1)
}

fn scaled(object: &Value, kind: &str, namespace: &str) -> Scaled {
    let mut claims = claims(object.pointer("/spec/template/spec/volumes"));
    let templates = object
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array);
    claims.extend(
        templates
            .into_iter()
            .flatten()
            .map(|claim| text(claim, "/metadata/name").to_owned()),
    );
    Scaled {
        workload: Workload {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: text(object, "/metadata/name").to_owned(),
            uid: text(object, "/metadata/uid").to_owned(),
        },
        replicas: wanted(object),
        stopped_at: mark(object, "annotations", STOPPED).and_then(|text| text.parse().ok()),
        claims,
    }
}

fn claims(volumes: Option<&Value>) -> BTreeSet<String> {
    let volumes = volumes.and_then(Value::as_array);
    volumes
        .into_iter()
        .flatten()
        .map(|volume| text(volume, "/persistentVolumeClaim/claimName").to_owned())
        .filter(|claim| !claim.is_empty())
        .collect()
}

/// Claims whose volume is one node's: `local` and bound to it. One of the type `hostPath` is for clusters of a single node (Kubernetes,
/// "Persistent Volumes").
fn local(claims: &[Value], volumes: &[Value]) -> BTreeSet<String> {
    let local: BTreeSet<&str> = volumes
        .iter()
        .filter(|volume| volume.pointer("/spec/local").is_some())
        .map(|volume| text(volume, "/metadata/name"))
        .collect();
    claims
        .iter()
        .filter(|claim| local.contains(text(claim, "/spec/volumeName")))
        .map(|claim| text(claim, "/metadata/name").to_owned())
        .collect()
}

fn state(pod: &Value) -> PodState {
    if pod
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null())
    {
        return PodState::Ending;
    }
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let stuck = lists
        .iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .any(|container| STUCK.contains(&text(container, "/state/waiting/reason")));
    if stuck || matches!(text(pod, "/status/phase"), "Failed" | "Unknown") {
        return PodState::Failed(kstatus::reason(pod));
    }
    match condition(pod, "Ready") {
        Some(ready) if text(ready, "/status") == "True" => PodState::Ready,
        ready => PodState::NotReady {
            since: ready
                .and_then(|ready| text(ready, "/lastTransitionTime").parse::<Timestamp>().ok()),
            why: kstatus::reason(pod),
        },
    }
}

/// Whether the pod goes on serving, as the workload's controller counts.
pub(super) fn ready(pod: &Value) -> bool {
    state(pod) == PodState::Ready
}

fn read(pod: &Value, namespace: &str, owners: &Owners, local: &BTreeSet<String>) -> Pod {
    let owner = controller(pod);
    let owner = owner.map(|owner| owners.sets.get(&owner).cloned().unwrap_or(owner));
    let volumes: Vec<&Value> = pod
        .pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let named = |field: &str| -> Vec<String> {
        volumes
            .iter()
            .filter(|volume| volume.get(field).is_some())
            .map(|volume| text(volume, "/name").to_owned())
            .collect()
    };
    let claims = claims(pod.pointer("/spec/volumes"));
    let node = text(pod, "/spec/nodeName");
    Pod {
        namespace: namespace.to_owned(),
        name: text(pod, "/metadata/name").to_owned(),
        uid: text(pod, "/metadata/uid").to_owned(),
        node: (!node.is_empty()).then(|| node.to_owned()),
        state: state(pod),
        labels: texts(pod.pointer("/metadata/labels")),
        workload: owner.and_then(|owner| owners.workloads.get(&owner).cloned()),
        on_node: named("hostPath")
            .into_iter()
            .filter(|name| written(pod, name))
            .collect(),
        pinned: claims.intersection(local).cloned().collect(),
        with_pod: named("emptyDir")
            .into_iter()
            .chain(named("ephemeral"))
            .collect(),
        claims,
    }
}

/// Whether a container may write to the volume.
fn written(pod: &Value, volume: &str) -> bool {
    ["/spec/containers", "/spec/initContainers"]
        .iter()
        .filter_map(|list| pod.pointer(list)?.as_array())
        .flatten()
        .filter_map(|container| container.pointer("/volumeMounts")?.as_array())
        .flatten()
        .any(|mount| {
            text(mount, "/name") == volume && mount.get("readOnly") != Some(&Value::Bool(true))
        })
}
