//! From `--from-backup` to a pin: lists the sources, chooses, reads the chosen version once and verifies it.

use std::path::Path;
use std::sync::Arc;

use backup::catalogue::{Candidate, SelectError, Selector, select};
use backup::{Options, Pin, Verdict, Word, metadata};
use environment::schema::{BackupSource, Held};
use environment::{Environment, Resolved};
use planner::plan::PinnedBackup;
use provider_object_store::{Store, client};
use provider_seed::{ObjectStores, Stores};
use secrecy::SecretString;
use tokio_util::io::SyncIoBridge;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::session::connection;

/// More versions than a decade of hourly backups.
const MOST: usize = 100_000;

/// A backup that was read whole and found intact in this run, and where seeding reads it again.
pub type Pinned = provider_seed::Source;

/// One place with backups.
struct Place {
    store: Store,
    seeding: Arc<dyn provider_seed::Store>,
}

impl Place {
    async fn open(
        resolved: &Resolved,
        bucket: &str,
        region: &str,
        endpoint: &Option<String>,
        profile: &Option<String>,
    ) -> Self {
        let config = connection(resolved, region, endpoint, profile).load().await;
        Self {
            store: Store::new(client(&config), bucket),
            seeding: ObjectStores::new(&config).bucket(bucket),
        }
    }

    async fn verified(
        self,
        environment: &Environment,
        chosen: &Candidate,
        now: jiff::Timestamp,
    ) -> Result<Pinned, Failure> {
        let passphrase = match &environment.document.backups.key {
            Some(held) => Some(passphrase(held)?),
            None => None,
        };
        let pin = verified(&self.store, chosen, passphrase.clone(), now).await?;
        Ok(Pinned {
            store: Arc::new(self.store),
            key: chosen.key.clone(),
            pin,
            passphrase,
        })
    }
}

/// Resolves and verifies.
pub async fn pin(
    environment: &Environment,
    resolved: &Resolved,
    asked: &str,
    now: jiff::Timestamp,
    printer: &Printer,
) -> Result<Pinned, Failure> {
    let selector: Selector = asked.parse().map_err(|error| {
        Failure::of(format!("`{asked}` names no backup"), &error)
            .hint("give an id, `latest`, or `before:2026-11-20T14:00:00Z`")
    })?;
    let mut listed: Vec<(Place, Vec<Candidate>)> = Vec::new();
    for source in &resolved.backups {
        match source {
            BackupSource::S3 {
                bucket,
                prefix,
                region,
                endpoint,
                profile,
            } => {
                let place = Place::open(resolved, bucket, region, endpoint, profile).await;
                let objects = place.store.list(prefix, MOST).await.map_err(|error| {
                    hints::of_provider("s3", &error).hint(format!(
                        "the backups are to be in s3://{bucket}/{prefix}: `backups.sources` in {}",
                        environment.file()
                    ))
                })?;
                listed.push((place, objects.into_iter().filter_map(candidate).collect()));
            }
            BackupSource::Gcs { bucket, prefix } => {
                printer.warn(&format!("gs://{bucket}/{prefix} was not asked: Google Cloud Storage is not supported yet"));
            }
        }
    }
    let mut last = None;
    for (place, candidates) in listed {
        match select(&candidates, &selector) {
            Ok(chosen) => return place.verified(environment, chosen, now).await,
            Err(error) => last = Some(error),
        }
    }
    let failure = Failure::new(format!("no backup for `{asked}`"));
    Err(match last {
        Some(error @ SelectError::Unknown { .. }) => {
            Failure::of(format!("no backup for `{asked}`"), &error)
                .hint("`latest` takes the newest")
        }
        Some(error) => Failure::of(format!("no backup for `{asked}`"), &error)
            .hint("look at the bucket and prefix in `backups.sources`"),
        None => failure
            .because("no source could be asked")
            .hint("add an S3 source to `backups.sources`"),
    })
}

fn candidate(object: provider_object_store::Object) -> Option<Candidate> {
    if object.key.ends_with(metadata::SUFFIX) {
        return None;
    }
    Some(Candidate {
        last_modified: object.modified?,
        key: object.key,
        version_id: object.version,
        is_latest: object.latest,
        size: object.size,
        locked_until: None,
    })
}

