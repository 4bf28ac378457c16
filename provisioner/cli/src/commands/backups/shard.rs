//! One share of the backups that `--on-cluster` hands out: what a pod does.
//!
//! In the control bucket, under `rebuild/ENVIRONMENT/verify/RUN/`, the run's coordinator leaves the list of backups to read, and each pod
//! leaves what it found: an index signed with a key of that run alone.

use std::cmp::Reverse;

use backup::catalogue::Candidate;
use backup::lineage::{Index, IndexKey};
use provider_object_store::{Put, Store};
use serde::{Deserialize, Serialize};

use crate::args::{GlobalArgs, VerifyCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::session;
use crate::sources::secret;
use crate::sources::survey::Survey;

/// Larger than the list of a hundred thousand backups, and than what is found of them.
const LARGEST: u64 = 64 << 20;
/// The variable that holds the run's key, 64 hex digits.
pub const KEY: &str = "REBUILD_RUN_KEY";
/// The variable in which the Job controller tells a pod its number (Kubernetes, *Indexed Job*).
const NUMBER: &str = "JOB_COMPLETION_INDEX";

/// What is to be read, by how many.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// Into how many shares the backups are divided.
    pub shards: u32,
    /// The backups.
    pub backups: Vec<Candidate>,
}

impl Work {
    /// The backups of one share. Large ones are dealt out first, each to the share that has least, so that all end at about
    /// the same time.
    pub fn share(&self, number: u32) -> Vec<Candidate> {
        let mut order: Vec<&Candidate> = self.backups.iter().collect();
        order.sort_by_key(|backup| (Reverse(backup.size), &backup.key, &backup.version_id));
        let mut loads = vec![0_u64; self.shards as usize];
        let mut share = Vec::new();
        for backup in order {
            let Some(least) = (0..loads.len()).min_by_key(|&at| (loads[at], at)) else {
                break;
            };
            // Opening one takes time however small it is.
            loads[least] += backup.size.max(1);
            if least == number as usize {
                share.push(backup.clone());
            }
        }
        share
    }
}

/// Where a run's objects are in the control bucket.
pub struct Exchange {
    store: Store,
    folder: String,
}

impl Exchange {
    /// Those of one run.
    pub fn new(store: Store, environment: &str, run: &str) -> Self {
        Self {
            store,
            folder: format!("rebuild/{environment}/verify/{run}"),
        }
    }

    /// Leaves the work.
    pub async fn hand_out(&self, work: &Work) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(work)
            .map_err(|error| Failure::of("the work can't be written down", &error))?;
        self.put("work.json", bytes).await
    }

    /// Takes the work.
    async fn work(&self) -> Result<Work, Failure> {
        let bytes = self.read("work.json").await?.ok_or_else(|| {
            Failure::new(format!(
                "there is no s3://{}/{}/work.json",
                self.store.bucket(),
                self.folder
            ))
            .hint("such a run is started with `rebuild backups verify --all --on-cluster`")
        })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure::of("the work can't be understood", &error))
    }

    /// Leaves what a share found.
    async fn hand_in(&self, number: u32, index: &mut Index, key: &IndexKey) -> Result<(), Failure> {
        self.put(&format!("found-{number}.json"), index.seal(key))
            .await
    }

    /// What a share found; nothing when it has not ended yet.
    pub async fn found(&self, number: u32, key: &IndexKey) -> Result<Option<Index>, Failure> {
        let name = format!("found-{number}.json");
        let Some(bytes) = self.read(&name).await? else {
            return Ok(None);
        };
        Index::open(&bytes, &key.public(), 0)
            .map(Some)
            .map_err(|error| {
                Failure::of(
                    format!(
                        "s3://{}/{}/{name} is not what a pod of this run found",
                        self.store.bucket(),
                        self.folder
                    ),
                    &error,
                )
                .hint("find out who can write to the control bucket; without --on-cluster nobody else is asked")
            })
    }

    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let how = Put {
            content_type: Some("application/json".to_owned()),
            ..Put::default()
        };
        self.store
            .put(&format!("{}/{name}", self.folder), bytes.as_slice(), &how)
            .await
            .map(drop)
            .map_err(|error| hints::of_provider("s3", &error))
    }

    async fn read(&self, name: &str) -> Result<Option<bytes::Bytes>, Failure> {
        let found = self
            .store
            .read(&format!("{}/{name}", self.folder), LARGEST)
            .await
            .map_err(|error| hints::of_provider("s3", &error))?;
        Ok(found.map(|(bytes, _)| bytes))
    }
}

