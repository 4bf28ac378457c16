//! The kinds `check.http`, `check.workload` and `check.seed`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use planner::kinds::check::{Http, Seed, Workload};
use planner::reference::{Late, Outputs};
use planner::{Inventory, Observed};
use provider_kubernetes::Kubernetes;
use provider_kubernetes::kstatus::Status;
use provider_seed::Seeder;
use reqwest::Client;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::http;

/// Between two looks at the workloads.
const PAUSE: Duration = Duration::from_secs(1);

/// The provider of checks.
pub struct Checks {
    client: Client,
    secrets: Arc<dyn SecretSource>,
    cluster: Option<Arc<Kubernetes>>,
    seeds: Option<Arc<Seeder>>,
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

    async fn seed(&self, what: &str, wanted: &Seed) -> Result<(), Error> {
        let seeds = self
            .seeds
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, what, "no store is given"))?;
        let Late::Known(bucket) = &wanted.bucket else {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "the bucket is not known yet",
            ));
        };
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

fn read<T: DeserializeOwned>(what: &str, request: &Ensure<'_>) -> Result<T, Error> {
    serde_json::from_value(request.spec.clone())
        .map_err(|error| Error::new(ErrorKind::Invalid, what, error.to_string()))
}
