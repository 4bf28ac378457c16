//! `rebuild backups verify --all --on-cluster`: shares the work out among the pods of an Indexed Job and gathers what they found.
//!
//! What pods say is signed with a key of this run, which only they and this process know. It is worth as much as the cluster; the one
//! backup that is taken in the end is read here in any case.

use std::collections::BTreeSet;
use std::time::Duration;

use backup::lineage::Index;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use provider_kubernetes::job::Progress;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::shard::{self, Exchange, KEY, Work};
use crate::args::VerifyCommand;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::session::{self, Blueprint};
use crate::sources::survey::Survey;

/// Between two looks at the Job.
const PAUSE: Duration = Duration::from_secs(1);
/// How long what a pod wrote may take to be seen once the Job is complete.
const GRACE: Duration = Duration::from_secs(120);
/// After which Kubernetes removes a Job that nobody waits for any more, seconds.
const KEPT: i32 = 3_600;
/// The longest a Job may take, seconds.
const LONGEST: i64 = 24 * 3_600;

/// Has every unread backup read by pods, and remembers what they found.
pub async fn fan_out(
    survey: &mut Survey,
    blueprint: &Blueprint,
    command: &VerifyCommand,
    printer: &Printer,
) -> Result<(), Failure> {
    let unread = survey.unread();
    if unread.is_empty() {
        return Ok(());
    }
    let environment = &blueprint.environment;
    let cluster = session::cluster(environment, &blueprint.resolved)
        .await?
        .ok_or_else(|| {
            Failure::new(format!("{} has no cluster", environment.name())).hint(format!(
                "name one in `where.kubernetes` of {}, or leave out --on-cluster",
                environment.file()
            ))
        })?;
    let mut random = [0_u8; 36];
    getrandom::fill(&mut random).map_err(|error| Failure::of("there is no randomness", &error))?;
    let (seed, id) = random.split_at(32);
    let seed = hex::encode(seed);
    let run = format!("verify-backups-{}", hex::encode(id));
    let key = shard::key(&seed)?;
    // No more pods than there are backups.
    let shards = command
        .shards
        .min(u32::try_from(unread.len()).unwrap_or(u32::MAX));
    let work = Work {
        shards,
        backups: unread
            .into_iter()
            .map(|position| survey.sources.candidate(position).clone())
            .collect(),
    };
    let control = session::control(&blueprint.resolved).await;
    let exchange = Exchange::new(control, environment.name(), &run);
    exchange.hand_out(&work).await?;
    let namespace = &command.namespace;
    let refused = |error| hints::of_provider("kubernetes", &error);
    let job = job(command, environment.name(), &run, shards);
    let job: Job = typed(job)?;
    let secret: Secret = typed(secret(&command.namespace, &run, &seed))?;
    printer.note(&format!(
        "Job {namespace}/{run}: {} backups in {shards} shares",
        work.backups.len()
    ));
    cluster
        .start_job(namespace, &secret, &job)
        .await
        .map_err(refused)?;
    let gathered = tokio::select! {
        gathered = gather(&cluster, &exchange, (namespace, &run), shards, &key, printer) => gathered,
        _ = tokio::signal::ctrl_c() => Err(Failure::new("interrupted").exit(Exit::Interrupted)
            .hint("run the same command again: what was found so far is lost, what was known is not")),
    };
    cluster.remove_job(namespace, &run).await.map_err(refused)?;
    for index in gathered? {
        survey.take(&index);
    }
    survey.memory.save()
}

/// Waits until every share was handed in.
async fn gather(
    cluster: &provider_kubernetes::Kubernetes,
    exchange: &Exchange,
    (namespace, run): (&str, &str),
    shards: u32,
    key: &backup::lineage::IndexKey,
    printer: &Printer,
) -> Result<Vec<Index>, Failure> {
    let mut missing: BTreeSet<u32> = (0..shards).collect();
    let mut gathered = Vec::new();
    let mut complete: Option<Instant> = None;
    loop {
        for number in missing.clone() {
            if let Some(index) = exchange.found(number, key).await? {
                printer.note(&format!(
                    "share {number}: {} backups read",
                    index.records().len()
                ));
                missing.remove(&number);
                gathered.push(index);
            }
        }
        if missing.is_empty() {
            return Ok(gathered);
        }
        let lost = |why: String| {
            Failure::new(format!("the Job {namespace}/{run} did not end well"))
                .because(why)
                .because(format!("nothing came of the shares {missing:?}"))
                .hint("look at its pods; without --on-cluster the backups are read here")
        };
        match cluster
            .job(namespace, run)
            .await
            .map_err(|error| hints::of_provider("kubernetes", &error))?
        {
            Progress::Failed(why) => return Err(lost(why)),
            Progress::Complete => {
                let since = *complete.get_or_insert_with(Instant::now);
                if since.elapsed() > GRACE {
                    return Err(lost("its pods ended well, and left nothing".to_owned()));
                }
            }
            Progress::Running { .. } => {}
        }
        sleep(PAUSE).await;
    }
}

fn typed<T: serde::de::DeserializeOwned>(manifest: Value) -> Result<T, Failure> {
    serde_json::from_value(manifest)
        .map_err(|error| Failure::of("a manifest of ours is none", &error))
}

fn metadata(namespace: &str, run: &str) -> Value {
    json!({
        "name": run,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/name": "rebuild", "app.kubernetes.io/component": "verify-backups"},
    })
}

/// The run's key.
fn secret(namespace: &str, run: &str, seed: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(namespace, run),
        "immutable": true,
        "stringData": {"key": seed},
    })
}

/// The Job: one pod a share, each tried twice more, under the restricted Pod Security Standard.
fn job(command: &VerifyCommand, environment: &str, run: &str, shards: u32) -> Value {
    let memory = u64::from(command.budget.memory);
    let arguments = [
        "backups".to_owned(),
        "verify".to_owned(),
        "--all".to_owned(),
        format!("--env={environment}"),
        format!("--run={run}"),
        format!("--memory={memory}"),
        format!("--connections={}", command.budget.connections),
    ];
    let mut pod = json!({
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "verify",
            "image": command.image,
            "command": ["rebuild"],
            "args": arguments,
            "env": [
                {"name": KEY, "valueFrom": {"secretKeyRef": {"name": run, "key": "key"}}},
                {"name": "XDG_STATE_HOME", "value": "/state"},
            ],
            // Two threads a backup; beside the backups themselves the program takes little.
            "resources": {
                "requests": {"cpu": "2", "memory": format!("{}Mi", memory + 64)},
                "limits": {"memory": format!("{}Mi", memory + 256)},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "state", "mountPath": "/state"}],
        }],
        "volumes": [{"name": "state", "emptyDir": {"sizeLimit": "256Mi"}}],
    });
    if let Some(account) = &command.service_account {
        pod["serviceAccountName"] = json!(account);
    } else {
        pod["automountServiceAccountToken"] = json!(false);
    }
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(&command.namespace, run),
        "spec": {
            "completionMode": "Indexed",
            "completions": shards,
            "parallelism": shards,
            "backoffLimitPerIndex": 2,
            "activeDeadlineSeconds": LONGEST,
            "ttlSecondsAfterFinished": KEPT,
            "template": {"metadata": {"labels": metadata(&command.namespace, run)["labels"]}, "spec": pod},
        },
    })
}
