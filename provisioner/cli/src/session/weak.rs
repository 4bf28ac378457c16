//! What is weak beside what the providers read back of a generation: in places that no plan builds, and in what only the services tell.

use planner::{Finding, Generation, Inventory, Severity};
use provider_ec2::Ec2;
use provider_object_store::{Archive, Keeping, Store, client};

use super::{Session, aws, connection, control, store};
use crate::breach::keeping::{Judge, Wanted};
use crate::failure::Failure;
use crate::sources::place::Place;

impl Session {
    /// Findings on a finished generation and on the places around it.
    pub async fn weaknesses(&self, generation: &Generation, seen: &Inventory) -> Vec<Finding> {
        let ec2 = Ec2::new(&aws(&self.blueprint.resolved).await);
        let name = self.name();
        let (mut found, instances, backups, data, around) = futures::join!(
            self.vault_weaknesses(),
            ec2.weaknesses(name, generation),
            self.backup_buckets(),
            self.data_buckets(generation, seen),
            self.buckets_around(),
        );
        found.extend([instances, backups, data, around].into_iter().flatten());
        found.push(Finding {
            severity: Severity::Note,
            code: "harden.log-retention".to_owned(),
            subject: "AWS account".to_owned(),
            message: "CloudTrail, and how long CloudWatch Logs keeps what is written to it, are not looked at".to_owned(),
            hint: "see that every call of the API is recorded, and that nobody in the account can delete the record".to_owned(),
        });
        found.sort();
        found.dedup();
        found
    }

    async fn vault_weaknesses(&self) -> Vec<Finding> {
        let finding = |severity, message: String| Finding {
            severity,
            code: "harden.audit".to_owned(),
            subject: "vault".to_owned(),
            message,
            hint: "enable an audit device (`vault audit enable`), on a disk or socket of its own"
                .to_owned(),
        };
        match self.vault.audit_devices().await {
            Ok(devices) if devices.is_empty() => vec![finding(
                Severity::Warning,
                "nothing that is done in Vault is written down".to_owned(),
            )],
            Ok(_) => Vec::new(),
            Err(error) => vec![finding(
                Severity::Note,
                format!("whether Vault has an audit device can't be told: {error}"),
            )],
        }
    }

    fn wanted(&self) -> Wanted {
        let document = &self.blueprint.environment.document;
        Wanted {
            lock: document.backups.lock,
            retention: document.backups.retention.map(|span| span.seconds()),
            logs: document.policy.log_retention.map(|span| span.seconds()),
        }
    }

    async fn backup_buckets(&self) -> Vec<Finding> {
        let wanted = self.wanted();
        let mut found = Vec::new();
        for source in &self.blueprint.resolved.backups {
            let place = match Place::open(&self.blueprint.resolved, source).await {
                Ok(place) => place,
                Err(failure) => {
                    found.push(unopened(&failure));
                    continue;
                }
            };
            let kept = place.archive.keeping().await;
            let bucket = place.archive.url("");
            let judge = Judge::of(&bucket, &kept).backups(&wanted).recorded();
            found.extend(judge.findings());
        }
        found
    }

    /// The generation's own, and where they say that requests are recorded.
    async fn data_buckets(&self, generation: &Generation, seen: &Inventory) -> Vec<Finding> {
        let wanted = self.wanted();
        let place = &self.blueprint.resolved.aws;
        let config = connection(
            &self.blueprint.resolved,
            &place.region,
            &place.s3_endpoint,
            &place.s3_profile,
        );
        let client = client(&config.load().await);
        let of_it = seen.objects.iter().filter(|object| {
            object.generation == *generation && object.address.qualified_kind() == "s3.bucket"
        });
        let mut found = Vec::new();
        for name in of_it.filter_map(|object| object.outputs.get("name")?.as_str()) {
            let store = Store::new(client.clone(), name);
            let kept = store.keeping().await;
            found.extend(Judge::of(store.url(""), &kept).recorded().findings());
            if let Ok(Some(logs)) = &kept.access_log {
                let logs = Store::new(client.clone(), logs.as_str());
                let kept = logs.keeping().await;
                found.extend(Judge::of(logs.url(""), &kept).logs(&wanted).findings());
            }
        }
        found
    }

    /// Those of evidence, and of locks and incidents.
    async fn buckets_around(&self) -> Vec<Finding> {
        let resolved = &self.blueprint.resolved;
        let kept = |store: Store| async move { (store.url(""), store.keeping().await) };
        let (url, keeping): (String, Keeping) = kept(control(resolved).await).await;
        let mut found = Judge::of(url, &keeping).control().findings();
        if let Some(evidence) = &resolved.evidence {
            let (url, keeping) = kept(store(resolved, &evidence.bucket).await).await;
            let judge = Judge::of(url, &keeping).evidence(evidence.retention);
            found.extend(judge.findings());
        }
        found
    }
}

fn unopened(failure: &Failure) -> Finding {
    Finding {
        severity: Severity::Note,
        code: "harden.backup-lock".to_owned(),
        subject: "backups".to_owned(),
        message: format!(
            "how a source holds backups can't be told: {}",
            failure.line()
        ),
        hint: "correct `backups.sources` in the environment".to_owned(),
    }
}
