//! One environment with everything that serves it: the composition root. Only this folder names concrete providers.

pub mod barriers;
mod blueprint;
pub mod collectors;
pub mod overlay;
pub mod vendored;
mod weak;

pub use blueprint::Blueprint;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use environment::schema::DatabaseDump;
use environment::{Control, Environment, Resolved};
use executor::{Budget, Providers, RemoteLock, Scope, SecretSource};
use planner::kinds::seed::SecretField;
use planner::plan::PinnedBackup;
use planner::{Address, Finding, Inventory};
use provider_aws::Connection;
use provider_check::Checks;
use provider_ec2::Ec2;
use provider_iam::Iam;
use provider_kubernetes::backup::Backups;
use provider_kubernetes::{Kubernetes, Recovery};
use provider_object_store::{Archive, S3, S3Lock, Store, client};
use provider_postgres::Postgres;
use provider_rds::Rds;
use provider_route53::Route53;
use provider_seed::{Condition, ObjectStores, Seed, Seeder, Source, Target as SeedTarget};
use provider_vault::{Settings, Vault};

use crate::commands::sandbox;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::sources::first::First;
use crate::sources::{pin, secret};

/// The provider that is made anew for every observation: it looks into the buckets found.
const SEED: &str = "seed";

/// Address of the seeded data.
pub const SEEDED: &str = "seed.object.chain";

/// An environment, and who serves it.
pub struct Session {
    /// The environment and where it is.
    pub blueprint: Blueprint,
    providers: Providers,
    vault: Arc<Vault>,
    cluster: Option<Arc<Kubernetes>>,
    dumps: Option<(Store, DatabaseDump)>,
    stores: Arc<ObjectStores>,
    control: Store,
    targets: Vec<SeedTarget>,
    now: jiff::Timestamp,
}

impl Session {
    /// Loads the environment and connects; nothing is asked of anybody yet, but the sandbox is started where it is the place.
    pub async fn open(root: &Path, name: &str, printer: &Printer) -> Result<Self, Failure> {
        let Blueprint {
            root,
            environment,
            resolved,
        } = blueprint(root, name, printer).await?;
        // Only now: installing and starting the sandbox may have taken minutes, and puts a fresh backup there.
        let now = jiff::Timestamp::now();
        let aws = aws(&resolved).await;
        let objects = connection(
            &resolved,
            &resolved.aws.region,
            &resolved.aws.s3_endpoint,
            &resolved.aws.s3_profile,
        )
        .load()
        .await;
        let control = control(&resolved).await;
        let vault = Arc::new(
            Vault::connect(&vault(&resolved, vec![resolved.vault.mount.clone()])?).map_err(
                |error| {
                    Failure::of("Vault can't be used", &error)
                        .hint(format!("correct `where.vault` in {}", environment.file()))
                },
            )?,
        );
        let secrets: Arc<dyn SecretSource> = vault.clone();
        let kubernetes = cluster(&environment, &resolved)
            .await?
            .map(|cluster| Arc::new(cluster.with_secrets(secrets.clone())));
        let stores = Arc::new(ObjectStores::new(&objects));
        let seeder = Arc::new(Seeder::new(stores.clone(), now.as_second()));
        let mut providers = Providers::default();
        providers.insert(Arc::new(Ec2::new(&aws)));
        providers.insert(Arc::new(Iam::new(&aws)));
        providers.insert(Arc::new(S3::new(&objects)));
        providers.insert(vault.clone());
        if let Some(kubernetes) = &kubernetes {
            providers.insert(kubernetes.clone());
            providers.insert(Arc::new(Recovery::new(kubernetes.clone())));
            let first = First {
                environment: environment.clone(),
                resolved: resolved.clone(),
                printer: printer.clone(),
            };
            providers.insert(Arc::new(Backups::new(kubernetes.clone(), Arc::new(first))));
        }
        let dumps = environment
            .document
            .database
            .as_ref()
            .and_then(|database| database.dump.clone())
            .map(|dump| (Store::new(client(&objects), dump.bucket.as_str()), dump));
        let source: Option<Arc<dyn Archive>> = match &dumps {
            Some((store, _)) => Some(Arc::new(store.clone())),
            None => None,
        };
        providers.insert(Arc::new(Postgres::new(
            source,
            secrets.clone(),
            now.as_second(),
        )));
        providers.insert(Arc::new(Rds::new(&aws)));
        providers.insert(Arc::new(Route53::new(&aws)));
        let checks = Checks::new(secrets, kubernetes.clone(), Some(seeder))
            .map_err(|error| hints::of_provider("check", &error))?;
        providers.insert(Arc::new(checks));
        Ok(Self {
            blueprint: Blueprint {
                root,
                environment,
                resolved,
            },
            providers,
            vault,
            cluster: kubernetes,
            dumps,
            stores,
            control,
            targets: Vec::new(),
            now,
        })
    }

