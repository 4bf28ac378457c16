//! The kinds of checks, and what each asks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use planner::kinds::check::{Http, Refused, Rotated, Sealed, Seed, Workload};
use planner::reference::{Late, Outputs};
use planner::{Inventory, Observed};
use provider_kubernetes::Kubernetes;
use provider_kubernetes::kstatus::Status;
use provider_seed::Seeder;
use reqwest::Client;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::fingerprint::Fingerprints;
use crate::http;

/// Between two looks at the workloads.
const PAUSE: Duration = Duration::from_secs(1);

/// The provider of checks.
pub struct Checks {
    client: Client,
    secrets: Arc<dyn SecretSource>,
    cluster: Option<Arc<Kubernetes>>,
    seeds: Option<Arc<Seeder>>,
    fingerprints: Fingerprints,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

impl Checks {
    /// Checks with what they ask; a check whose source is not given is refused.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub fn new(
        secrets: Arc<dyn SecretSource>,
        cluster: Option<Arc<Kubernetes>>,
        seeds: Option<Arc<Seeder>>,
    ) -> Result<Self, Error> {
        let client = http::client().map_err(|error| {
            Error::new(
                ErrorKind::Unavailable,
                "prepare checks over HTTP",
                error.to_string(),
            )
        })?;
        Ok(Self {
            client,
            secrets,
            cluster,
            seeds,
            fingerprints: Fingerprints::new()?,
        })
    }

    async fn workload(&self, what: &str, wanted: &Workload) -> Result<(), Error> {
        let cluster = self
            .cluster
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, what, "no cluster is given"))?;
        let until = Instant::now() + Duration::from_secs(u64::from(wanted.deadline));
        loop {
            let workloads = cluster.workloads(&wanted.namespace).await?;
            let open: Vec<String> = workloads
                .iter()
                .filter_map(|(name, status)| match status {
                    Status::Current => None,
                    Status::InProgress(why) | Status::Failed(why) => Some(format!("{name}: {why}")),
                    Status::Terminating => Some(format!("{name}: it is being deleted")),
                })
                .collect();
            // A namespace without workloads proves nothing.
            if open.is_empty() && !workloads.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                let why = if workloads.is_empty() {
                    "it has no workloads".to_owned()
                } else {
                    open.join("; ")
                };
                return Err(Error::new(
                    ErrorKind::Deadline,
                    what,
                    format!(
                        "namespace `{}` after {} s: {why}",
                        wanted.namespace, wanted.deadline
                    ),
                ));
            }
            sleep(PAUSE).await;
        }
    }

    fn seeds(&self, what: &str) -> Result<&Seeder, Error> {
        self.seeds
            .as_deref()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, what, "no store is given"))
    }

    /// The older value may be gone: then nobody can compare it, and the outputs say so.
    async fn rotated(&self, what: &str, wanted: &Rotated) -> Result<Outputs, Error> {
        let Rotated { old, new } = wanted;
        let fresh = self.secrets.read(&new.mount, &new.path, &new.field).await?;
        let fresh = self.fingerprints.of(&fresh);
        let former = match self.secrets.read(&old.mount, &old.path, &old.field).await {
            Ok(former) => self.fingerprints.of(&former),
            Err(error) if error.kind == ErrorKind::NotFound => "gone".to_owned(),
            Err(error) => return Err(error),
        };
        if former == fresh {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                format!(
                    "`{}` holds the value of `{}`: it was not rotated",
                    new.path, old.path
                ),
            ));
        }
        Ok(Outputs::from([
            ("old".to_owned(), former.into()),
            ("new".to_owned(), fresh.into()),
        ]))
    }

    async fn sealed(&self, what: &str, wanted: &Sealed) -> Result<(), Error> {
        let seeds = self.seeds(what)?;
        let bucket = known(what, &wanted.bucket)?;
        let key = &wanted.decrypt_with;
        match self.secrets.read(&key.mount, &key.path, &key.field).await {
            Ok(passphrase) => {
                seeds
                    .stays_sealed(what, bucket, &wanted.key, passphrase)
                    .await
            }
            // A key that is gone opens nothing.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn seed(&self, what: &str, wanted: &Seed) -> Result<(), Error> {
        let seeds = self.seeds(what)?;
        let bucket = known(what, &wanted.bucket)?;
        let key = &wanted.decrypt_with;
        let passphrase = self.secrets.read(&key.mount, &key.path, &key.field).await?;
        seeds
            .read_back(
                what,
                bucket,
                &wanted.key,
                None,
                passphrase,
                &wanted.head,
                wanted.blocks,
            )
            .await
    }
}

#[async_trait]
impl Provider for Checks {
    fn name(&self) -> &'static str {
        "check"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 8,
            rate: 20.0,
            burst: 20,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        Ok(Identity::default())
    }

    async fn observe(&self, _: &Scope) -> Result<Inventory, Error> {
        Ok(Inventory::default())
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let address = &request.step.address;
        let what = format!("check {address}");
        match address.kind() {
            "http" => {
                http::check(
                    &what,
                    &self.client,
                    self.cluster.as_deref(),
                    &read::<Http>(&what, &request)?,
                    self.secrets.as_ref(),
                )
                .await?
            }
            "workload" => self.workload(&what, &read(&what, &request)?).await?,
            "seed" => self.seed(&what, &read(&what, &request)?).await?,
            "rotated" => return self.rotated(&what, &read(&what, &request)?).await,
            "refused" => {
                let wanted = read::<Refused>(&what, &request)?;
                let status = http::refused(
                    &what,
                    &self.client,
                    self.cluster.as_deref(),
                    &wanted,
                    self.secrets.as_ref(),
                )
                .await?;
                return Ok(Outputs::from([("status".to_owned(), status.into())]));
            }
            "sealed" => self.sealed(&what, &read(&what, &request)?).await?,
            kind => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    what,
                    format!("`{kind}` is no kind of check"),
                ));
            }
        }
        Ok(Outputs::new())
    }

    async fn remove(&self, _: &Observed) -> Result<(), Error> {
        Ok(())
    }
}

fn known<'a>(what: &str, bucket: &'a Late<String>) -> Result<&'a str, Error> {
    match bucket {
        Late::Known(bucket) => Ok(bucket),
        Late::Unknown(_) => Err(Error::new(
            ErrorKind::Invalid,
            what,
            "the bucket is not known yet",
        )),
    }
}

fn read<T: DeserializeOwned>(what: &str, request: &Ensure<'_>) -> Result<T, Error> {
    serde_json::from_value(request.spec.clone())
        .map_err(|error| Error::new(ErrorKind::Invalid, what, error.to_string()))
}
