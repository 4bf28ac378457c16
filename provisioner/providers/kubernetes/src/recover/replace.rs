//! Pods that go, and a node that takes no more.

use std::collections::BTreeSet;
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, EvictParams, Patch, Preconditions};
use planner::kinds::recover::{Cordon, Going, Pods, Workload};
use planner::reference::Outputs;
use serde_json::{Value, json};

use super::view::{ready, resource, wanted};
use super::{Recovery, params};
use crate::error::{failure, missing};
use crate::kstatus::{self, Status};
use crate::normal::text;
use crate::waiting::Wait;

impl Recovery {
    pub(super) async fn cordon(&self, what: &str, spec: &Cordon) -> Result<(), Error> {
        let api: Api<kube::api::DynamicObject> =
            Api::all_with(self.cluster.client(), &resource("", "Node"));
        let patch = json!({"metadata": {"uid": spec.uid}, "spec": {"unschedulable": true}});
        match api
            .patch(&spec.name, &params(), &Patch::Merge(&patch))
            .await
        {
            Ok(_) => Ok(()),
            // A node that was taken away takes no pods either.
            Err(error) if missing(&error) => Ok(()),
            Err(error) => Err(failure(what, error)),
        }
    }

    /// Those that serve nothing go at once; the others one by one, each when the workload is whole again.
    pub(super) async fn pods(&self, what: &str, spec: &Pods) -> Result<Outputs, Error> {
        let limit = Duration::from_secs(u64::from(spec.deadline));
        let before: BTreeSet<String> = self
            .living(what, &spec.workload)
            .await?
            .1
            .iter()
            .map(|pod| text(pod, "/metadata/uid").to_owned())
            .collect();
        let mut left: BTreeSet<&str> = BTreeSet::new();
        for pod in spec.pods.iter().filter(|pod| !pod.serves) {
            self.delete(what, &spec.workload.namespace, pod).await?;
            left.insert(&pod.uid);
        }
        for pod in spec
            .pods
            .iter()
            .filter(|pod| !pod.serves && pod.node_answers)
        {
            self.pod_gone(what, &spec.workload.namespace, pod, limit)
                .await?;
        }
        if !left.is_empty() {
            self.whole(what, &spec.workload, &left, limit).await?;
        }
        for pod in spec.pods.iter().filter(|pod| pod.serves) {
            self.evict(what, &spec.workload.namespace, pod, limit)
                .await?;
            if pod.node_answers {
                self.pod_gone(what, &spec.workload.namespace, pod, limit)
                    .await?;
            }
            left.insert(&pod.uid);
            self.whole(what, &spec.workload, &left, limit).await?;
        }
        let (_, after) = self.living(what, &spec.workload).await?;
        let new: Vec<&str> = after
            .iter()
            .filter(|pod| !before.contains(text(pod, "/metadata/uid")))
            .map(|pod| text(pod, "/metadata/name"))
            .collect();
        Ok(Outputs::from([("replacements".to_owned(), json!(new))]))
    }

    /// The workload and its pods.
    pub(super) async fn living(
        &self,
        what: &str,
        workload: &Workload,
    ) -> Result<(Value, Vec<Value>), Error> {
        self.cluster.pods_of(workload).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                what,
                format!(
                    "{} `{}` is gone, or another took its place",
                    workload.kind, workload.name
                ),
            )
        })
    }

    async fn delete(&self, what: &str, namespace: &str, pod: &Going) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.cluster.client(), namespace);
        match api.delete(&pod.name, &of(pod)).await {
            Ok(_) => Ok(()),
            Err(error) if gone(&error) => Ok(()),
            Err(error) => Err(failure(what, error)),
        }
    }

    /// Asks until disruption budgets allow it (Kubernetes API, `Eviction`: 429 means later).
    async fn evict(
        &self,
        what: &str,
        namespace: &str,
        pod: &Going,
        limit: Duration,
    ) -> Result<(), Error> {
        let api: Api<Pod> = Api::namespaced(self.cluster.client(), namespace);
        let params = EvictParams {
            delete_options: Some(of(pod)),
            ..EvictParams::default()
        };
        let mut wait = Wait::new(what, limit);
        loop {
            let why = match api.evict(&pod.name, &params).await {
                Ok(_) => return Ok(()),
                Err(error) if gone(&error) => return Ok(()),
                Err(error) => failure(what, error),
            };
            if why.kind != ErrorKind::Throttled {
                return Err(why);
            }
            if wait.is_over() {
                return Err(wait.over(&format!("pod `{}` may not go", pod.name), &why.why));
            }
            wait.look(std::future::ready(Ok(()))).await?;
        }
    }

    async fn pod_gone(
        &self,
        what: &str,
        namespace: &str,
        pod: &Going,
        limit: Duration,
    ) -> Result<(), Error> {
        let api = Api::namespaced_with(self.cluster.client(), namespace, &resource("", "Pod"));
        let mut wait = Wait::new(what, limit);
        loop {
            match self.cluster.get(what, &api, &pod.name).await {
                Ok(live) => match live.filter(|live| text(live, "/metadata/uid") == pod.uid) {
                    None => return Ok(()),
                    Some(live) if wait.is_over() => {
                        let why = kstatus::held_by(&live);
                        return Err(wait.over(&format!("pod `{}` not gone", pod.name), &why));
                    }
                    Some(_) => {}
                },
                Err(error) if error.kind.retryable() && !wait.is_over() => {}
                Err(error) => return Err(error),
            }
            wait.look(std::future::ready(Ok(()))).await?;
        }
    }

    /// Waits until the workload has all its pods ready, not counting those that were sent away.
    pub(super) async fn whole(
        &self,
        what: &str,
        workload: &Workload,
        left: &BTreeSet<&str>,
        limit: Duration,
    ) -> Result<(), Error> {
        let mut wait = Wait::new(what, limit);
        let mut why = "it was not looked at yet".to_owned();
        loop {
            if let Some((live, pods)) = wait.look(self.living(what, workload)).await? {
                let serving: BTreeSet<&str> = pods
                    .iter()
                    .filter(|pod| ready(pod))
                    .map(|pod| text(pod, "/metadata/uid"))
                    .filter(|uid| !left.contains(uid))
                    .collect();
                let needed = usize::try_from(wanted(&live)).unwrap_or(usize::MAX);
                let status = kstatus::status(&live);
                if status == Status::Current && serving.len() >= needed {
                    return Ok(());
                }
                why = match (status, self.cluster.pods_reason(&live).await) {
                    (Status::InProgress(why) | Status::Failed(why), Some(pod)) => {
                        format!("{why}; {pod}")
                    }
                    (Status::InProgress(why) | Status::Failed(why), None) => why,
                    _ => format!("{} of {needed} pods are ready", serving.len()),
                };
            }
            if wait.is_over() {
                let name = format!("{} `{}` not ready", workload.kind, workload.name);
                return Err(wait.over(&name, &why));
            }
        }
    }
}

/// This very pod.
fn of(pod: &Going) -> DeleteParams {
    DeleteParams::default().preconditions(Preconditions {
        uid: Some(pod.uid.clone()),
        resource_version: None,
    })
}

/// It is not there, or another of its name is: the server refuses a precondition with 409.
fn gone(error: &kube::Error) -> bool {
    missing(error)
        || matches!(error, kube::Error::Api(status) if status.code == 409 && status.message.contains("UID"))
}