/// A key from its hex digits.
pub fn key(text: &str) -> Result<IndexKey, Failure> {
    let mut seed = [0_u8; 32];
    hex::decode_to_slice(text, &mut seed)
        .map_err(|error| Failure::of(format!("{KEY} holds no key"), &error))?;
    Ok(IndexKey::from_seed(&seed))
}

/// Reads one share and hands in what was found. What could not be read is left out: the coordinator reads it itself.
pub async fn run(
    command: VerifyCommand,
    global: &GlobalArgs,
    printer: &Printer,
) -> Result<Exit, Failure> {
    use secrecy::ExposeSecret;
    let key = key(secret::variable(KEY)?.expose_secret())?;
    let number: u32 = std::env::var(NUMBER)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Failure::new(format!("{NUMBER} holds no number")))?;
    let blueprint = super::blueprint(command.env.as_deref().unwrap_or(""), global, printer).await?;
    let environment = &blueprint.environment;
    let run = command.run.as_deref().unwrap_or("");
    let control = session::control(&blueprint.resolved).await;
    let exchange = Exchange::new(control, environment.name(), run);
    let share = exchange.work().await?.share(number);
    let now = jiff::Timestamp::now();
    let mut survey = Survey::over(environment, &blueprint.resolved, share, now, printer).await?;
    let unread = survey.unread();
    survey
        .read(
            unread,
            super::budget(command.budget),
            &mut |candidate, outcome| match outcome {
                Ok(word) => printer.note(&format!("{}: {}", candidate.key, word.as_str())),
                Err(failure) => printer.warn(&failure.line()),
            },
        )
        .await?;
    let mut found = Index::default();
    for position in 0..survey.sources.listed.len() {
        if let Some(record) = survey.record(position) {
            found.insert(record.clone());
        }
    }
    exchange.hand_in(number, &mut found, &key).await?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(sizes: &[u64], shards: u32) -> Work {
        let backups = sizes.iter().enumerate().map(|(number, &size)| Candidate {
            key: format!("s3://b/{number}"),
            version_id: None,
            is_latest: true,
            size,
            last_modified: jiff::Timestamp::UNIX_EPOCH,
            locked_until: None,
        });
        Work {
            shards,
            backups: backups.collect(),
        }
    }

    #[test]
    fn every_backup_is_in_one_share_and_the_shares_are_even() {
        let work = work(&[900, 500, 400, 300, 200, 100, 0, 0, 0], 3);
        let shares: Vec<Vec<Candidate>> = (0..3).map(|number| work.share(number)).collect();
        let mut all: Vec<&str> = shares
            .iter()
            .flatten()
            .map(|one| one.key.as_str())
            .collect();
        all.sort_unstable();
        assert_eq!(all.len(), 9);
        all.dedup();
        assert_eq!(all.len(), 9);
        let loads: Vec<u64> = shares
            .iter()
            .map(|share| share.iter().map(|one| one.size).sum())
            .collect();
        assert_eq!(loads, [900, 800, 700]);
        assert!(work.share(3).is_empty());
    }

    #[test]
    fn more_shares_than_backups_leave_some_empty() {
        let work = work(&[5], 2);
        assert_eq!(work.share(0).len(), 1);
        assert!(work.share(1).is_empty());
    }
}
