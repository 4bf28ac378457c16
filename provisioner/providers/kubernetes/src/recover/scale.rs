//! Workloads stopped and started.

use std::collections::BTreeSet;
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use kube::api::{Api, DynamicObject, Patch};
use planner::kinds::recover::{Start, Stop, Workload};
use serde_json::{Value, json};

use super::view::resource;
use super::{Recovery, STOPPED, params};
use crate::error::failure;
use crate::normal::text;
use crate::waiting::Wait;

impl Recovery {
    /// The last pod gone, and not only told to go: it may write until then.
    pub(super) async fn stop(&self, what: &str, spec: &Stop) -> Result<(), Error> {
        let count = spec.replicas.to_string();
        self.scale(what, &spec.workload, 0, json!(count)).await?;
        let mut wait = Wait::new(what, Duration::from_secs(u64::from(spec.deadline)));
        let mut there = "it was not looked at yet".to_owned();
        loop {
            if let Some((_, pods)) = wait.look(self.living(what, &spec.workload)).await? {
                if pods.is_empty() {
                    return Ok(());
                }
                let names: Vec<&str> = pods.iter().map(|pod| text(pod, "/metadata/name")).collect();
                there = format!("still there: {}", names.join(", "));
            }
            if wait.is_over() {
                return Err(wait.over("not stopped", &there));
            }
        }
    }

    pub(super) async fn start(&self, what: &str, spec: &Start) -> Result<(), Error> {
        self.scale(what, &spec.workload, spec.replicas, Value::Null)
            .await?;
        let limit = Duration::from_secs(u64::from(spec.deadline));
        self.whole(what, &spec.workload, &BTreeSet::new(), limit)
            .await
    }

    async fn scale(
        &self,
        what: &str,
        workload: &Workload,
        replicas: u32,
        stopped: Value,
    ) -> Result<(), Error> {
        if !matches!(workload.kind.as_str(), "Deployment" | "StatefulSet") {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                format!("a {} has no number of pods", workload.kind),
            ));
        }
        self.living(what, workload).await?;
        let api: Api<DynamicObject> = Api::namespaced_with(
            self.cluster.client(),
            &workload.namespace,
            &resource("apps", &workload.kind),
        );
        let patch = json!({
            "metadata": {"uid": workload.uid, "annotations": {STOPPED: stopped}},
            "spec": {"replicas": replicas},
        });
        api.patch(&workload.name, &params(), &Patch::Merge(&patch))
            .await
            .map(|_| ())
            .map_err(|error| failure(what, error))
    }
}
