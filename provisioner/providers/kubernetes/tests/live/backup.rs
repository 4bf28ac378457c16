//! First backups: what a Job says of itself never counts alone, and one that was begun is gone on with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use executor::provider::{Ensure, Error, ErrorKind, Provider};
use planner::reference::Outputs;
use planner::{Address, Layer, Step};
use provider_kubernetes::Kubernetes;
use provider_kubernetes::backup::{Backups, Seeded, Sources};
use serde_json::{Value, json};

use crate::support::*;

/// Answers as they were put in; nothing new when there is none left.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Result<Option<Outputs>, Error>>>,
    asked: Mutex<Vec<(String, Seeded)>>,
    marks: Mutex<u32>,
}

impl Scripted {
    fn answering(answers: Vec<Result<Option<Outputs>, Error>>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.into()),
            ..Self::default()
        })
    }

    /// The marks that later backups were told by.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(then, _)| then.clone()).collect()
    }
}

#[async_trait]
impl Sources for Scripted {
    async fn now(&self, _: &str) -> Result<String, Error> {
        let mut marks = self.marks.lock().unwrap();
        *marks += 1;
        Ok(format!("mark {marks}"))
    }

    async fn since(&self, _: &str, then: &str, seeded: &Seeded) -> Result<Option<Outputs>, Error> {
        self.asked
            .lock()
            .unwrap()
            .push((then.to_owned(), seeded.clone()));
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(None))
    }

    fn places(&self) -> String {
        "s3://backups/".to_owned()
    }
}

fn good() -> Outputs {
    Outputs::from([("backup".to_owned(), json!("daily"))])
}

fn bad() -> Error {
    Error::new(ErrorKind::Invalid, "x", "it does not extend the seed")
}

/// A CronJob whose pods no node takes where it says so.
async fn declared(cluster: &Kubernetes, name: &str, waits: bool) {
    let scope = scope(name);
    apply(cluster, &scope, namespace(name)).await.unwrap();
    let mut pod = json!({"restartPolicy": "Never", "containers": [{"name": "backup", "image": "example.com/backup:1"}]});
    if waits {
        pod["nodeSelector"] = json!({"played-by": "test"});
    }
    let cron_job = json!({"object": {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup", "namespace": name}, "spec": {
        "schedule": "30 3 * * *", "suspend": true,
        "jobTemplate": {"spec": {"backoffLimit": 0, "ttlSecondsAfterFinished": 1, "template": {"spec": pod}}},
    }}});
    apply(cluster, &scope, cron_job).await.unwrap();
}

async fn taken(
    cluster: &Arc<Kubernetes>,
    sources: &Arc<Scripted>,
    namespace: &str,
    deadline: u32,
) -> Result<Outputs, Error> {
    let scope = scope(namespace);
    let address: Address = "backup.job.first".parse().unwrap();
    let spec = json!({
        "namespace": namespace, "cron_job": "backup", "deadline": deadline, "sha256": "ab", "head": "cd", "blocks": 7,
    });
    let step = Step {
        id: format!("create {address}"),
        address,
        layer: Layer::Backup,
        spec: spec.clone(),
        ..step(config("x", "y"))
    };
    let backups = Backups::new(cluster.clone(), sources.clone());
    backups
        .ensure(Ensure {
            scope: &scope,
            step: &step,
            spec,
        })
        .await
}

