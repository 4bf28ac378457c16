//! What `rebuild backups verify` is pointed at: a file, stdin, an object, or a backup's id.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::catalogue::{Candidate, Selector, select};
use backup::{Options, Verified, metadata};
use environment::schema::BackupSource;
use jiff::Timestamp;
use provider_aws::Connection;
use provider_object_store::{Store, client};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::{Blueprint, connection};
use crate::sources::place::{Place, Sources};
use crate::sources::read::{self, LONGEST_METADATA, unchecked};

/// One backup, wherever it is.
pub enum Input {
    /// Can be read once.
    Stdin,
    /// A file.
    File(PathBuf),
    /// One version of an object.
    Stored {
        /// Its bucket.
        place: Place,
        /// The version.
        candidate: Candidate,
    },
}

impl Input {
    /// Finds out what a text points at.
    pub async fn find(
        text: &str,
        blueprint: Option<&Blueprint>,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        if text == "-" {
            return Ok(Self::Stdin);
        }
        if text.starts_with("s3://") || text.starts_with("gs://") {
            return object(text, blueprint).await;
        }
        let path = Path::new(text);
        match blueprint {
            Some(blueprint) if !path.exists() => {
                let selector: Selector = text.parse().map_err(|error| {
                    Failure::of(format!("`{text}` names no backup"), &error)
                        .hint("give a file, a URL, or the id of a backup")
                })?;
                let sources = Sources::list(&blueprint.resolved, printer).await?;
                let mut last = None;
                for (number, place) in sources.places.iter().enumerate() {
                    let listed = sources
                        .listed
                        .iter()
                        .filter(|listed| listed.place == number);
                    let candidates: Vec<Candidate> =
                        listed.map(|listed| listed.candidate.clone()).collect();
                    match select(&candidates, &selector) {
                        Ok(candidate) => {
                            return Ok(Self::Stored {
                                place: place.clone(),
                                candidate: candidate.clone(),
                            });
                        }
                        Err(error) => last = Some(error),
                    }
                }
                let failure = Failure::new(format!("no file and no backup is called `{text}`"));
                Err(match last {
                    Some(error) => failure.because(error.to_string()),
                    None => failure,
                }
                .hint("`rebuild backups list` shows all"))
            }
            _ => Ok(Self::File(path.to_path_buf())),
        }
    }

    /// How it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Stored { candidate, .. } => match &candidate.version_id {
                Some(version) => format!("{}@{version}", candidate.key),
                None => candidate.key.clone(),
            },
        }
    }

    /// As a listing would report it.
    pub fn candidate(&self) -> Candidate {
        match self {
            Self::Stored { candidate, .. } => candidate.clone(),
            Self::Stdin | Self::File(_) => Candidate {
                key: self.name(),
                version_id: None,
                is_latest: true,
                size: 0,
                last_modified: Timestamp::UNIX_EPOCH,
                locked_until: None,
            },
        }
    }

    /// Reads and verifies it, with the metadata file beside it where there is one.
    pub async fn read(&self, options: Options) -> Result<Verified, Failure> {
        let path = match self {
            Self::Stored { place, candidate } => {
                return read::read(place, candidate, options).await;
            }
            Self::Stdin => None,
            Self::File(path) => Some(path.clone()),
        };
        let name = self.name();
        let of_task = name.clone();
        // Reading a file and verifying it block.
        tokio::task::spawn_blocking(move || match path {
            None => backup::verify(&mut std::io::stdin().lock(), options)
                .map_err(|error| unchecked(&of_task, &error)),
            Some(path) => of_file(&path, options),
        })
        .await
        .map_err(|error| Failure::of(format!("`{name}` could not be checked"), &error))?
    }
}

fn of_file(path: &Path, options: Options) -> Result<Verified, Failure> {
    let name = path.display().to_string();
    let mut file =
        File::open(path).map_err(|error| Failure::of(format!("`{name}` can't be read"), &error))?;
    let mut verified =
        backup::verify(&mut file, options).map_err(|error| unchecked(&name, &error))?;
    let findings = beside(path, &verified)?;
    verified.verdict.extend(findings);
    Ok(verified)
}

/// Cross-checks the metadata file beside the backup, which every backup of the manager has.
fn beside(path: &Path, verified: &Verified) -> Result<Vec<backup::Finding>, Failure> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    if backup::catalogue::BackupName::parse(name).is_none() {
        return Ok(Vec::new());
    }
    let file = path.with_file_name(format!("{name}{}", metadata::SUFFIX));
    let unreadable =
        |error: &std::io::Error| Failure::of(format!("`{}` can't be read", file.display()), error);
    let mut bytes = Vec::new();
    let found = match File::open(&file) {
        Ok(open) => {
            open.take(LONGEST_METADATA)
                .read_to_end(&mut bytes)
                .map_err(|error| unreadable(&error))?;
            Some(bytes.as_slice())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&error)),
    };
    Ok(metadata::check(name, found, &verified.verdict))
}

/// An object by its URL; a version follows after `@`.
async fn object(url: &str, blueprint: Option<&Blueprint>) -> Result<Input, Failure> {
    let malformed = || {
        Failure::new(format!("`{url}` names no object"))
            .hint("give s3://BUCKET/KEY, gs://BUCKET/KEY, or either with @VERSION")
    };
    let (address, version) = match url.rsplit_once('@') {
        Some((address, version)) if !version.is_empty() => (address, Some(version)),
        _ => (url, None),
    };
    let (scheme, rest) = address.split_once("://").ok_or_else(malformed)?;
    let (bucket, key) = rest.split_once('/').ok_or_else(malformed)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(malformed());
    }
    let place = bucket_at(scheme, bucket, blueprint).await?;
    let found = place.look(address, version).await?;
    let (candidate, _) = found.ok_or_else(|| {
        Failure::new(format!("there is no {url}"))
            .hint("`rebuild backups list --env NAME` shows what there is")
    })?;
    Ok(Input::Stored { place, candidate })
}

/// A bucket: as a source of the environment describes it, else with the environment's access to its object store, else with
/// what AWS's own variables and files say.
async fn bucket_at(
    scheme: &str,
    bucket: &str,
    blueprint: Option<&Blueprint>,
) -> Result<Place, Failure> {
    if let Some(blueprint) = blueprint {
        for source in &blueprint.resolved.backups {
            let fits = match source {
                BackupSource::S3 { bucket: named, .. } => scheme == "s3" && named == bucket,
                BackupSource::Gcs { bucket: named, .. } => scheme == "gs" && named == bucket,
            };
            if fits {
                return Place::open(&blueprint.resolved, source).await;
            }
        }
    }
    if scheme == "gs" {
        return Place::gcs(bucket, "", None);
    }
    let connection = match blueprint.map(|blueprint| &blueprint.resolved) {
        Some(resolved) => connection(
            resolved,
            &resolved.aws.region,
            &resolved.aws.s3_endpoint,
            &resolved.aws.s3_profile,
        ),
        None => Connection {
            region: ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .unwrap_or_else(|| "us-east-1".to_owned()),
            endpoint_url: None,
            profile: None,
            config_file: None,
            credentials_file: None,
            keys: None,
        },
    };
    let store = Store::new(client(&connection.load().await), bucket);
    Ok(Place::new(Arc::new(store), ""))
}