    /// The providers, by name.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The environment's name.
    pub fn name(&self) -> &str {
        self.blueprint.environment.name()
    }

    /// The environment's cluster, where it has one.
    pub fn cluster(&self) -> Option<&Kubernetes> {
        self.cluster.as_deref()
    }

    /// Where dumps of a database are, and the one that the environment names.
    pub fn dumps(&self) -> Option<(&Store, &DatabaseDump)> {
        self.dumps.as_ref().map(|(store, dump)| (store, dump))
    }

    /// The bucket for what is no generation's.
    pub fn control(&self) -> Store {
        self.control.clone()
    }

    /// The lock that all who may rebuild the environment share.
    pub fn lock(&self) -> Arc<dyn RemoteLock> {
        Arc::new(S3Lock::new(
            self.control.clone(),
            self.blueprint.environment.name(),
        ))
    }

    /// What is known of the lock's holder.
    pub async fn holder(&self) -> Result<String, Failure> {
        let name = self.blueprint.environment.name();
        let record = self
            .lock()
            .read()
            .await
            .map_err(|error| hints::of_lock(name, &error))?;
        let free = format!("free, in the bucket {}", self.control.bucket());
        Ok(record
            .filter(|record| !record.expired(jiff::Timestamp::now()))
            .map_or(free, |record| format!("held by {}", record.holder())))
    }

    /// The environment's own budgets, in place of the providers'.
    pub fn budgets(&self) -> BTreeMap<String, Budget> {
        let declared = &self.blueprint.environment.document.budgets;
        self.providers
            .iter()
            .filter_map(|(name, provider)| {
                let wanted = declared.get(name)?;
                let budget = Budget {
                    rate: f64::from(wanted.per_second),
                    burst: wanted.burst,
                    ..provider.budget()
                };
                Some((name.to_owned(), budget))
            })
            .collect()
    }

    /// Asks every provider at once what there is, in all generations, and what stands in the way of what the scope names.
    pub async fn observe(&mut self, mut scope: Scope) -> Result<(Scope, Inventory), Failure> {
        let asked =
            self.providers
                .iter()
                .filter(|(name, _)| *name != SEED)
                .map(|(name, provider)| {
                    let scope = &scope;
                    async move {
                        provider
                            .observe(scope)
                            .await
                            .map_err(|error| hints::of_provider(name, &error))
                    }
                });
        let mut inventory = Inventory::default();
        // All are heard, so that which failure is told does not depend on who was faster.
        for seen in futures::future::join_all(asked).await {
            inventory.merge(seen?);
        }
        let targets = self.seeds(&inventory)?;
        for target in &targets {
            scope
                .names
                .entry(target.address.clone())
                .or_insert_with(|| target.key.clone());
        }
        self.targets = targets;
        inventory.merge(
            self.seed_from(None)
                .observe(&scope)
                .await
                .map_err(|error| hints::of_provider(SEED, &error))?,
        );
        Ok((scope, inventory))
    }

    /// Takes what is seeded from `source`, which was verified.
    pub fn seed_from(&mut self, source: Option<Source>) -> Arc<dyn executor::Provider> {
        let seeder = Arc::new(Seeder::new(self.stores.clone(), self.now.as_second()));
        let seed: Arc<dyn executor::Provider> = Arc::new(Seed::new(
            seeder,
            source,
            self.vault.clone(),
            self.targets.clone(),
        ));
        self.providers.insert(seed.clone());
        seed
    }

    /// How a generation's data is: read whole.
    pub async fn examine(
        &self,
        scope: &Scope,
        place: (&str, &str),
        key: &SecretField,
    ) -> Result<Condition, Failure> {
        let seeder = Arc::new(Seeder::new(self.stores.clone(), self.now.as_second()));
        Seed::new(seeder, None, self.vault.clone(), Vec::new())
            .examine(scope, place, key)
            .await
            .map_err(|error| hints::of_provider(SEED, &error))
    }

    /// Who and where the providers find themselves.
    pub async fn places(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut actual = BTreeMap::new();
        let asked = self.providers.iter().map(|(name, provider)| async move {
            provider
                .identity()
                .await
                .map_err(|error| hints::of_provider(name, &error))
        });
        for identity in futures::future::join_all(asked).await {
            for (place, found) in places(identity?.places) {
                actual.entry(place).or_insert(found);
            }
        }
        Ok(actual)
    }

    /// The backup asked for, verified; with a note on each newer one that was passed over.
    pub async fn verified(
        &self,
        asked: &str,
        printer: &Printer,
    ) -> Result<(Source, Vec<Finding>), Failure> {
        let blueprint = &self.blueprint;
        pin::pin(
            &blueprint.environment,
            &blueprint.resolved,
            asked,
            self.now,
            printer,
        )
        .await
    }

