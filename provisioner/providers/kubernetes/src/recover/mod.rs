//! The kinds `recover.*`: what is done to something in the cluster that stands, so that it serves again.

mod replace;
mod scale;
mod view;

use std::sync::Arc;

use async_trait::async_trait;
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use kube::api::PatchParams;
use planner::identity::labels;
use planner::reference::Outputs;
use planner::{Inventory, Observed};
use serde::de::DeserializeOwned;

use crate::Kubernetes;

/// Annotation on a workload that this tool stopped: how many pods it had.
const STOPPED: &str = "rebuild.dev/stopped-replicas";

/// Recovers what stands in one cluster.
///
/// # Guarantees
/// Every change names the identity of the object that was planned for, so one that took its place is left alone. A pod that serves is
/// evicted, never deleted, so disruption budgets hold.
#[derive(Debug)]
pub struct Recovery {
    cluster: Arc<Kubernetes>,
}

impl Recovery {
    /// Works on this cluster.
    pub fn new(cluster: Arc<Kubernetes>) -> Self {
        Self { cluster }
    }
}

/// Our changes of single fields.
pub(crate) fn params() -> PatchParams {
    PatchParams {
        field_manager: Some(labels::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn read<T: DeserializeOwned>(what: &str, request: &Ensure<'_>) -> Result<T, Error> {
    serde_json::from_value(request.spec.clone())
        .map_err(|error| Error::new(ErrorKind::Invalid, what, error.to_string()))
}

#[async_trait]
impl Provider for Recovery {
    fn name(&self) -> &'static str {
        "recover"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 4,
            rate: 20.0,
            burst: 20,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    /// None of its kinds is ever there: what was to be recovered and is, is just there.
    async fn observe(&self, _: &Scope) -> Result<Inventory, Error> {
        Ok(Inventory::default())
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let address = &request.step.address;
        let what = request.step.id.clone();
        match address.kind() {
            "cordon" => self.cordon(&what, &read(&what, &request)?).await?,
            "pods" => return self.pods(&what, &read(&what, &request)?).await,
            "stop" => self.stop(&what, &read(&what, &request)?).await?,
            "start" => self.start(&what, &read(&what, &request)?).await?,
            kind => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    what,
                    format!("`{kind}` can't be recovered"),
                ));
            }
        }
        Ok(Outputs::new())
    }

    async fn remove(&self, _: &Observed) -> Result<(), Error> {
        Ok(())
    }
}
