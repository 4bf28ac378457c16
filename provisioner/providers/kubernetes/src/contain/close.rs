//! Closes one item. Every change names the identity of what was looked at.

use std::time::Duration;

use containment::Item;
use executor::provider::{Error, ErrorKind};
use jiff::Timestamp;
use kube::api::{
    Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::reading::resource;
use super::view::{Before, NAME, has_finalizers};
use super::{KubernetesBarrier, accounts, network, pods, workloads};
use crate::error::{failure, missing};
use crate::normal::text;
use crate::reading;

/// Another manager than that of what is applied, so that a plan tells the two apart.
const MANAGER: &str = "rebuild-contain";
/// How often an object that changes meanwhile is looked at again.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl KubernetesBarrier {
    pub(super) async fn close_item(&self, item: &Item) -> Result<(), Error> {
        let before = Before::read(item)?;
        let closing = Closing {
            what: format!("{} {}", item.action, item.id),
            api: self.api(&before),
            before,
        };
        match closing.before.kind.as_str() {
            "RoleBinding" | "ClusterRoleBinding" => closing.unbind().await,
            "Pod" => closing.stop_pod().await,
            "Secret" => closing.delete().await,
            "ServiceAccount" => closing.renew_account().await,
            "NetworkPolicy" if closing.before.uid.is_empty() => {
                closing.deny_all(&self.reach.environment).await
            }
            _ => closing.patched().await,
        }
    }

    fn api(&self, before: &Before) -> Api<DynamicObject> {
        let resource = resource(&before.api_version, &before.kind);
        let client = self.cluster.client();
        match before.namespace.as_str() {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        }
    }
}

struct Closing {
    what: String,
    api: Api<DynamicObject>,
    before: Before,
}

impl Closing {
    fn error(&self, error: kube::Error) -> Error {
        failure(&self.what, error)
    }

    fn replaced(&self) -> Error {
        let why = "another object has taken its place since it was looked at: look again";
        Error::new(ErrorKind::Conflict, self.what.clone(), why)
    }

    async fn get(&self) -> Result<Option<Value>, Error> {
        let found = self.api.get_opt(&self.before.name).await;
        found
            .map_err(|error| self.error(error))?
            .map(|object| reading::json(&self.what, &object))
            .transpose()
    }

    fn is_same(&self, live: &Value) -> bool {
        text(live, "/metadata/uid") == self.before.uid
    }

    /// One JSON merge patch. `resource_version` lets it fail if anything at all has changed.
    async fn patch(&self, mut patch: Value, resource_version: Option<&str>) -> kube::Result<()> {
        patch["metadata"]["uid"] = json!(self.before.uid);
        if let Some(version) = resource_version {
            patch["metadata"]["resourceVersion"] = json!(version);
        }
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .api
            .patch(&self.before.name, &params, &Patch::Merge(patch))
            .await;
        patched.map(|_| ())
    }

    async fn patched(&self) -> Result<(), Error> {
        let patch = network::patch(&self.before)
            .or_else(|| workloads::patch(&self.before))
            .ok_or_else(|| {
                let why = format!("nothing is known of closing a {}", self.before.kind);
                Error::new(ErrorKind::Invalid, self.what.clone(), why)
            })?;
        match self.patch(patch, None).await {
            Ok(()) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            // Refused for its identity or for what it says: the two answers look alike.
            Err(error) => match self.get().await {
                Ok(None) => Ok(()),
                Ok(Some(live)) if !self.is_same(&live) => Err(self.replaced()),
                _ => Err(self.error(error)),
            },
        }
    }