    /// The backup that was pinned before, verified again.
    pub async fn verified_again(
        &self,
        pin: &PinnedBackup,
        printer: &Printer,
    ) -> Result<Source, Failure> {
        let blueprint = &self.blueprint;
        pin::again(
            &blueprint.environment,
            &blueprint.resolved,
            pin,
            self.now,
            printer,
        )
        .await
    }

    /// The time all plans of this run are made for.
    pub fn now(&self) -> jiff::Timestamp {
        self.now
    }

    /// Where seeds may be: in the data bucket of every generation.
    fn seeds(&self, inventory: &Inventory) -> Result<Vec<SeedTarget>, Failure> {
        let Some(seed) = &self.blueprint.environment.document.seed else {
            return Ok(Vec::new());
        };
        let bucket = format!("s3.bucket.{}", seed.bucket);
        let address: Address = SEEDED
            .parse()
            .map_err(|error| Failure::of("the seed has no address", &error))?;
        Ok(inventory
            .objects
            .iter()
            .filter(|object| object.address.to_string() == bucket)
            .filter_map(|object| object.outputs.get("name").and_then(|name| name.as_str()))
            .map(|name| SeedTarget {
                address: address.clone(),
                bucket: name.to_owned(),
                key: seed.key.clone(),
            })
            .collect())
    }
}

/// Loads the environment and finds out where it is; the sandbox is started where it is the place.
pub async fn blueprint(root: &Path, name: &str, printer: &Printer) -> Result<Blueprint, Failure> {
    let environment =
        environment::load(root, name).map_err(|errors| hints::of_environment(name, &errors))?;
    let endpoints = if environment.document.r#where.sandbox {
        Some(sandbox::endpoints(printer).await?)
    } else {
        None
    };
    let resolved = environment.resolve(endpoints.as_ref()).map_err(|error| {
        Failure::of(format!("the environment `{name}` has no place"), &error)
            .hint(format!("correct `where` in {}", environment.file()))
    })?;
    Ok(Blueprint {
        root: root.to_path_buf(),
        environment,
        resolved,
    })
}

/// The bucket for what is no generation's.
pub async fn control(resolved: &Resolved) -> Store {
    store(resolved, &resolved.control).await
}

/// A bucket that is no generation's.
pub async fn store(resolved: &Resolved, place: &Control) -> Store {
    let Control {
        bucket,
        region,
        endpoint,
        profile,
    } = place;
    let config = connection(resolved, region, endpoint, profile).load().await;
    Store::new(client(&config), bucket.as_str())
}

/// The environment's cluster, where it has one; nothing is asked of it yet.
pub async fn cluster(
    environment: &Environment,
    resolved: &Resolved,
) -> Result<Option<Kubernetes>, Failure> {
    let Some(cluster) = &resolved.cluster else {
        return Ok(None);
    };
    let file = cluster
        .kubeconfig
        .clone()
        .map_or_else(default_kubeconfig, Ok)?;
    let connected = Kubernetes::connect(&file, &cluster.context)
        .await
        .map_err(|error| {
            Failure::of("the cluster can't be used", &error).hint(format!(
                "correct `where.kubernetes` in {}",
                environment.file()
            ))
        })?;
    Ok(Some(connected))
}

/// Places by the keys that environments expect them under.
pub fn places(mut found: BTreeMap<String, String>) -> BTreeMap<String, String> {
    // A cluster is expected by the name of its context; its address may differ from machine to machine.
    if let Some(context) = found.remove("context") {
        found.insert("cluster".to_owned(), context);
    }
    found
}

/// EC2, IAM and STS; nothing is asked yet.
async fn aws(resolved: &Resolved) -> aws_config::SdkConfig {
    let place = &resolved.aws;
    connection(resolved, &place.region, &place.endpoint, &place.profile)
        .load()
        .await
}

/// How the environment's Vault is reached, and which mounts are looked at.
fn vault(resolved: &Resolved, mounts: Vec<String>) -> Result<Settings, Failure> {
    let place = &resolved.vault;
    Ok(Settings {
        address: place.address.clone(),
        ca_file: place.ca.clone(),
        token: secret::held(&place.token)?,
        mounts,
    })
}

/// How AWS or a store is reached from the environment's place.
pub fn connection(
    resolved: &Resolved,
    region: &str,
    endpoint: &Option<String>,
    profile: &Option<String>,
) -> Connection {
    Connection {
        region: region.to_owned(),
        endpoint_url: endpoint.clone(),
        profile: profile.clone(),
        config_file: resolved
            .aws
            .files
            .as_ref()
            .map(|(config, _)| config.clone()),
        credentials_file: resolved
            .aws
            .files
            .as_ref()
            .map(|(_, credentials)| credentials.clone()),
        keys: None,
    }
}

fn default_kubeconfig() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    std::env::var_os("HOME")
        .map(|home| Path::new(&home).join(".kube/config"))
        .ok_or_else(|| Failure::new("no kubeconfig").because("neither KUBECONFIG nor HOME is set"))
}
