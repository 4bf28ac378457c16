//! Cuts off what an environment has in a cluster: network, rights, workloads, pods, tokens, in this order.

mod accounts;
mod close;
mod manifest;
mod network;
mod pods;
mod reading;
mod rights;
mod undo;
mod view;
mod workloads;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use containment::{Barrier, Item, Survey};
use executor::provider::Error;
use planner::Generation;

use crate::Kubernetes;

/// What of a cluster is cut off.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The environment: namespaces that carry its label are cut off, in every generation.
    pub environment: String,
    /// Further namespaces, which the environment lists by name. One that is marked as another environment's is refused.
    pub namespaces: Vec<String>,
    /// Generations that are left alone, wherever they are named: the clean one.
    pub except: Vec<Generation>,
}

/// One cluster as a place that can be closed.
///
/// | wave | what |
/// |---|---|
/// | 0 | network: policies that allow nothing, Ingresses, Services reached from outside |
/// | 1 | rights of the namespaces' service accounts; what would start stopped workloads again |
/// | 2 | workloads: no replicas, no node, suspended |
/// | 3 | pods, with a second of grace |
/// | 4 | service accounts' tokens |
///
/// # Guarantees
/// Objects are asked for by namespace and held against the namespaces' own marks here. Every change names the identity of the object that
/// was looked at, so the server refuses it for another one that took its place. No value of a Secret is ever asked for: of those only the
/// metadata comes. Values of variables, arguments and annotations of pods are withheld from what is written down.
///
/// # Assumptions
/// The caller has checked that this is the environment's cluster. It asks from outside the environment: an account of one of the namespaces
/// would take its own rights away, so such a one is left out and told as unread. Whether a NetworkPolicy has an effect is up to the
/// cluster's network; `kube-system`, `kube-public` and `kube-node-lease` are never touched.
pub struct KubernetesBarrier {
    cluster: Arc<Kubernetes>,
    reach: Reach,
}

impl KubernetesBarrier {
    /// Prepares it; nothing is asked yet.
    pub fn new(cluster: Arc<Kubernetes>, reach: Reach) -> Self {
        Self { cluster, reach }
    }
}

impl fmt::Debug for KubernetesBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesBarrier")
            .field("cluster", &self.cluster)
            .field("reach", &self.reach)
            .finish()
    }
}

#[async_trait]
impl Barrier for KubernetesBarrier {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn survey(&self) -> Result<Survey, Error> {
        let (view, mut unread) = self.view().await?;
        let mut items = network::items(&view);
        items.extend(rights::items(&view));
        items.extend(workloads::items(&view));
        let (pods, beyond) = pods::items(&view);
        items.extend(pods);
        items.extend(accounts::items(&view));
        unread.extend(beyond);
        Ok(Survey { items, unread })
    }

    async fn close(&self, item: &Item) -> Result<(), Error> {
        self.close_item(item).await
    }
}