fn job(namespace: &str) -> Value {
    let text = kubectl(&[
        "get",
        "job",
        "first-backup-20261124-7f3a",
        "-n",
        namespace,
        "-o",
        "json",
    ]);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_job_counts_when_its_backup_is_found_and_is_made_once() {
    let cluster = Arc::new(cluster().await);
    declared(&cluster, "saving", false).await;
    let sources = Scripted::answering(vec![Ok(Some(good()))]);
    assert_eq!(
        taken(&cluster, &sources, "saving", 120).await.unwrap(),
        good()
    );
    assert_eq!(sources.asked(), ["mark 1"]);
    let seeded = Seeded {
        sha256: "ab".to_owned(),
        head: "cd".to_owned(),
        blocks: 7,
    };
    assert_eq!(sources.asked.lock().unwrap()[0].1, seeded);
    let made = job("saving");
    let annotations = &made["metadata"]["annotations"];
    assert_eq!(annotations["cronjob.kubernetes.io/instantiate"], "manual");
    assert_eq!(annotations["rebuild.dev/backups-before"], "mark 1");
    assert!(made["spec"]["ttlSecondsAfterFinished"].is_null());
    // Again: what it says is believed, and nobody is asked.
    assert_eq!(
        taken(&cluster, &sources, "saving", 120).await.unwrap(),
        good()
    );
    assert_eq!(sources.asked().len(), 1);
    assert_eq!(job("saving")["metadata"]["uid"], made["metadata"]["uid"]);

    let scope = scope("saving");
    let backups = Backups::new(cluster.clone(), sources.clone());
    let seen = backups.observe(&scope).await.unwrap();
    assert_eq!(seen.objects.len(), 1);
    assert!(seen.objects[0].ready);
    assert_eq!(seen.objects[0].outputs, good());
    // The provider of the cluster's own objects does not take it for one of them, nor for a workload that is to be ready.
    let others = cluster.observe(&scope).await.unwrap();
    assert!(
        others
            .objects
            .iter()
            .all(|object| object.address.provider() == "kubernetes")
    );
    assert_eq!(cluster.workloads("saving").await.unwrap(), []);
    backups.remove(&seen.objects[0]).await.unwrap();
    backups.remove(&seen.objects[0]).await.unwrap();
    assert_eq!(backups.observe(&scope).await.unwrap().objects, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_left_nothing_good_is_replaced_when_it_is_done_again() {
    let cluster = Arc::new(cluster().await);
    declared(&cluster, "lying", false).await;
    let nothing = Scripted::answering(Vec::new());
    let error = taken(&cluster, &nothing, "lying", 120).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(
        error.why.contains("no new backup is in s3://backups/"),
        "{error}"
    );
    let first = job("lying")["metadata"]["uid"].clone();

    // It is looked at once more, and another one is made with a mark of its own.
    let sources = Scripted::answering(vec![Ok(None), Err(bad())]);
    let error = taken(&cluster, &sources, "lying", 120).await.unwrap_err();
    assert_eq!(error.why, bad().why);
    let second = job("lying")["metadata"]["uid"].clone();
    assert_ne!(first, second);

    // The process ended before it looked: what came meanwhile is found by what the Job remembers.
    let sources = Scripted::answering(vec![Ok(Some(good()))]);
    assert_eq!(
        taken(&cluster, &sources, "lying", 120).await.unwrap(),
        good()
    );
    assert_eq!(sources.asked(), ["mark 1"]);
    assert_eq!(job("lying")["metadata"]["uid"], second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_or_waits_says_what_its_pod_says() {
    let cluster = Arc::new(cluster().await);
    declared(&cluster, "failing", true).await;
    let sources = Scripted::answering(vec![Ok(Some(good()))]);
    let error = taken(&cluster, &sources, "failing", 3).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(error.why.contains("not ready after 3 s"), "{error}");
    assert!(error.why.contains("pod `first-backup-"), "{error}");
    let waiting = job("failing")["metadata"]["uid"].clone();

    let goes_on = tokio::spawn({
        let (cluster, sources) = (cluster.clone(), sources.clone());
        async move { taken(&cluster, &sources, "failing", 120).await }
    });
    let pod = kubectl(&[
        "get",
        "pods",
        "-n",
        "failing",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ]);
    let status = json!({"status": {"phase": "Failed", "containerStatuses": [{
        "name": "backup", "image": "example.com/backup:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 1, "reason": "Error", "message": "AccessDenied: s3:PutObject"}},
    }]}});
    kubectl(&[
        "patch",
        "pod",
        &pod,
        "-n",
        "failing",
        "--subresource=status",
        "-p",
        &status.to_string(),
    ]);
    let error = goes_on.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.why.contains("BackoffLimitExceeded"), "{error}");
    assert!(error.why.contains("AccessDenied: s3:PutObject"), "{error}");
    assert_eq!(job("failing")["metadata"]["uid"], waiting);
    assert_eq!(sources.asked(), [""; 0], "a failed Job is not believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_not_ours_is_left_alone() {
    let cluster = Arc::new(cluster().await);
    declared(&cluster, "foreign", false).await;
    kubectl(&[
        "create",
        "job",
        "first-backup-20261124-7f3a",
        "-n",
        "foreign",
        "--from=cronjob/backup",
    ]);
    let before = job("foreign")["metadata"]["uid"].clone();
    let sources = Scripted::answering(vec![Ok(Some(good()))]);
    let error = taken(&cluster, &sources, "foreign", 120).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Foreign);
    assert_eq!(job("foreign")["metadata"]["uid"], before);
}
