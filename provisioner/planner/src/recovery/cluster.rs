//! What is known of a cluster when something in it is recovered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kinds::recover::Workload;

/// What is known of a cluster, in the namespaces of one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Every pod that runs or should.
    pub pods: Vec<Pod>,
    /// Every node.
    pub nodes: Vec<Node>,
    /// Disruption budgets.
    pub budgets: Vec<Budget>,
    /// Workloads that own pods, and carry the generation's marks.
    pub workloads: Vec<Scaled>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The API server's identity of it.
    pub uid: String,
    /// The node it is on.
    pub node: Option<String>,
    /// How it is.
    pub state: PodState,
    /// Its labels, which budgets select by.
    pub labels: BTreeMap<String, String>,
    /// The workload that replaces it, if one of this generation does; through its ReplicaSet for a Deployment.
    pub workload: Option<Workload>,
    /// Folders of its node that it writes to: another node has them not, and nothing brings its replacement back here.
    pub on_node: Vec<String>,
    /// Claims whose volume is its node's: its replacement runs there or nowhere.
    pub pinned: Vec<String>,
    /// Volumes that end with it.
    pub with_pod: Vec<String>,
    /// Claims of volumes that outlive it.
    pub claims: BTreeSet<String>,
}

/// How a pod is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodState {
    /// It serves.
    Ready,
    /// It does not serve, since when, and why.
    NotReady {
        /// Since when, where it says.
        since: Option<Timestamp>,
        /// Why.
        why: String,
    },
    /// It won't get ready by itself; why.
    Failed(String),
    /// It is being deleted.
    Ending,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name.
    pub name: String,
    /// The API server's identity of it.
    pub uid: String,
    /// Whether its kubelet says that it is ready.
    pub ready: bool,
    /// Whether it takes new pods.
    pub schedulable: bool,
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels that a pod must have. A budget with expressions is read as one that selects by its labels alone.
    pub selector: BTreeMap<String, String>,
    /// How many pods may be disrupted now.
    pub allowed: i64,
}

/// A workload with a number of pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaled {
    /// Which.
    pub workload: Workload,
    /// How many pods it should have.
    pub replicas: u32,
    /// How many it had when this tool stopped it, where it did.
    pub stopped_at: Option<u32>,
    /// Names of the claims its pods use.
    pub claims: BTreeSet<String>,
}

impl Cluster {
    /// In an order that does not depend on who answered first.
    pub fn sort(&mut self) {
        self.pods
            .sort_by(|a, b| (&a.namespace, &a.name, &a.uid).cmp(&(&b.namespace, &b.name, &b.uid)));
        self.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        self.budgets
            .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        self.workloads.sort_by(|a, b| a.workload.cmp(&b.workload));
    }

    /// Whether a pod's node answers; one that is placed nowhere needs none.
    pub fn node_answers(&self, pod: &Pod) -> bool {
        pod.node.as_ref().is_none_or(|name| {
            self.nodes
                .iter()
                .any(|node| node.name == *name && node.ready)
        })
    }
}

impl Pod {
    /// `NAMESPACE/NAME`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Budget {
    /// Whether it counts this pod. An empty selector selects every pod of the namespace (policy/v1).
    pub fn covers(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace
            && self
                .selector
                .iter()
                .all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}
