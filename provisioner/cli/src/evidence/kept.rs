//! The bucket that evidence is kept in: putting bundles there, listing and verifying them.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use approval::Fingerprint;
use environment::{EvidenceLock, EvidencePlace};
use evidence::{Bundle, Kind, LARGEST_MANIFEST, Listed, MANIFEST, Manifest, Problem, Verified};
use executor::provider::Error;
use futures::{StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use provider_object_store::{Lock, Put, Retain, Store};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio_util::io::SyncIoBridge;

use crate::failure::Failure;
use crate::session::Blueprint;
use crate::{hints, session};

/// Objects of all bundles of an environment, and of one.
const MOST: usize = 1_000_000;
/// Objects that are put or asked for at once.
const AT_ONCE: usize = 8;

/// The bundles of one environment in their bucket.
pub struct Kept {
    store: Store,
    place: EvidencePlace,
    environment: String,
}

/// What a check of a bundle came to.
pub struct Checked {
    /// The bundle as it is, or everything that is the matter with it.
    pub verified: Result<Verified, Vec<Problem>>,
    /// Objects that can be deleted now.
    pub unheld: Vec<String>,
}

/// A bundle as its manifest tells, which is not verified.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Its id: the time it was begun.
    pub id: String,
    /// The generations that it says it is about; none when it has no manifest.
    pub generations: Vec<String>,
    /// When it says it was begun.
    pub created: Option<Timestamp>,
    /// Things in it, missing ones included.
    pub entries: usize,
    /// Things that are missing.
    pub missing: usize,
}

impl Kept {
    /// The environment's bucket; nothing is asked yet.
    ///
    /// # Errors
    /// When the environment has none.
    pub async fn open(blueprint: &Blueprint) -> Result<Self, Failure> {
        let Some(place) = blueprint.resolved.evidence.clone() else {
            return Err(Failure::new(format!(
                "`{}` says of no bucket that evidence is kept in",
                blueprint.environment.name()
            ))
            .hint(format!(
                "add `evidence: {{bucket, region, retention}}` to {}: a bucket with Object Lock, in another account",
                blueprint.environment.file()
            )));
        };
        Ok(Self {
            store: session::store(&blueprint.resolved, &place.bucket).await,
            place,
            environment: blueprint.environment.name().to_owned(),
        })
    }

    fn root(&self) -> String {
        format!("{}{}/", self.place.prefix, self.environment)
    }

    fn folder(&self, id: &str) -> String {
        format!("{}{id}/", self.root())
    }

    /// Where a bundle is, for people.
    pub fn url(&self, id: &str) -> String {
        format!("s3://{}/{}", self.store.bucket(), self.folder(id))
    }

    fn failed(&self, what: &str, error: &Error) -> Failure {
        Failure::of(format!("{what} in `{}`", self.store.bucket()), error).hint(format!(
            "correct `evidence` in the environment's file, or see who we are there; {}",
            hints::provider("s3", error.kind)
        ))
    }

    /// Copies a sealed bundle there, the manifest last, each object held from the beginning.
    pub async fn put(&self, id: &str, folder: &Path) -> Result<Timestamp, Failure> {
        let files = evidence::upload_order(folder)
            .map_err(|error| Failure::of("the bundle can't be read", &error))?;
        let until = Timestamp::now()
            .checked_add(SignedDuration::from_secs(i64::from(self.place.retention)))
            .map_err(|error| Failure::of("the retention can't be used", &error))?;
        let how = Put {
            content_type: Some("application/octet-stream".to_owned()),
            if_absent: true,
            retain: Some(Retain {
                until,
                compliance: self.place.lock == EvidenceLock::Compliance,
            }),
            ..Put::default()
        };
        let one = |name: String, path: std::path::PathBuf| {
            let (key, how) = (format!("{}{name}", self.folder(id)), &how);
            async move {
                let unread = |error: &io::Error| {
                    Failure::of(format!("`{}` can't be read", path.display()), error)
                };
                let file = tokio::fs::File::open(&path)
                    .await
                    .map_err(|error| unread(&error))?;
                self.store
                    .put(&key, file, how)
                    .await
                    .map(drop)
                    .map_err(|error| self.failed("the bundle can't be kept", &error))
            }
        };
        // Signature and manifest: nothing is a bundle before everything in it is there.
        let last = files.len().saturating_sub(2);
        let (entries, ends) = files.split_at(last);
        futures::stream::iter(entries.to_vec())
            .map(|(name, path)| one(name, path))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        for (name, path) in ends.iter().cloned() {
            one(name, path).await?;
        }
        Ok(until)
    }

