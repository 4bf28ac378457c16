//! What is done to something that stands, to get it going again. None of these is ever observed: each is planned from what was seen and
//! is done once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::spec;
use crate::kind::{Kind, Layer, through};
use crate::plan::Action;

/// A workload in a cluster, and the very one: another of its name is another.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Namespace.
    pub namespace: String,
    /// `Deployment`, `StatefulSet` or `DaemonSet`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The API server's identity of it.
    pub uid: String,
}

/// A pod that goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Going {
    /// Name.
    pub name: String,
    /// The API server's identity of it.
    pub uid: String,
    /// It serves: it is evicted, which disruption budgets may refuse, and is not deleted.
    pub serves: bool,
    /// Its node answers, so that it can be waited for until it is gone.
    pub node_answers: bool,
}

spec! {
    /// `recover.cordon`: no new pod is placed on a node (Kubernetes API, `NodeSpec.unschedulable`).
    Cordon {
        /// Name of the node.
        name: String,
        /// The API server's identity of it.
        uid: String,
    }
}
spec! {
    /// `recover.pods`: pods of one workload go, one that serves only after the replacement of the one before it is ready, and the workload is
    /// awaited.
    Pods {
        /// Whose pods.
        workload: Workload,
        /// Those that serve nothing first.
        pods: Vec<Going>,
        /// Seconds to wait for each replacement.
        deadline: u32,
    }
}
spec! {
    /// `recover.stop`: a workload is scaled to none, and its pods are awaited gone. Its number is kept in an annotation.
    Stop {
        /// Which.
        workload: Workload,
        /// How many it had.
        replicas: u32,
        /// Seconds to wait until the last pod is gone.
        deadline: u32,
    }
}
spec! {
    /// `recover.start`: a workload that was stopped gets its number back and is awaited.
    Start {
        /// Which.
        workload: Workload,
        /// How many it gets.
        replicas: u32,
        /// Seconds to wait until it is ready.
        deadline: u32,
    }
}

/// What a step of such a kind does, in the plan's words.
pub(crate) fn action(kind: &str) -> Action {
    match kind {
        "pods" => Action::Replace,
        _ => Action::Update,
    }
}

const BASE: Kind = Kind {
    name: "recover.cordon",
    layer: Layer::Workloads,
    normalize: through::<Cordon>,
    in_place: &[],
    sets: &[],
    opaque: &[],
    named: false,
    outputs: &[],
    seconds: 1,
    calls: 2,
};

/// The part of the catalogue that recovers what stands.
pub const KINDS: &[Kind] = &[
    BASE,
    Kind {
        name: "recover.pods",
        normalize: through::<Pods>,
        outputs: &["replacements"],
        seconds: 60,
        calls: 6,
        ..BASE
    },
    Kind {
        name: "recover.stop",
        normalize: through::<Stop>,
        seconds: 60,
        calls: 4,
        ..BASE
    },
    Kind {
        name: "recover.start",
        normalize: through::<Start>,
        seconds: 60,
        calls: 4,
        ..BASE
    },
];
