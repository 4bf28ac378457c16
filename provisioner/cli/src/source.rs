//! From `--from-backup` to a pin: lists the sources, chooses, reads the chosen version once and verifies it.

use std::path::Path;

use backup::catalogue::{Candidate, SelectError, Selector, select};
use backup::{Options, Pin, Verdict, Word, metadata};
use environment::schema::{BackupSource, Held};
use environment::{Environment, Resolved};
use planner::plan::PinnedBackup;
use provider_aws::Connection;
use provider_object_store::{Store, client};
use secrecy::SecretString;
use tokio_util::io::SyncIoBridge;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;

/// More versions than a decade of hourly backups.
const MOST: usize = 100_000;

/// A backup that was read whole and found intact.
pub struct Pinned {
    /// What the plan says of it.
    pub pin: PinnedBackup,
    /// Where to read it again.
    pub store: Store,
    /// Its key there.
    pub key: String,
}

/// Resolves and verifies.
pub async fn pin(environment: &Environment, resolved: &Resolved, asked: &str, now: jiff::Timestamp, printer: &Printer) -> Result<Pinned, Failure> {
    let selector: Selector = asked
        .parse()
        .map_err(|error| Failure::of(format!("`{asked}` names no backup"), &error).hint("give an id, `latest`, or `before:2026-11-20T14:00:00Z`"))?;
    let mut listed: Vec<(Store, Vec<Candidate>)> = Vec::new();
    for source in &resolved.backups {
        match source {
            BackupSource::S3 { bucket, prefix, region, endpoint, profile } => {
                let store = Store::new(client(&connection(resolved, region, endpoint, profile).load().await), bucket.as_str());
                let objects = store.list(prefix, MOST).await.map_err(|error| {
                    hints::of_provider("s3", &error).hint(format!("the backups are to be in s3://{bucket}/{prefix}: `backups.sources` in {}", environment.file()))
                })?;
                listed.push((store, objects.into_iter().filter_map(candidate).collect()));
            }
            BackupSource::Gcs { bucket, prefix } => {
                printer.warn(&format!("gs://{bucket}/{prefix} was not asked: Google Cloud Storage is not supported yet"));
            }
        }
    }
    let mut last = None;
    for (store, candidates) in listed {
        match select(&candidates, &selector) {
            Ok(chosen) => {
                let chosen = chosen.clone();
                let pin = verified(environment, &store, &chosen, now).await?;
                return Ok(Pinned { pin, store, key: chosen.key });
            }
            Err(error) => last = Some(error),
        }
    }
    let failure = Failure::new(format!("no backup for `{asked}`"));
    Err(match last {
        Some(error @ SelectError::Unknown { .. }) => Failure::of(format!("no backup for `{asked}`"), &error).hint("`latest` takes the newest"),
        Some(error) => Failure::of(format!("no backup for `{asked}`"), &error).hint("look at the bucket and prefix in `backups.sources`"),
        None => failure.because("no source could be asked").hint("add an S3 source to `backups.sources`"),
    })
}

/// How a source is reached: with its own profile, from the files of the environment's place.
fn connection(resolved: &Resolved, region: &str, endpoint: &Option<String>, profile: &Option<String>) -> Connection {
    Connection {
        region: region.to_owned(),
        endpoint_url: endpoint.clone(),
        profile: profile.clone(),
        config_file: resolved.aws.files.as_ref().map(|(config, _)| config.clone()),
        credentials_file: resolved.aws.files.as_ref().map(|(_, credentials)| credentials.clone()),
        keys: None,
    }
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

async fn verified(environment: &Environment, store: &Store, chosen: &Candidate, now: jiff::Timestamp) -> Result<PinnedBackup, Failure> {
    let location = format!("s3://{}/{}", store.bucket(), chosen.key);
    let version = chosen.version_id.as_deref();
    let mut options = Options::at(now.as_second());
    options.pin = Pin { bytes: Some(chosen.size), ..Pin::default() };
    if let Some(held) = &environment.document.backups.key {
        options.passphrase = Some(passphrase(held)?);
    }
    let reader = store.get(&chosen.key, version, None).await.map_err(|error| hints::of_provider("s3", &error))?;
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
    let findings = metadata::check(name, beside.as_ref().map(|(bytes, _)| bytes.as_ref()), &verdict);
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
    let mut failure = Failure::new(format!("{location} is {}", verdict.verdict.as_str())).exit(exit);
    for finding in verdict.findings.iter().take(5) {
        failure = failure.because(format!("{} [{}]", finding.message, finding.code.as_str()));
    }
    Err(failure.hint("take another backup: `before:TIME` names the newest one from before a time"))
}

/// A secret that is given to us, without its last line break.
pub fn passphrase(held: &Held) -> Result<SecretString, Failure> {
    let text = match held {
        Held::Env(name) => std::env::var(name).map_err(|error| {
            Failure::of(format!("the environment variable `{name}` can't be read"), &error).hint(format!("set {name} for this command"))
        })?,
        Held::File(path) => read(path)?,
    };
    Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::of(format!("`{}` can't be read", path.display()), &error))
}
