//! The kind `seed.object`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use planner::kinds::seed::{Object, SecretField};
use planner::reference::{Late, Outputs};
use planner::{Address, Foreign, Inventory, Observed};
use serde_json::{Value, json};

use crate::seeder::{Seeder, Source};
use crate::store::Head;

/// Metadata keys; S3 keeps them in lower case.
const ENVIRONMENT: &str = "rebuild-environment";
const GENERATION: &str = "rebuild-generation";
const ADDRESS: &str = "rebuild-address";
const SHA256: &str = "rebuild-sha256";
const HEAD: &str = "rebuild-head";
const BLOCKS: &str = "rebuild-blocks";
/// Where the fresh key is, so that what is declared can be compared.
const KEY: &str = "rebuild-encrypt-with";
/// The whole pin, as base64 of JSON: metadata holds ASCII only, and keys of backups may hold more.
const PIN: &str = "rebuild-pin";
const COMPLETE: &str = "rebuild-complete";

/// A place that may hold a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Address of the seed there.
    pub address: Address,
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
}

/// The provider of seeds.
pub struct Seed {
    seeder: Arc<Seeder>,
    source: Option<Source>,
    secrets: Arc<dyn SecretSource>,
    targets: Vec<Target>,
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed")
            .field("source", &self.source)
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

impl Seed {
    /// Seeds from `source` (needed only when something is seeded); looks for seeds at `targets`, of every generation.
    pub fn new(
        seeder: Arc<Seeder>,
        source: Option<Source>,
        secrets: Arc<dyn SecretSource>,
        targets: Vec<Target>,
    ) -> Self {
        Self {
            seeder,
            source,
            secrets,
            targets,
        }
    }
}

/// What is found where a generation's data should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Missing,
    /// What it was seeded with, read back to the last byte.
    Whole {
        /// Digest of the backup it came from.
        sha256: String,
    },
    /// Something else.
    Damaged {
        /// Its version, where the bucket has versions.
        version: Option<String>,
        /// Its entity tag.
        etag: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Seed {
    /// Reads a generation's data whole, and compares it with what its own metadata says it was seeded with. Changes nothing.
    ///
    /// # Errors
    /// When the store or the key can't be read: then nobody knows.
    pub async fn examine(
        &self,
        scope: &Scope,
        (bucket, key): (&str, &str),
        decrypt_with: &SecretField,
    ) -> Result<Condition, Error> {
        let what = format!("examine {bucket}/{key}");
        let Some(head) = self.seeder.bucket(bucket).head(key).await? else {
            return Ok(Condition::Missing);
        };
        let damaged = |why: String| Condition::Damaged {
            version: head.version.clone(),
            etag: head.etag.clone(),
            why,
        };
        let seed = observed(bucket, key, &head, &scope.environment)
            .filter(|seed| seed.generation == scope.generation);
        let mark = |name: &str| seed.as_ref()?.marks.get(name).cloned();
        let (Some(sha256), Some(chain), Some(blocks)) = (
            mark("sha256"),
            mark("head"),
            mark("blocks").and_then(|blocks| blocks.parse().ok()),
        ) else {
            return Ok(damaged(
                "its metadata has no marks of this generation's seed".to_owned(),
            ));
        };
        let passphrase = self
            .secrets
            .read(&decrypt_with.mount, &decrypt_with.path, &decrypt_with.field)
            .await?;
        let version = head.version.as_deref();
        let read = self
            .seeder
            .read_back(&what, bucket, key, version, passphrase, &chain, blocks)
            .await;
        match read {
            Ok(()) => Ok(Condition::Whole { sha256 }),
            Err(error) if error.kind == ErrorKind::Invalid => Ok(damaged(error.why)),
            Err(error) => Err(error),
        }
    }
}

/// A seed by its metadata.
fn observed(bucket: &str, key: &str, head: &Head, environment: &str) -> Option<Observed> {
    let mark = |name: &str| head.metadata.get(name).map(String::as_str);
    if mark(ENVIRONMENT) != Some(environment) {
        return None;
    }
    let encrypt_with: Value = serde_json::from_str(mark(KEY)?).ok()?;
    let marks = [
        ("sha256", SHA256),
        ("head", HEAD),
        ("blocks", BLOCKS),
        ("environment", ENVIRONMENT),
    ];
    let mut marks: BTreeMap<String, String> = marks
        .iter()
        .filter_map(|(name, from)| Some(((*name).to_owned(), mark(from)?.to_owned())))
        .collect();
    if let Some(pin) = mark(PIN)
        .and_then(|text| BASE64.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
    {
        marks.insert("pin".to_owned(), pin);
    }
    Some(Observed {
        address: mark(ADDRESS)?.parse().ok()?,
        generation: mark(GENERATION)?.parse().ok()?,
        id: format!("{bucket}/{key}"),
        spec: json!({"bucket": bucket, "key": key, "encrypt_with": encrypt_with, "sha256": mark(SHA256)?}),
        outputs: outputs(bucket, key, head.version.as_deref()),
        digest: None,
        ready: mark(COMPLETE) == Some("true"),
        marks,
    })
}

fn outputs(bucket: &str, key: &str, version: Option<&str>) -> Outputs {
    Outputs::from([
        ("id".to_owned(), json!(format!("{bucket}/{key}"))),
        ("version".to_owned(), json!(version.unwrap_or(""))),
    ])
}

#[async_trait]
impl Provider for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 2,
            rate: 10.0,
            burst: 10,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        for target in &self.targets {
            let Some(head) = self.seeder.bucket(&target.bucket).head(&target.key).await? else {
                continue;
            };
            match observed(&target.bucket, &target.key, &head, &scope.environment) {
                Some(seed) => inventory.objects.push(seed),
                None => inventory.foreign.push(Foreign {
                    address: target.address.clone(),
                    id: format!("{}/{}", target.bucket, target.key),
                    why: "its metadata has no marks of ours".to_owned(),
                }),
            }
        }
        let mut sorted = Inventory::default();
        sorted.merge(inventory);
        Ok(sorted)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let (step, scope) = (request.step, request.scope);
        let what = format!("seed {}", step.address);
        let fail = |kind: ErrorKind, why: String| Error::new(kind, what.clone(), why);
        if step.address.kind() != "object" {
            return Err(fail(
                ErrorKind::Invalid,
                format!("`{}` is no kind of seed", step.address.kind()),
            ));
        }
        let spec: Object = serde_json::from_value(request.spec.clone())
            .map_err(|error| fail(ErrorKind::Invalid, error.to_string()))?;
        let Late::Known(bucket) = &spec.bucket else {
            return Err(fail(
                ErrorKind::Invalid,
                "the bucket is not known yet".to_owned(),
            ));
        };
        let source = self.source.as_ref().ok_or_else(|| {
            fail(
                ErrorKind::Invalid,
                "no backup is given to seed from".to_owned(),
            )
        })?;
        if spec.sha256 != source.pin.sha256 {
            return Err(fail(
                ErrorKind::Invalid,
                format!(
                    "the plan pins {}, and the backup given is {}",
                    spec.sha256, source.pin.sha256
                ),
            ));
        }
        let key = &spec.encrypt_with;
        let fresh = self.secrets.read(&key.mount, &key.path, &key.field).await?;
        let (store, pin) = (self.seeder.bucket(bucket), &source.pin);
        let there = store.head(&spec.key).await?;
        let damaged = |head: &Head| {
            spec.over.as_ref().is_some_and(|over| {
                head.version.as_deref() == Some(&over.version) && head.etag == over.etag
            })
        };
        if let Some(head) = there.filter(|head| !damaged(head)) {
            let seed = observed(bucket, &spec.key, &head, &scope.environment)
                .filter(|seed| seed.generation == scope.generation && seed.address == step.address);
            let seed = seed.ok_or_else(|| {
                fail(
                    ErrorKind::Foreign,
                    format!(
                        "{bucket}/{} holds data that is not this generation's",
                        spec.key
                    ),
                )
            })?;
            if seed.marks.get("sha256") != Some(&spec.sha256) {
                return Err(fail(
                    ErrorKind::Conflict,
                    format!(
                        "{bucket}/{} was seeded from another backup ({})",
                        spec.key,
                        seed.marks.get("sha256").map_or("", String::as_str)
                    ),
                ));
            }
            // A run that broke off between writing and reading back proves nothing yet.
            self.seeder
                .read_back(
                    &what,
                    bucket,
                    &spec.key,
                    head.version.as_deref(),
                    fresh,
                    &pin.head,
                    pin.blocks,
                )
                .await?;
            return Ok(seed.outputs);
        }
        let over = spec.over.as_ref().map(|over| over.etag.as_str());
        let metadata: BTreeMap<String, String> = [
            (ENVIRONMENT, scope.environment.clone()),
            (GENERATION, scope.generation.to_string()),
            (ADDRESS, step.address.to_string()),
            (SHA256, spec.sha256.clone()),
            (HEAD, pin.head.clone()),
            (BLOCKS, pin.blocks.to_string()),
            (KEY, planner::canonical::text(&json!(key))),
            (PIN, BASE64.encode(json!(pin).to_string())),
            // An object becomes visible whole, with its metadata, or not at all.
            (COMPLETE, "true".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        let version = self
            .seeder
            .copy(
                &what,
                source,
                (bucket, &spec.key),
                over,
                fresh.clone(),
                metadata,
            )
            .await?;
        if let Err(error) = self
            .seeder
            .read_back(
                &what,
                bucket,
                &spec.key,
                version.as_deref(),
                fresh,
                &pin.head,
                pin.blocks,
            )
            .await
        {
            // Bad data must not be taken for a seed; a store that can't be read is asked again instead.
            if error.kind == ErrorKind::Invalid {
                store.delete(&spec.key, version.as_deref()).await?;
            }
            return Err(error);
        }
        Ok(outputs(bucket, &spec.key, version.as_deref()))
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let what = format!("remove {} ({})", object.address, object.id);
        let field = |name: &str| object.spec.get(name).and_then(Value::as_str);
        let (Some(bucket), Some(key)) = (field("bucket"), field("key")) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "it names no bucket and key",
            ));
        };
        let store = self.seeder.bucket(bucket);
        let Some(head) = store.head(key).await? else {
            return Ok(());
        };
        let environment = object
            .marks
            .get("environment")
            .map(String::as_str)
            .unwrap_or("");
        let ours = observed(bucket, key, &head, environment).is_some_and(|seed| {
            seed.generation == object.generation && seed.address == object.address
        });
        if !ours {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks any more",
            ));
        }
        store.delete(key, head.version.as_deref()).await
    }
}
