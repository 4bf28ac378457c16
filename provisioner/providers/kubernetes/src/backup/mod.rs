//! The kind `backup.job`: a Job that takes a generation's first backup, and the proof that it did.
//!
//! # Guarantees
//! What was in the sources before the Job is written on the Job when it is made, so whoever goes on with it later tells the new backup from
//! the older ones as the first process would have. The step is done when what came since was verified, never because the Job says so. A
//! Job that was begun is awaited and one that proved its backup is left alone; one that failed, or left nothing good, is replaced when the
//! step is done again.

mod manifest;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::core::GroupVersionKind;
use planner::identity::labels;
use planner::kinds::backup::Job;
use planner::reference::Outputs;
use planner::{Address, Inventory, Observed};
use serde_json::{Value, json};

use crate::Kubernetes;
use crate::error::{failure, missing};
use crate::kstatus::{self, Status};
use crate::normal::{self, mark, text};
use crate::reading;
use crate::recover::params;
use crate::waiting::Wait;

/// Annotation on the Job: what was in the sources before it.
const BEFORE: &str = "rebuild.dev/backups-before";
/// Annotation on the Job: the backup it left, once that was proven.
const PROVEN: &str = "rebuild.dev/backup-proven";
/// First part of the addresses.
const NAME: &str = "backup";
/// How long what a pod stored may take to be listed once the Job is complete. The stores list what they took in at once (Amazon S3,
/// "data consistency model"); what is written after a pod ended does not come at all.
const GRACE: Duration = Duration::from_secs(10);

/// The seeded backup, which a new one has to extend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// SHA-256 of its stored bytes, lower-case hex.
    pub sha256: String,
    /// Hash of its last block, lower-case hex.
    pub head: String,
    /// Its blocks.
    pub blocks: u64,
}

/// Who looks at the places that the environment's backups go to.
#[async_trait]
pub trait Sources: Send + Sync {
    /// What is in them now, in few words that [`Sources::since`] tells later backups by.
    ///
    /// # Errors
    /// When none of them can be asked.
    async fn now(&self, what: &str) -> Result<String, Error>;

    /// The newest backup that came since, once all that did were verified, were found to extend the seeded one, and are remembered;
    /// `None` when none came.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when one of them is no good.
    async fn since(
        &self,
        what: &str,
        then: &str,
        seeded: &Seeded,
    ) -> Result<Option<Outputs>, Error>;

    /// The places, for messages.
    fn places(&self) -> String;
}

/// Takes first backups in one cluster.
pub struct Backups {
    cluster: Arc<Kubernetes>,
    sources: Arc<dyn Sources>,
}

impl std::fmt::Debug for Backups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backups").finish_non_exhaustive()
    }
}

/// Whether an object is a Job of this kind.
pub(crate) fn is_ours(object: &Value) -> bool {
    address(object).is_some_and(|address| address.provider() == NAME)
}

fn address(object: &Value) -> Option<Address> {
    mark(object, "annotations", labels::ADDRESS)?.parse().ok()
}

fn proof(job: &Value) -> Option<Outputs> {
    serde_json::from_str(mark(job, "annotations", PROVEN)?).ok()
}

fn of_kind(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("batch", "v1", kind))
}

/// One Job as a step is about it.
struct Target<'a> {
    what: &'a str,
    request: &'a Ensure<'a>,
    spec: Job,
    name: String,
    jobs: Api<DynamicObject>,
}

impl Target<'_> {
    fn seeded(&self) -> Seeded {
        Seeded {
            sha256: self.spec.sha256.clone(),
            head: self.spec.head.clone(),
            blocks: self.spec.blocks,
        }
    }
}