/// Reads the very version that was pinned before, verifies it again, and sees that it is what it was.
pub async fn again(
    environment: &Environment,
    resolved: &Resolved,
    pin: &PinnedBackup,
    now: jiff::Timestamp,
) -> Result<Pinned, Failure> {
    let gone = |why: String| {
        Failure::new(format!("the pinned backup `{}` can't be read", pin.id))
            .because(why)
            .hint("plan again with a backup that is there")
    };
    let (bucket, key) = pin
        .location
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| gone(format!("`{}` is no place in an object store", pin.location)))?;
    for source in &resolved.backups {
        let BackupSource::S3 {
            bucket: named,
            region,
            endpoint,
            profile,
            ..
        } = source
        else {
            continue;
        };
        if named != bucket {
            continue;
        }
        let place = Place::open(resolved, bucket, region, endpoint, profile).await;
        let candidate = Candidate {
            key: key.to_owned(),
            version_id: pin.version.clone(),
            is_latest: false,
            size: pin.size,
            last_modified: pin.written,
            locked_until: None,
        };
        let found = place.verified(environment, &candidate, now).await?;
        return if found.pin == *pin {
            Ok(found)
        } else {
            Err(
                Failure::new(format!("the pinned backup `{}` is another one now", pin.id))
                    .because(format!(
                        "SHA-256 {} was pinned, {} is there",
                        pin.sha256, found.pin.sha256
                    ))
                    .hint("find out who changed it before relying on any backup in this bucket")
                    .exit(Exit::Rejected),
            )
        };
    }
    Err(gone(format!(
        "no source of the environment is the bucket `{bucket}`"
    )))
}

async fn verified(
    store: &Store,
    chosen: &Candidate,
    passphrase: Option<SecretString>,
    now: jiff::Timestamp,
) -> Result<PinnedBackup, Failure> {
    let location = format!("s3://{}/{}", store.bucket(), chosen.key);
    let version = chosen.version_id.as_deref();
    let mut options = Options::at(now.as_second());
    options.pin = Pin {
        bytes: Some(chosen.size),
        ..Pin::default()
    };
    options.passphrase = passphrase;
    let reader = store
        .get(&chosen.key, version, None)
        .await
        .map_err(|error| hints::of_provider("s3", &error))?;
    let beside = store
        .read(&format!("{}{}", chosen.key, metadata::SUFFIX), 128 << 10)
        .await
        .map_err(|error| hints::of_provider("s3", &error))?;
    // Verification blocks: it decompresses, hashes, and derives keys.
    let mut bridge = SyncIoBridge::new(reader);
    let outcome = tokio::task::spawn_blocking(move || backup::verify(&mut bridge, options))
        .await
        .map_err(|error| Failure::of(format!("{location} could not be checked"), &error))?;
    let mut verdict = outcome
        .map_err(|error| {
            Failure::of(format!("{location} could not be checked"), &error)
                .hint("run the same command again; an encrypted backup needs `backups.key` in the environment")
        })?
        .verdict;
    let name = chosen.key.rsplit('/').next().unwrap_or(&chosen.key);
    let findings = metadata::check(
        name,
        beside.as_ref().map(|(bytes, _)| bytes.as_ref()),
        &verdict,
    );
    verdict.extend(findings);
    refuse(&location, &verdict)?;
    Ok(PinnedBackup {
        id: chosen.id(),
        location,
        version: chosen.version_id.clone(),
        size: verdict.bytes,
        sha256: verdict.sha256,
        format: "natlangchain".to_owned(),
        head: verdict.head.unwrap_or_default(),
        blocks: verdict.blocks,
        entries: verdict.entries,
        written: chosen.last_modified,
    })
}

/// No intact backup, no plan.
fn refuse(location: &str, verdict: &Verdict) -> Result<(), Failure> {
    let exit = match verdict.verdict {
        Word::Intact => return Ok(()),
        Word::Suspect => Exit::Refused,
        Word::Rejected => Exit::Rejected,
    };
    let mut failure =
        Failure::new(format!("{location} is {}", verdict.verdict.as_str())).exit(exit);
    for finding in verdict.findings.iter().take(5) {
        failure = failure.because(format!("{} [{}]", finding.message, finding.code.as_str()));
    }
    Err(failure.hint("take another backup: `before:TIME` names the newest one from before a time"))
}

/// A secret that is given to us, without its last line break.
pub fn passphrase(held: &Held) -> Result<SecretString, Failure> {
    let text = match held {
        Held::Env(name) => std::env::var(name).map_err(|error| {
            Failure::of(
                format!("the environment variable `{name}` can't be read"),
                &error,
            )
            .hint(format!("set {name} for this command"))
        })?,
        Held::File(path) => read(path)?,
    };
    Ok(SecretString::from(
        text.trim_end_matches(['\n', '\r']).to_owned(),
    ))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::of(format!("`{}` can't be read", path.display()), &error))
}
