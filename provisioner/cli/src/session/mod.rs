//! One environment with everything that serves it: the composition root. Only this folder names concrete providers.

mod overlay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use environment::{Environment, Resolved};
use executor::{Providers, RemoteLock, Scope, SecretSource};
use planner::plan::Target;
use planner::{Address, Generation, Input, Inventory, Plan, Resource, Rotate};
use provider_aws::Connection;
use provider_check::Checks;
use provider_ec2::Ec2;
use provider_iam::Iam;
use provider_kubernetes::Kubernetes;
use provider_object_store::{S3, S3Lock, Store, client};
use provider_seed::{ObjectStores, Seed, Seeder, Source, Target as SeedTarget};
use provider_vault::{Settings, Vault};

use crate::commands::sandbox;
use crate::failure::Failure;
use crate::hints;
use crate::printer::Printer;
use crate::source::{self, Pinned};

/// An environment, and who serves it.
pub struct Session {
    /// The project's folder.
    pub root: PathBuf,
    /// The environment.
    pub environment: Environment,
    /// Where it is.
    pub resolved: Resolved,
    providers: Providers,
    vault: Arc<Vault>,
    kubernetes: Option<Arc<Kubernetes>>,
    stores: Arc<ObjectStores>,
    control: Store,
    now: jiff::Timestamp,
}

/// What was seen, and from where.
pub struct Seen {
    /// Our objects and what is in the way.
    pub inventory: Inventory,
    /// The places the providers found themselves at.
    pub actual: BTreeMap<String, String>,
}

impl Session {
    /// Loads the environment and connects; nothing is asked of anybody yet, but the sandbox is started where it is the place.
    pub async fn open(root: &Path, name: &str, now: jiff::Timestamp, printer: &Printer) -> Result<Self, Failure> {
        let environment = environment::load(root, name).map_err(|errors| hints::of_environment(name, &errors))?;
        let endpoints = if environment.document.r#where.sandbox { Some(sandbox::endpoints(printer).await?) } else { None };
        let resolved = environment
            .resolve(endpoints.as_ref())
            .map_err(|error| Failure::of(format!("the environment `{name}` has no place"), &error).hint(format!("correct `where` in {}", environment.file())))?;
        let aws = connection(&resolved, &resolved.aws.region, &resolved.aws.endpoint, &resolved.aws.profile).load().await;
        let objects = connection(&resolved, &resolved.aws.region, &resolved.aws.s3_endpoint, &resolved.aws.s3_profile).load().await;
        let control = &resolved.control;
        let control_config = connection(&resolved, &control.region, &control.endpoint, &control.profile).load().await;
        let vault = Arc::new(
            Vault::connect(&Settings {
                address: resolved.vault.address.clone(),
                ca_file: resolved.vault.ca.clone(),
                token: source::passphrase(&resolved.vault.token)?,
                mounts: vec![resolved.vault.mount.clone()],
            })
            .map_err(|error| Failure::of("Vault can't be used", &error).hint(format!("correct `where.vault` in {}", environment.file())))?,
        );
        let secrets: Arc<dyn SecretSource> = vault.clone();
        let kubernetes = match &resolved.cluster {
            None => None,
            Some(cluster) => {
                let file = cluster.kubeconfig.clone().map_or_else(default_kubeconfig, Ok)?;
                let connected = Kubernetes::connect(&file, &cluster.context)
                    .await
                    .map_err(|error| Failure::of("the cluster can't be used", &error).hint(format!("correct `where.kubernetes` in {}", environment.file())))?;
                Some(Arc::new(connected.with_secrets(secrets.clone())))
            }
        };
        let stores = Arc::new(ObjectStores::new(&objects));
        let seeder = Arc::new(Seeder::new(stores.clone(), now.as_second()));
        let mut providers = Providers::default();
        providers.insert(Arc::new(Ec2::new(&aws)));
        providers.insert(Arc::new(Iam::new(&aws)));
        providers.insert(Arc::new(S3::new(&objects)));
        providers.insert(vault.clone());
        if let Some(kubernetes) = &kubernetes {
            providers.insert(kubernetes.clone());
        }
        let checks = Checks::new(secrets, kubernetes.clone(), Some(seeder)).map_err(|error| hints::of_provider("check", &error))?;
        providers.insert(Arc::new(checks));
        let control = Store::new(client(&control_config), resolved.control.bucket.as_str());
        Ok(Self { root: root.to_path_buf(), environment, resolved, providers, vault, kubernetes, stores, control, now })
    }

    /// The providers, by name.
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The lock that all who may rebuild the environment share.
    pub fn lock(&self) -> Arc<dyn RemoteLock> {
        Arc::new(S3Lock::new(self.control.clone(), self.environment.name()))
    }

    /// Asks every provider what there is, in all generations; with `wanted`, what stands in the way of that too.
    pub async fn observe(&mut self, generation: &Generation, wanted: &[Resource], source: Option<Source>) -> Result<(Scope, Inventory), Failure> {
        let mut scope = self.scope(generation, wanted)?;
        let mut inventory = Inventory::default();
        for (name, provider) in self.providers.iter().filter(|(name, _)| *name != "seed") {
            let seen = provider.observe(&scope).await.map_err(|error| hints::of_provider(name, &error))?;
            inventory.merge(seen);
        }
        let targets = self.seeds(&inventory, generation);
        for target in &targets {
            scope.names.entry(target.address.clone()).or_insert_with(|| target.key.clone());
        }
        let seeder = Arc::new(Seeder::new(self.stores.clone(), self.now.as_second()));
        let seed = Seed::new(seeder, source, self.vault.clone(), targets);
        let seed: Arc<dyn executor::Provider> = Arc::new(seed);
        let seen = seed.observe(&scope).await.map_err(|error| hints::of_provider("seed", &error))?;
        inventory.merge(seen);
        self.providers.insert(seed);
        Ok((scope, inventory))
    }

