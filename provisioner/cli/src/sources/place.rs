//! The sources of an environment, and what they list.

use std::sync::Arc;

use backup::catalogue::{Candidate, Lock};
use backup::metadata;
use environment::Resolved;
use environment::schema::BackupSource;
use provider_object_store::{Archive, Gcs, GcsSettings, Store, client};

use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::session::connection;

/// More versions than a decade of hourly backups.
const MOST: usize = 100_000;

/// One source. Its candidates are called by their whole address, so that those of several clouds can stand side by side.
#[derive(Clone)]
pub struct Place {
    /// What is asked of it.
    pub archive: Arc<dyn Archive>,
    /// `s3://BUCKET/`.
    root: String,
    prefix: String,
}

impl Place {
    /// A place of an environment's document.
    pub async fn open(resolved: &Resolved, source: &BackupSource) -> Result<Self, Failure> {
        match source {
            BackupSource::S3 {
                bucket,
                prefix,
                region,
                endpoint,
                profile,
            } => {
                let config = connection(resolved, region, endpoint, profile).load().await;
                let store = Store::new(client(&config), bucket.as_str());
                Ok(Self::new(Arc::new(store), prefix))
            }
            BackupSource::Gcs {
                bucket,
                prefix,
                endpoint,
            } => Self::gcs(bucket, prefix, endpoint.clone()),
        }
    }

    /// A bucket of Google Cloud Storage.
    pub fn gcs(bucket: &str, prefix: &str, endpoint: Option<String>) -> Result<Self, Failure> {
        let settings = GcsSettings {
            bucket: bucket.to_owned(),
            endpoint,
        };
        let archive = Gcs::connect(&settings).map_err(|error| hints::of_provider("gcs", &error))?;
        Ok(Self::new(Arc::new(archive), prefix))
    }

    /// A place of which nothing but keys below `prefix` is asked.
    pub fn new(archive: Arc<dyn Archive>, prefix: &str) -> Self {
        Self {
            root: archive.url(""),
            prefix: prefix.to_owned(),
            archive,
        }
    }

    /// Where its backups are.
    pub fn url(&self) -> String {
        format!("{}{}", self.root, self.prefix)
    }

    /// The key of an address in this bucket.
    pub fn key<'a>(&self, address: &'a str) -> Option<&'a str> {
        address.strip_prefix(&self.root)
    }

    /// How it is called in hints.
    pub fn provider(&self) -> &'static str {
        if self.root.starts_with("gs:") {
            "gcs"
        } else {
            "s3"
        }
    }

    /// Every version of every backup below the prefix.
    pub async fn list(&self) -> Result<Vec<Candidate>, Failure> {
        let objects = self
            .archive
            .list(&self.prefix, MOST)
            .await
            .map_err(|error| hints::of_provider(self.provider(), &error))?;
        Ok(objects
            .into_iter()
            .filter(|object| !object.key.ends_with(metadata::SUFFIX))
            .filter_map(|object| {
                Some(Candidate {
                    key: self.archive.url(&object.key),
                    version_id: object.version,
                    is_latest: object.latest,
                    size: object.size,
                    last_modified: object.modified?,
                    locked_until: None,
                })
            })
            .collect())
    }

    /// One version, or the latest, as a listing would report it; `None` when it is not there.
    pub async fn look(
        &self,
        address: &str,
        version: Option<&str>,
    ) -> Result<Option<(Candidate, Lock)>, Failure> {
        let Some(key) = self.key(address) else {
            return Ok(None);
        };
        let found = self
            .archive
            .look(key, version)
            .await
            .map_err(|error| hints::of_provider(self.provider(), &error))?;
        Ok(found.map(|(object, lock)| {
            let candidate = Candidate {
                key: address.to_owned(),
                version_id: object.version,
                is_latest: object.latest,
                size: object.size,
                last_modified: object.modified.unwrap_or_default(),
                locked_until: None,
            };
            (candidate, held(lock))
        }))
    }
}

