//! A Job that is run for its own sake, beside what a plan makes: started, looked at, removed.

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, PostParams, PropagationPolicy};

use executor::provider::Error;

use crate::Kubernetes;
use crate::error::{failure, missing};
use crate::reading;

/// How far a Job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Running {
        /// Pods under way.
        active: i32,
        /// Pods that ended well.
        succeeded: i32,
    },
    /// All pods ended well.
    Complete,
    /// It was given up, and why.
    Failed(String),
}

impl Progress {
    /// From what the Job controller reports (Kubernetes API, JobStatus).
    fn of(status: &JobStatus) -> Self {
        for condition in status.conditions.iter().flatten() {
            if condition.status != "True" {
                continue;
            }
            match condition.type_.as_str() {
                "Complete" => return Self::Complete,
                "Failed" | "FailureTarget" => {
                    let parts = [&condition.reason, &condition.message];
                    let said: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
                    return Self::Failed(said.join(": "));
                }
                _ => {}
            }
        }
        Self::Running {
            active: status.active.unwrap_or(0),
            succeeded: status.succeeded.unwrap_or(0),
        }
    }
}

impl Kubernetes {
    /// Starts a Job and makes the Secret it reads, under the same name.
    ///
    /// # Errors
    /// When one of the two is there already, or the server refuses it.
    pub async fn start_job(
        &self,
        namespace: &str,
        secret: &Secret,
        job: &Job,
    ) -> Result<(), Error> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        secrets
            .create(&PostParams::default(), secret)
            .await
            .map_err(|error| failure(&format!("make the Secret of a Job in {namespace}"), error))?;
        let jobs: Api<Job> = Api::namespaced(self.client(), namespace);
        jobs.create(&PostParams::default(), job)
            .await
            .map_err(|error| failure(&format!("start a Job in {namespace}"), error))?;
        Ok(())
    }

    /// How far a Job is.
    ///
    /// # Errors
    /// When it is not there, or can't be asked.
    pub async fn job(&self, namespace: &str, name: &str) -> Result<Progress, Error> {
        let jobs: Api<Job> = Api::namespaced(self.client(), namespace);
        let what = format!("look at the Job {namespace}/{name}");
        let job = reading::patiently(&what, || jobs.get_status(name)).await?;
        Ok(Progress::of(&job.status.unwrap_or_default()))
    }

    /// Removes a Job, its pods and its Secret; what is gone already is no error.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn remove_job(&self, namespace: &str, name: &str) -> Result<(), Error> {
        let how = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        let jobs: Api<Job> = Api::namespaced(self.client(), namespace);
        let secrets: Api<Secret> = Api::namespaced(self.client(), namespace);
        let answers = [
            jobs.delete(name, &how).await.map(drop),
            secrets.delete(name, &how).await.map(drop),
        ];
        for answer in answers {
            match answer {
                Err(error) if !missing(&error) => {
                    return Err(failure(
                        &format!("remove the Job {namespace}/{name}"),
                        error,
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(status: serde_json::Value) -> Progress {
        Progress::of(&serde_json::from_value(status).expect("a status"))
    }

    #[test]
    fn a_status_is_read() {
        use serde_json::json;
        let none = Progress::Running {
            active: 0,
            succeeded: 0,
        };
        assert_eq!(progress(json!({})), none);
        assert_eq!(
            progress(
                json!({"active": 2, "succeeded": 1, "conditions": [{"type": "Complete", "status": "False"}]})
            ),
            Progress::Running {
                active: 2,
                succeeded: 1
            }
        );
        assert_eq!(
            progress(json!({"succeeded": 3, "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]})),
            Progress::Complete
        );
        assert_eq!(
            progress(json!({"conditions": [
                {"type": "Failed", "status": "True", "reason": "FailedIndexes", "message": "Job has failed indexes"}]})),
            Progress::Failed("FailedIndexes: Job has failed indexes".to_owned())
        );
    }
}