    /// Ids of the bundles, the newest first.
    pub async fn ids(&self) -> Result<Vec<String>, Failure> {
        let root = self.root();
        let listed = self
            .store
            .list(&root, MOST)
            .await
            .map_err(|error| self.failed("evidence can't be listed", &error))?;
        let mut ids: Vec<String> = listed
            .iter()
            .filter_map(|object| Some(object.key.strip_prefix(&root)?.split_once('/')?.0))
            .map(str::to_owned)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.reverse();
        Ok(ids)
    }

    /// What a bundle's manifest tells, unverified.
    pub async fn show(&self, id: &str) -> Result<Shown, Failure> {
        let mut shown = Shown {
            id: id.to_owned(),
            generations: Vec::new(),
            created: None,
            entries: 0,
            missing: 0,
        };
        let bundle = self.bundle(id).await?;
        let Some(version) = bundle.versions.get(MANIFEST) else {
            return Ok(shown);
        };
        let size = usize::try_from(version.1).unwrap_or(usize::MAX);
        if size as u64 > LARGEST_MANIFEST {
            return Ok(shown);
        }
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            bundle
                .open(MANIFEST)?
                .take(LARGEST_MANIFEST)
                .read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        });
        let bytes = read
            .await
            .map_err(|error| Failure::of("the manifest can't be read", &error))?
            .map_err(|error| Failure::of("the manifest can't be read", &error))?;
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
            shown.created = Some(manifest.created);
            shown.entries = manifest.entries.len();
            shown.missing = manifest
                .entries
                .iter()
                .filter(|entry| entry.missing.is_some())
                .count();
            shown.generations = manifest.generations;
        }
        Ok(shown)
    }

    /// Reads a bundle whole, and asks whether everything in it is held.
    pub async fn check(&self, id: &str, trusted: Fingerprint) -> Result<Checked, Failure> {
        let bundle = self.bundle(id).await?;
        let now = Timestamp::now();
        let held = futures::stream::iter(bundle.versions.clone())
            .map(|(name, (version, _))| async move {
                let key = format!("{}{name}", self.folder(id));
                let head = self
                    .store
                    .head(&key, version.as_deref())
                    .await
                    .map_err(|error| self.failed("evidence can't be looked at", &error))?;
                let held = head.is_some_and(|head| match head.lock {
                    Lock::Compliance(until) | Lock::Governance(until) => until > now,
                    Lock::Hold => true,
                    Lock::None => false,
                });
                Ok::<_, Failure>((!held).then_some(name))
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let verified =
            tokio::task::spawn_blocking(move || evidence::verify(&bundle, &trusted)).await;
        Ok(Checked {
            verified: verified
                .map_err(|error| Failure::of("the bundle can't be verified", &error))?,
            unheld: held.into_iter().flatten().collect(),
        })
    }

    async fn bundle(&self, id: &str) -> Result<Remote, Failure> {
        let folder = self.folder(id);
        let listed = self
            .store
            .list(&folder, MOST)
            .await
            .map_err(|error| self.failed("evidence can't be listed", &error))?;
        let mut versions = BTreeMap::new();
        for object in listed {
            if let Some(name) = object.key.strip_prefix(&folder) {
                // Newest first, so the oldest of a name stays: ours, for it was put where nothing was and is held since. What somebody puts
                // over it, or a delete marker, hides it from nobody who looks at versions.
                versions.insert(name.to_owned(), (object.version, object.size));
            }
        }
        Ok(Remote {
            store: self.store.clone(),
            folder,
            versions,
            handle: Handle::current(),
        })
    }
}

/// A bundle in the bucket, for the verification, which reads as from files.
struct Remote {
    store: Store,
    folder: String,
    /// Version and size by name.
    versions: BTreeMap<String, (Option<String>, u64)>,
    handle: Handle,
}

impl Bundle for Remote {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let listed = self.versions.iter().map(|(name, (_, size))| Listed {
            name: name.clone(),
            kind: Kind::File,
            size: *size,
        });
        Ok(listed.collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        let (version, size) = self.versions.get(name).ok_or(io::ErrorKind::NotFound)?;
        if *size == 0 {
            return Ok(Box::new(io::empty()));
        }
        let key = format!("{}{name}", self.folder);
        let reader = self
            .handle
            .block_on(self.store.download(&key, version.as_deref(), *size))
            .map_err(io::Error::other)?;
        Ok(Box::new(SyncIoBridge::new_with_handle(
            reader,
            self.handle.clone(),
        )))
    }
}