fn held(lock: provider_object_store::Lock) -> Lock {
    use provider_object_store::Lock as Seen;
    match lock {
        Seen::None => Lock::None,
        Seen::Governance(until) => Lock::Governance { until },
        Seen::Compliance(until) => Lock::Compliance { until },
        Seen::Hold => Lock::LegalHold,
    }
}

/// A backup in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Position of its place.
    pub place: usize,
    /// The backup, by its whole address.
    pub candidate: Candidate,
}

/// All sources that could be asked, and what they hold.
pub struct Sources {
    /// The places, as the environment orders them.
    pub places: Vec<Place>,
    /// Everything listed.
    pub listed: Vec<Listed>,
    /// Sources that could not be asked, and why.
    pub silent: Vec<Failure>,
}

impl Sources {
    /// Opens and lists every source at once. One that does not answer is warned of; the others go on without it.
    ///
    /// # Errors
    /// When none answers: the failure of the first.
    pub async fn list(resolved: &Resolved, printer: &Printer) -> Result<Self, Failure> {
        let asked = resolved.backups.iter().map(|source| async move {
            let place = Place::open(resolved, source).await?;
            let listed = place.list().await.map_err(|failure| {
                failure.hint(format!(
                    "the backups are to be in {}: see `backups.sources` of the environment",
                    place.url()
                ))
            })?;
            Ok::<_, Failure>((place, listed))
        });
        let mut sources = Self {
            places: Vec::new(),
            listed: Vec::new(),
            silent: Vec::new(),
        };
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok((place, listed)) => {
                    let number = sources.places.len();
                    sources.places.push(place);
                    sources
                        .listed
                        .extend(listed.into_iter().map(|candidate| Listed {
                            place: number,
                            candidate,
                        }));
                }
                Err(failure) => sources.silent.push(failure),
            }
        }
        if sources.places.is_empty() {
            return Err(sources.silent.into_iter().next().unwrap_or_else(|| {
                Failure::new("no backups can be listed")
                    .because("the environment names no source")
                    .hint("add an S3 source to `backups.sources`")
            }));
        }
        for failure in &sources.silent {
            printer.warn(&format!(
                "{}: {}; going on without it",
                failure.message,
                failure.causes.join(": ")
            ));
        }
        Ok(sources)
    }

    /// These backups, at the sources they belong to.
    pub async fn of(resolved: &Resolved, candidates: Vec<Candidate>) -> Result<Self, Failure> {
        let mut places = Vec::new();
        for source in &resolved.backups {
            places.push(Place::open(resolved, source).await?);
        }
        let mut listed = Vec::new();
        for candidate in candidates {
            let place = places
                .iter()
                .position(|place| place.key(&candidate.key).is_some())
                .ok_or_else(|| {
                    Failure::new(format!("{} can't be read", candidate.key))
                        .because("it is at none of the sources of the environment")
                })?;
            listed.push(Listed { place, candidate });
        }
        Ok(Self {
            places,
            listed,
            silent: Vec::new(),
        })
    }

    /// The place of a listed backup.
    pub fn place(&self, position: usize) -> &Place {
        &self.places[self.listed[position].place]
    }

    /// A listed backup.
    pub fn candidate(&self, position: usize) -> &Candidate {
        &self.listed[position].candidate
    }

    /// Backups with the same name and size at other places.
    pub fn copies(&self, name: &str, size: u64, but: usize) -> Vec<usize> {
        let file = |key: &str| key.rsplit('/').next().unwrap_or(key).to_owned();
        let wanted = file(name);
        (0..self.listed.len())
            .filter(|&position| {
                let Listed { place, candidate } = &self.listed[position];
                *place != but
                    && candidate.is_latest
                    && candidate.size == size
                    && file(&candidate.key) == wanted
            })
            .collect()
    }
}
