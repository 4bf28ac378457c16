//! The Job, made from its CronJob.

use planner::identity::labels;
use planner::{Address, Generation};
use serde_json::{Map, Value, json};

use super::BEFORE;
use crate::normal::text;

/// How `kubectl create job --from` marks what it makes (kubectl, `create_job.go`).
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";

/// The Job's name in a generation.
pub(super) fn name(generation: &Generation) -> String {
    format!("first-backup-{generation}")
}

/// A Job of a CronJob's template with our marks, and with what was in the sources before it.
///
/// Unlike `kubectl`'s it has no owner and no time to live: it is what remembers that the backup was taken, so neither the CronJob's history
/// limit nor the TTL controller may take it away. It goes with its generation.
pub(super) fn job(
    cron_job: &Value,
    (environment, generation): (&str, &Generation),
    (address, namespace): (&Address, &str),
    before: &str,
) -> Result<Value, String> {
    let template = cron_job
        .pointer("/spec/jobTemplate")
        .ok_or("the CronJob has no template of a Job")?;
    let map = |pointer: &str| -> Map<String, Value> {
        template
            .pointer(pointer)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let mut spec = map("/spec");
    if spec.is_empty() {
        return Err("the CronJob's template says nothing of its Job".to_owned());
    }
    spec.remove("ttlSecondsAfterFinished");
    let (mut kept, mut annotations) = (map("/metadata/labels"), map("/metadata/annotations"));
    kept.insert(labels::ENVIRONMENT.to_owned(), json!(environment));
    kept.insert(labels::GENERATION.to_owned(), json!(generation));
    annotations.insert(INSTANTIATE.to_owned(), json!("manual"));
    annotations.insert(labels::ADDRESS.to_owned(), json!(address));
    annotations.insert(BEFORE.to_owned(), json!(before));
    Ok(json!({
        "apiVersion": text(cron_job, "/apiVersion"),
        "kind": "Job",
        "metadata": {
            "name": name(generation), "namespace": namespace, "labels": kept, "annotations": annotations,
        },
        "spec": spec,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_the_template_with_our_marks_and_nothing_that_ends_it() {
        let cron_job = json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "spec": {"suspend": true, "schedule": "30 3 * * *", "jobTemplate": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"backoffLimit": 2, "ttlSecondsAfterFinished": 60, "template": {"spec": {"containers": []}}},
            }},
        });
        let generation: Generation = "20261124-7f3a".parse().unwrap();
        let address: Address = "backup.job.first".parse().unwrap();
        let made = job(
            &cron_job,
            ("demo", &generation),
            (&address, "app"),
            "{\"x\":1}",
        )
        .unwrap();
        assert_eq!(
            made,
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "name": "first-backup-20261124-7f3a", "namespace": "app",
                    "labels": {"a": "b", "rebuild.dev/environment": "demo", "rebuild.dev/generation": "20261124-7f3a"},
                    "annotations": {
                        "cronjob.kubernetes.io/instantiate": "manual", "rebuild.dev/address": "backup.job.first",
                        "rebuild.dev/backups-before": "{\"x\":1}",
                    },
                },
                "spec": {"backoffLimit": 2, "template": {"spec": {"containers": []}}},
            })
        );
        for broken in [json!({}), json!({"spec": {"jobTemplate": {}}})] {
            assert!(job(&broken, ("demo", &generation), (&address, "app"), "").is_err());
        }
    }
}