    async fn deny_all(&self, environment: &str) -> Result<(), Error> {
        let namespace = &self.before.namespace;
        match self.create(network::deny_all(environment, namespace)).await {
            // Made meanwhile: by a former attempt, or by somebody else with other rules.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let live = self.get().await?.ok_or_else(|| {
                    Error::new(
                        ErrorKind::NotYet,
                        self.what.clone(),
                        format!("{NAME} came and went"),
                    )
                })?;
                let there = Closing {
                    what: self.what.clone(),
                    api: self.api.clone(),
                    before: Before::of(
                        &live,
                        &self.before.api_version,
                        &self.before.kind,
                        json!(null),
                    ),
                };
                there.patched().await
            }
            Err(error) if missing(&error) => Ok(()),
            made => made.map_err(|error| self.error(error)),
        }
    }

    async fn create(&self, object: Value) -> kube::Result<()> {
        let object: DynamicObject =
            serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        self.api.create(&params, &object).await.map(|_| ())
    }

    async fn deleted(
        &self,
        resource_version: Option<&str>,
        grace: Option<u32>,
    ) -> kube::Result<()> {
        let params = DeleteParams {
            grace_period_seconds: grace,
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let params = params.preconditions(Preconditions {
            uid: Some(self.before.uid.clone()),
            resource_version: resource_version.map(str::to_owned),
        });
        match self.api.delete(&self.before.name, &params).await {
            Err(error) if !missing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// What holds an object back when it is deleted would keep it working.
    async fn release(&self) -> Result<(), Error> {
        if !self.before.finalizers {
            return Ok(());
        }
        match self
            .patch(json!({"metadata": {"finalizers": null}}), None)
            .await
        {
            Err(error) if !missing(&error) => Err(self.error(error)),
            _ => Ok(()),
        }
    }

    async fn delete(&self) -> Result<(), Error> {
        self.release().await?;
        match self.deleted(None, None).await {
            Err(error) if is_conflict(&error) => Err(self.replaced()),
            ended => ended.map_err(|error| self.error(error)),
        }
    }

    async fn stop_pod(&self) -> Result<(), Error> {
        match self.deleted(None, Some(pods::GRACE)).await {
            // What a workload has made in its place goes with the workload.
            Err(error) if is_conflict(&error) && self.before.found["owner"].is_string() => Ok(()),
            Err(error) if is_conflict(&error) => Err(self.replaced()),
            ended => ended.map_err(|error| self.error(error)),
        }
    }

    /// Only what was written down is taken away: a binding whose subjects have changed since is left, and told.
    async fn unbind(&self) -> Result<(), Error> {
        let found = &self.before.found;
        let list = |value: Option<&Value>| {
            value
                .filter(|value| !value.is_null())
                .cloned()
                .unwrap_or_else(|| json!([]))
        };
        let (was, wanted) = (
            list(found.pointer("/manifest/subjects")),
            list(found.get("remaining")),
        );
        let whole = wanted == json!([]);
        for _ in 0..ATTEMPTS {
            let Some(live) = self.get().await? else {
                return Ok(());
            };
            if !self.is_same(&live) {
                return Err(self.replaced());
            }
            let now = list(live.get("subjects"));
            if now == wanted && !whole {
                return Ok(());
            }
            if now != was && now != wanted {
                let why = "its subjects have changed since it was looked at: look again";
                return Err(Error::new(ErrorKind::Conflict, self.what.clone(), why));
            }
            let version = Some(text(&live, "/metadata/resourceVersion"));
            // A binding that waits for its finalizers still gives its rights.
            let ended = if whole && has_finalizers(&live) {
                let patch = json!({"metadata": {"finalizers": null}, "subjects": null});
                self.patch(patch, version).await.map(|()| false)
            } else if whole {
                self.deleted(version, None).await.map(|()| true)
            } else {
                self.patch(json!({"subjects": wanted}), version)
                    .await
                    .map(|()| true)
            };
            match ended {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if missing(&error) => return Ok(()),
                Err(error) if is_conflict(&error) => sleep(PAUSE).await,
                Err(error) => return Err(self.error(error)),
            }
        }
        let why = "it changes all the time";
        Err(Error::new(ErrorKind::Conflict, self.what.clone(), why))
    }

    /// The old account goes, and with its identity its tokens. The cluster makes `default` anew by itself, so that the new one may be
    /// there already.
    async fn renew_account(&self) -> Result<(), Error> {
        let now = Timestamp::now().to_string();
        let (namespace, name) = (&self.before.namespace, &self.before.name);
        let mut old = self.before.found["manifest"].clone();
        for _ in 0..ATTEMPTS {
            let ended = match self.get().await? {
                Some(live) if self.is_same(&live) => {
                    let gone = text(&live, "/metadata/deletionTimestamp").is_empty();
                    if has_finalizers(&live) {
                        let patch = json!({"metadata": {"finalizers": null}});
                        self.patch(patch, None).await.map(|()| false)
                    } else if gone {
                        old = live;
                        self.deleted(None, None).await.map(|()| false)
                    } else {
                        sleep(PAUSE).await;
                        Ok(false)
                    }
                }
                Some(live) if accounts::is_contained(&live) => return Ok(()),
                Some(live) => {
                    let newer = Closing {
                        what: self.what.clone(),
                        api: self.api.clone(),
                        before: Before::of(&live, "v1", "ServiceAccount", Value::Null),
                    };
                    newer
                        .patch(accounts::patch(&now), None)
                        .await
                        .map(|()| true)
                }
                None => self
                    .create(accounts::successor(&old, namespace, name, &now))
                    .await
                    .map(|()| true),
            };
            match ended {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // A namespace that ends takes no new account.
                Err(kube::Error::Api(status)) if status.message.contains("being terminated") => {
                    return Ok(());
                }
                Err(error) if is_conflict(&error) || missing(&error) => sleep(PAUSE).await,
                Err(error) => return Err(self.error(error)),
            }
        }
        let why = "it changes all the time";
        Err(Error::new(ErrorKind::Conflict, self.what.clone(), why))
    }
}

/// Also how a patch is refused that names another identity.
fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409
        || status.code == 422 && status.message.contains("metadata.uid"))
}