impl Backups {
    /// Takes them in this cluster, and looks for them there.
    pub fn new(cluster: Arc<Kubernetes>, sources: Arc<dyn Sources>) -> Self {
        Self { cluster, sources }
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client(), namespace, &of_kind(kind))
    }

    /// The Job that goes on: the one that is there, or a new one.
    async fn standing(&self, target: &Target<'_>) -> Result<Standing, Error> {
        let Target {
            what,
            request,
            name,
            jobs,
            ..
        } = target;
        let Some(live) = self.cluster.get(what, jobs, name).await? else {
            return self.begin(target).await.map(Standing::Job);
        };
        let scope = request.scope;
        if !normal::is_of(&live, &scope.environment, &scope.generation)
            || address(&live).as_ref() != Some(&request.step.address)
        {
            return Err(Error::new(
                ErrorKind::Foreign,
                *what,
                "a Job of its name is there and does not carry our marks",
            ));
        }
        if let Some(proof) = proof(&live) {
            return Ok(Standing::Proven(proof));
        }
        match kstatus::status(&live) {
            Status::InProgress(_) => return Ok(Standing::Job(live)),
            // The process that made it may have ended before it looked.
            Status::Current => match self.found(target, &live).await {
                Ok(Some(found)) => {
                    return self
                        .proven(target, &live, found)
                        .await
                        .map(Standing::Proven);
                }
                Ok(None) => {}
                Err(error) if error.kind == ErrorKind::Invalid => {}
                Err(error) => return Err(error),
            },
            Status::Failed(_) | Status::Terminating => {}
        }
        self.delete(what, jobs, name, text(&live, "/metadata/uid"))
            .await?;
        self.begin(target).await.map(Standing::Job)
    }

    async fn begin(&self, target: &Target<'_>) -> Result<Value, Error> {
        let Target {
            what,
            request,
            spec,
            jobs,
            ..
        } = target;
        let invalid = |why: String| Error::new(ErrorKind::Invalid, *what, why);
        let cron_jobs = self.api("CronJob", &spec.namespace);
        let cron_job = self
            .cluster
            .get(what, &cron_jobs, &spec.cron_job)
            .await?
            .ok_or_else(|| {
                invalid(format!(
                    "there is no CronJob {}/{}",
                    spec.namespace, spec.cron_job
                ))
            })?;
        let before = self.sources.now(what).await?;
        let job = manifest::job(
            &cron_job,
            (&request.scope.environment, &request.scope.generation),
            (&request.step.address, &spec.namespace),
            &before,
        )
        .map_err(invalid)?;
        let job: DynamicObject =
            serde_json::from_value(job).map_err(|error| invalid(error.to_string()))?;
        let how = PostParams {
            field_manager: Some(labels::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let made = jobs
            .create(&how, &job)
            .await
            .map_err(|error| failure(what, error))?;
        reading::json(what, &made)
    }

    async fn found(&self, target: &Target<'_>, live: &Value) -> Result<Option<Outputs>, Error> {
        let before = mark(live, "annotations", BEFORE).ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                target.what,
                "the Job does not say any more what was there before it",
            )
        })?;
        self.sources
            .since(target.what, before, &target.seeded())
            .await
    }

    /// Writes the proof on the very Job that was looked at.
    async fn proven(
        &self,
        target: &Target<'_>,
        live: &Value,
        found: Outputs,
    ) -> Result<Outputs, Error> {
        let text_of = serde_json::to_string(&found)
            .map_err(|error| Error::new(ErrorKind::Invalid, target.what, error.to_string()))?;
        let patch = json!({
            "metadata": {"uid": text(live, "/metadata/uid"), "annotations": {PROVEN: text_of}},
        });
        target
            .jobs
            .patch(&target.name, &params(), &Patch::Merge(&patch))
            .await
            .map_err(|error| failure(target.what, error))?;
        Ok(found)
    }

    async fn delete(
        &self,
        what: &str,
        jobs: &Api<DynamicObject>,
        name: &str,
        uid: &str,
    ) -> Result<(), Error> {
        let how = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        let how = how.preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        match jobs.delete(name, &how).await {
            Err(error) if !missing(&error) => return Err(failure(what, error)),
            _ => {}
        }
        self.cluster.gone(what, jobs, name, uid).await
    }
}

enum Standing {
    /// Its backup is proven.
    Proven(Outputs),
    /// It goes on.
    Job(Value),
}

#[async_trait]
impl Provider for Backups {
    fn name(&self) -> &'static str {
        NAME
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 1,
            rate: 10.0,
            burst: 10,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    /// One that proved its backup is ready; one that was only begun is not.
    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let jobs: Api<DynamicObject> = Api::all_with(self.cluster.client(), &of_kind("Job"));
        let what = format!("list Jobs of environment {}", scope.environment);
        let selector = format!("{}={}", labels::ENVIRONMENT, scope.environment);
        let mut seen = Inventory::default();
        for live in self
            .cluster
            .list(&what, &jobs, "Job", Some(&selector))
            .await?
        {
            let Some(found) =
                normal::observed(&live).filter(|found| found.address.provider() == NAME)
            else {
                continue;
            };
            let proof = proof(&live);
            seen.objects.push(Observed {
                spec: json!({"namespace": text(&live, "/metadata/namespace"), "name": text(&live, "/metadata/name")}),
                ready: proof.is_some(),
                outputs: proof.unwrap_or_default(),
                digest: None,
                ..found
            });
        }
        let mut sorted = Inventory::default();
        sorted.merge(seen);
        Ok(sorted)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let what = request.step.id.clone();
        let spec: Job = serde_json::from_value(request.spec.clone())
            .map_err(|error| Error::new(ErrorKind::Invalid, &what, error.to_string()))?;
        let target = Target {
            jobs: self.api("Job", &spec.namespace),
            name: manifest::name(&request.scope.generation),
            what: &what,
            request: &request,
            spec,
        };
        let live = match self.standing(&target).await? {
            Standing::Proven(proof) => return Ok(proof),
            Standing::Job(live) => live,
        };
        let limit = Duration::from_secs(u64::from(target.spec.deadline));
        let live = self
            .cluster
            .settle_within(&what, &target.jobs, &target.name, live, limit)
            .await?;
        let mut wait = Wait::new(&what, GRACE);
        loop {
            if let Some(found) = self.found(&target, &live).await? {
                return self.proven(&target, &live, found).await;
            }
            if wait.is_over() {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    &what,
                    format!(
                        "the Job {}/{} is complete, and no new backup is in {}: nothing was saved, or it went elsewhere",
                        target.spec.namespace,
                        target.name,
                        self.sources.places()
                    ),
                ));
            }
            wait.look(std::future::ready(Ok(()))).await?;
        }
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let what = format!("delete {}", object.address);
        let (namespace, name) = (
            text(&object.spec, "/namespace"),
            text(&object.spec, "/name"),
        );
        let jobs = self.api("Job", namespace);
        let Some(live) = self.cluster.get(&what, &jobs, name).await? else {
            return Ok(());
        };
        if text(&live, "/metadata/uid") != object.id {
            // Another Job of the name: ours is gone.
            return Ok(());
        }
        if !is_ours(&live) {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks any more",
            ));
        }
        self.delete(&what, &jobs, name, &object.id).await
    }
}
