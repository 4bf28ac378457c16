//! Waits for objects to be ready, or gone, each with a deadline that says what was waited for.
//!
//! A cluster that does not answer while something is awaited is asked again: the wait goes on until its deadline.

use executor::provider::{Error, ErrorKind};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::Kubernetes;
use crate::kstatus::{self, Status};
use crate::normal::text;

/// Between two looks at an object that is on its way.
const PAUSE: Duration = Duration::from_millis(500);

/// One wait: until when, and what the last look came to.
pub(crate) struct Wait<'a> {
    what: &'a str,
    limit: Duration,
    until: Instant,
    unanswered: Option<String>,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(what: &'a str, limit: Duration) -> Self {
        Self {
            what,
            limit,
            until: Instant::now() + limit,
            unanswered: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The deadline's error: what did not come about, and why.
    pub(crate) fn over(&self, outcome: &str, why: &str) -> Error {
        let unanswered = self
            .unanswered
            .as_ref()
            .map(|why| format!("; the cluster did not answer the last time: {why}"));
        Error::new(
            ErrorKind::Deadline,
            self.what,
            format!(
                "{outcome} after {} s: {why}{}",
                self.limit.as_secs(),
                unanswered.unwrap_or_default()
            ),
        )
    }

    /// After a pause, the answer to a question, or `None` when there was none this time.
    pub(crate) async fn look<T>(
        &mut self,
        ask: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Error> {
        sleep(PAUSE).await;
        match ask.await {
            Ok(answer) => {
                self.unanswered = None;
                Ok(Some(answer))
            }
            Err(error) if error.kind.retryable() => {
                self.unanswered = Some(error.why);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Kubernetes {
    /// Waits until the object is current.
    pub(crate) async fn settle(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
        applied: Value,
    ) -> Result<Value, Error> {
        self.settle_within(what, api, name, applied, self.deadline)
            .await
    }

    /// The same with a limit of its own.
    pub(crate) async fn settle_within(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
        applied: Value,
        limit: Duration,
    ) -> Result<Value, Error> {
        let (mut wait, mut live) = (Wait::new(what, limit), applied);
        loop {
            let waits_for = match kstatus::status(&live) {
                Status::Current => return Ok(live),
                // A rollout that ran into its own deadline goes on trying; ours says when it is enough.
                Status::Failed(why) if text(&live, "/kind") == "Deployment" => why,
                Status::Failed(why) => {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        what,
                        self.with_pods(&live, why).await,
                    ));
                }
                Status::Terminating => {
                    format!("it is being deleted; {}", kstatus::held_by(&live))
                }
                Status::InProgress(why) => why,
            };
            if wait.is_over() {
                return Err(wait.over("not ready", &self.with_pods(&live, waits_for).await));
            }
            match wait.look(self.get(what, api, name)).await? {
                Some(Some(now)) => live = now,
                Some(None) => {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        what,
                        "it was deleted while it was awaited",
                    ));
                }
                None => {}
            }
        }
    }

    /// Waits until the object with this UID is gone; another one of its name does not count.
    pub(crate) async fn gone(
        &self,
        what: &str,
        api: &Api<DynamicObject>,
        name: &str,
        uid: &str,
    ) -> Result<(), Error> {
        let mut wait = Wait::new(what, self.deadline);
        let mut held_by = "it was not looked at yet".to_owned();
        loop {
            match self.get(what, api, name).await {
                Ok(live) => match live.filter(|live| text(live, "/metadata/uid") == uid) {
                    None => return Ok(()),
                    Some(live) => {
                        wait.unanswered = None;
                        held_by = kstatus::held_by(&live);
                    }
                },
                Err(error) if error.kind.retryable() => wait.unanswered = Some(error.why),
                Err(error) => return Err(error),
            }
            if wait.is_over() {
                return Err(wait.over("not gone", &held_by));
            }
            sleep(PAUSE).await;
        }
    }

    /// For a definition, waits until the cluster serves its kind: that is a moment after it is established.
    pub(crate) async fn served(&self, what: &str, live: &Value) -> Result<(), Error> {
        if text(live, "/kind") != "CustomResourceDefinition" {
            return Ok(());
        }
        let versions = live.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions
            .into_iter()
            .flatten()
            .filter(|version| version.get("served") == Some(&Value::Bool(true)))
            .map(|version| text(version, "/name"));
        let (group, kind) = (text(live, "/spec/group"), text(live, "/spec/names/kind"));
        let wanted: Vec<GroupVersionKind> = served
            .map(|version| GroupVersionKind::gvk(group, version, kind))
            .collect();
        let mut wait = Wait::new(what, self.deadline);
        loop {
            let known = wait.look(self.discovery(true)).await?;
            if known
                .is_some_and(|known| wanted.iter().all(|kind| known.resolve_gvk(kind).is_some()))
            {
                return Ok(());
            }
            if wait.is_over() {
                return Err(wait.over("not served", "the cluster does not list its kind"));
            }
        }
    }

    /// What a namespace that is being deleted waits for. A help for people: when it can't be found out, nothing is said.
    pub(crate) async fn namespace_held_by(&self, name: &str) -> Option<String> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
        let api = Api::all_with(self.client.clone(), &resource);
        let live = self.get("look at a namespace", &api, name).await.ok()??;
        (kstatus::status(&live) == Status::Terminating).then(|| kstatus::held_by(&live))
    }

    async fn with_pods(&self, workload: &Value, why: String) -> String {
        match self.pods_reason(workload).await {
            Some(pod) => format!("{why}; {pod}"),
            None => why,
        }
    }

    /// What keeps a workload's pods from being ready. A help for people: when it can't be found out, nothing is said.
    pub(crate) async fn pods_reason(&self, workload: &Value) -> Option<String> {
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
        let pod = pods.iter().find(|pod| {
            matches!(
                kstatus::status(pod),
                Status::InProgress(_) | Status::Failed(_)
            )
        })?;
        Some(format!(
            "pod `{}`: {}",
            text(pod, "/metadata/name"),
            kstatus::reason(pod)
        ))
    }
}