    /// Who and where the providers find themselves.
    pub async fn places(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut actual = BTreeMap::new();
        for (name, provider) in self.providers.iter() {
            let identity = provider.identity().await.map_err(|error| hints::of_provider(name, &error))?;
            let mut places = identity.places;
            // A cluster is expected by the name of its context; its address may differ from machine to machine.
            if let Some(context) = places.remove("context") {
                places.insert("cluster".to_owned(), context);
            }
            for (place, found) in places {
                actual.entry(place).or_insert(found);
            }
        }
        Ok(actual)
    }

    /// Everything wanted: templates, secrets, seed, checks, overlay; and the digests of all inputs.
    pub fn desired(&self, generation: &Generation, pinned: Option<&Pinned>) -> Result<(Vec<Resource>, BTreeMap<String, String>), Failure> {
        let mut all = self
            .environment
            .desired(&self.resolved, generation, pinned.map(|pinned| &pinned.pin))
            .map_err(|error| Failure::of("the environment can't be rendered", &error).hint("correct the file at the place named"))?;
        let mut inputs = self.environment.inputs().clone();
        if let Some(wanted) = &self.environment.document.what.overlay {
            let namespace = self.environment.namespace(generation).unwrap_or_else(|| wanted.namespace.clone());
            let (objects, files) = overlay::objects(&self.root, &wanted.path, &namespace)?;
            all.extend(objects);
            inputs.extend(files);
        }
        Ok((all, inputs))
    }

    /// Makes the plan.
    #[expect(clippy::too_many_arguments, reason = "each is one input of the plan")]
    pub fn plan(
        &self,
        generation: Generation,
        desired: Vec<Resource>,
        inputs: BTreeMap<String, String>,
        inventory: Inventory,
        actual: BTreeMap<String, String>,
        pinned: Option<&Pinned>,
        rotate: Rotate,
    ) -> Result<Plan, Failure> {
        planner::plan(self.input(generation, desired, inputs, inventory, actual, pinned, rotate))
            .map_err(|error| Failure::of("no plan can be made", &error).hint("correct the environment or the template at the place named"))
    }

    /// Plans the end of a generation.
    pub fn destroy(&self, generation: Generation, inventory: Inventory, actual: BTreeMap<String, String>) -> Result<Plan, Failure> {
        planner::destroy(self.input(generation, Vec::new(), BTreeMap::new(), inventory, actual, None, Rotate::None))
            .map_err(|error| Failure::of("no plan can be made", &error))
    }

    #[expect(clippy::too_many_arguments, reason = "each is one input of the plan")]
    fn input(
        &self,
        generation: Generation,
        desired: Vec<Resource>,
        inputs: BTreeMap<String, String>,
        inventory: Inventory,
        actual: BTreeMap<String, String>,
        pinned: Option<&Pinned>,
        rotate: Rotate,
    ) -> Input {
        Input {
            desired,
            inventory,
            target: Target { environment: self.environment.name().to_owned(), generation, fresh: true, places: self.resolved.expected() },
            actual,
            created: self.now,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            backup: pinned.map(|pinned| pinned.pin.clone()),
            inputs,
            policy: self.environment.document.planner_policy(),
            rotate,
            medians: BTreeMap::new(),
        }
    }

    fn scope(&self, generation: &Generation, wanted: &[Resource]) -> Result<Scope, Failure> {
        let mut kinds: BTreeSet<String> = wanted
            .iter()
            .filter(|resource| resource.address.provider() == "kubernetes")
            .map(|resource| resource.address.kind().to_owned())
            .collect();
        if let Some(wanted) = &self.environment.document.what.overlay {
            // A generation that is not wanted any more was made from the same overlay, so its kinds are these.
            kinds.extend(overlay::kinds(&self.root, &wanted.path)?);
            kinds.extend(["Namespace", "Secret", "ConfigMap"].map(str::to_owned));
        }
        let names = wanted
            .iter()
            .filter_map(|resource| {
                let name = ["name", "path"].iter().find_map(|field| resource.spec.get(field)?.as_str())?;
                Some((resource.address.clone(), name.to_owned()))
            })
            .collect();
        Ok(Scope { environment: self.environment.name().to_owned(), generation: generation.clone(), kinds: kinds.into_iter().collect(), names })
    }

    /// Where seeds may be: in the data bucket of every generation.
    fn seeds(&self, inventory: &Inventory, _generation: &Generation) -> Vec<SeedTarget> {
        let Some(seed) = &self.environment.document.seed else { return Vec::new() };
        let bucket = format!("s3.bucket.{}", seed.bucket);
        let address: Address = match "seed.object.chain".parse() {
            Ok(address) => address,
            Err(_) => return Vec::new(),
        };
        inventory
            .objects
            .iter()
            .filter(|object| object.address.to_string() == bucket)
            .filter_map(|object| object.outputs.get("name").and_then(|name| name.as_str()))
            .map(|name| SeedTarget { address: address.clone(), bucket: name.to_owned(), key: seed.key.clone() })
            .collect()
    }
}

/// How AWS or a store is reached from the environment's place.
pub fn connection(resolved: &Resolved, region: &str, endpoint: &Option<String>, profile: &Option<String>) -> Connection {
    Connection {
        region: region.to_owned(),
        endpoint_url: endpoint.clone(),
        profile: profile.clone(),
        config_file: resolved.aws.files.as_ref().map(|(config, _)| config.clone()),
        credentials_file: resolved.aws.files.as_ref().map(|(_, credentials)| credentials.clone()),
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
