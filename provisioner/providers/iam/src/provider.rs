//! Roles, policies and instance profiles as a provider.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use futures::{StreamExt, TryStreamExt};
use planner::identity::tags;
use planner::reference::Outputs;
use planner::{Address, Foreign, Generation, Inventory, Observed};
use provider_aws::Backoff;
use serde_json::{Value, json};

use crate::objects::{self, Kind, Seen, TagMap, Wanted};

/// Reads under way at once while observing.
const READS: usize = 8;

/// IAM of one account.
#[derive(Clone, Debug)]
pub struct Iam {
    client: Client,
    config: aws_config::SdkConfig,
    patience: Duration,
}

impl Iam {
    /// IAM behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
            config: config.clone(),
            patience: Duration::from_secs(120),
        }
    }

    /// The key to read a wanted object by: IAM finds a policy by its ARN only.
    async fn key(&self, wanted: &Wanted, path: &str) -> Result<Option<String>, Error> {
        match wanted {
            Wanted::Policy(policy) => {
                let arns = objects::list(&self.client, Kind::Policy, path).await?;
                Ok(arns
                    .into_iter()
                    .find(|arn| arn.rsplit('/').next() == Some(&policy.name)))
            }
            other => Ok(Some(other.name().to_owned())),
        }
    }
}

fn path(scope: &Scope) -> String {
    format!("/rebuild/{}/{}/", scope.environment, scope.generation)
}

fn kind_of(address: &Address) -> Result<Kind, Error> {
    match address.kind() {
        "role" => Ok(Kind::Role),
        "policy" => Ok(Kind::Policy),
        "instance-profile" => Ok(Kind::Profile),
        other => Err(Error::new(
            ErrorKind::Invalid,
            address.to_string(),
            format!("`iam.{other}` is no kind of this provider"),
        )),
    }
}

fn typed<T: serde::de::DeserializeOwned>(address: &Address, spec: &Value) -> Result<T, Error> {
    T::deserialize(spec).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            format!("spec of {address}"),
            error.to_string(),
        )
    })
}

fn foreign(
    seen: &TagMap,
    environment: &str,
    generation: &str,
    address: &Address,
) -> Option<String> {
    let address = address.to_string();
    [
        (tags::ENVIRONMENT, environment),
        (tags::GENERATION, generation),
        (tags::ADDRESS, &address),
    ]
    .into_iter()
    .find_map(|(key, value)| match seen.get(key) {
        Some(there) if there == value => None,
        Some(there) => Some(format!("has the tag `{key}` = `{there}`, not `{value}`")),
        None => Some(format!("has no tag `{key}`")),
    })
}

fn outputs(seen: &Seen) -> Outputs {
    Outputs::from([
        ("id".to_owned(), json!(seen.arn)),
        ("name".to_owned(), json!(seen.name)),
        ("arn".to_owned(), json!(seen.arn)),
    ])
}

fn observed(seen: Seen, environment: &str) -> Option<Observed> {
    if seen.tags.get(tags::ENVIRONMENT).map(String::as_str) != Some(environment) {
        return None;
    }
    let address: Address = seen.tags.get(tags::ADDRESS)?.parse().ok()?;
    let generation: Generation = seen.tags.get(tags::GENERATION)?.parse().ok()?;
    let free: BTreeMap<&String, &String> = seen
        .tags
        .iter()
        .filter(|(key, _)| !key.starts_with("rebuild:"))
        .collect();
    let tags = json!(free);
    let outputs = outputs(&seen);
    let mut spec = seen.spec;
    spec.insert("tags".to_owned(), tags);
    Some(Observed {
        address,
        generation,
        id: seen.arn,
        spec: Value::Object(spec),
        outputs,
        digest: None,
        ready: true,
        marks: BTreeMap::new(),
    })
}

#[async_trait]
impl Provider for Iam {
    fn name(&self) -> &'static str {
        "iam"
    }

    fn budget(&self) -> Budget {
        // IAM publishes no numbers; it throttles an account at some tens of calls a second.
        Budget {
            concurrency: 4,
            rate: 5.0,
            burst: 10,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        provider_aws::connection::identity(&self.config).await
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let prefix = format!("/rebuild/{}/", scope.environment);
        let mut inventory = Inventory::default();
        for (kind, name) in [
            (Kind::Role, "iam.role"),
            (Kind::Policy, "iam.policy"),
            (Kind::Profile, "iam.instance-profile"),
        ] {
            let keys = objects::list(&self.client, kind, &prefix).await?;
            let reads = futures::stream::iter(keys)
                .map(|key| async move { objects::read(&self.client, kind, &key).await });
            let seen: Vec<Option<Seen>> = reads.buffered(READS).try_collect().await?;
            inventory.objects.extend(
                seen.into_iter()
                    .flatten()
                    .filter_map(|seen| observed(seen, &scope.environment))
                    .filter(|object| object.address.qualified_kind() == name),
            );
            // Names of roles and profiles are unique in the account, those of policies in their path: look at what stands under ours.
            for (address, wanted) in scope
                .names
                .iter()
                .filter(|(address, _)| address.qualified_kind() == name)
            {
                let ours = inventory.objects.iter().any(|object| {
                    &object.address == address && object.generation == scope.generation
                });
                if ours || kind == Kind::Policy {
                    continue;
                }
                if let Some(seen) = objects::read(&self.client, kind, wanted).await?
                    && let Some(why) = foreign(
                        &seen.tags,
                        &scope.environment,
                        scope.generation.as_str(),
                        address,
                    )
                {
                    inventory.foreign.push(Foreign {
                        address: address.clone(),
                        id: seen.arn,
                        why,
                    });
                }
            }
        }
        inventory.merge(Inventory::default());
        Ok(inventory)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let step = request.step;
        let kind = kind_of(&step.address)?;
        let wanted = match kind {
            Kind::Role => Wanted::Role(typed(&step.address, &request.spec)?),
            Kind::Policy => Wanted::Policy(typed(&step.address, &request.spec)?),
            Kind::Profile => Wanted::Profile(typed(&step.address, &request.spec)?),
        };
        let path = path(request.scope);
        let mut marked = wanted.tags().clone();
        marked.insert(
            tags::ENVIRONMENT.to_owned(),
            request.scope.environment.clone(),
        );
        marked.insert(
            tags::GENERATION.to_owned(),
            request.scope.generation.to_string(),
        );
        marked.insert(tags::ADDRESS.to_owned(), step.address.to_string());
        let present = match self.key(&wanted, &path).await? {
            Some(key) => objects::read(&self.client, kind, &key)
                .await?
                .map(|seen| (key, seen)),
            None => None,
        };
        let key = match present {
            Some((key, seen)) => {
                if let Some(why) = foreign(
                    &seen.tags,
                    &request.scope.environment,
                    request.scope.generation.as_str(),
                    &step.address,
                ) {
                    return Err(Error::new(
                        ErrorKind::Foreign,
                        format!("ensure {}", step.address),
                        format!("`{}` {why}", seen.arn),
                    ));
                }
                key
            }
            None => objects::create(&self.client, &wanted, &path, &marked).await?,
        };
        let mut backoff = Backoff::new(format!("wait for {}", step.address), self.patience);
        let seen = loop {
            match objects::read(&self.client, kind, &key).await? {
                Some(seen) => break seen,
                None => backoff.next("not visible").await?,
            }
        };
        let set = marked
            .iter()
            .filter(|(key, value)| seen.tags.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let unset = seen
            .tags
            .keys()
            .filter(|key| !marked.contains_key(*key))
            .cloned()
            .collect();
        objects::tag(&self.client, kind, &key, &set, unset).await?;
        objects::settle(&self.client, &wanted, &seen).await?;
        Ok(outputs(&seen))
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let kind = kind_of(&object.address)?;
        let key = if kind == Kind::Policy {
            object.id.as_str()
        } else {
            object.id.rsplit('/').next().unwrap_or_default()
        };
        let Some(seen) = objects::read(&self.client, kind, key).await? else {
            return Ok(());
        };
        let what = format!("delete {} ({})", object.address, object.id);
        let Some(environment) = seen.tags.get(tags::ENVIRONMENT) else {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks",
            ));
        };
        if let Some(why) = foreign(
            &seen.tags,
            environment,
            object.generation.as_str(),
            &object.address,
        ) {
            return Err(Error::new(ErrorKind::Foreign, what, format!("it {why}")));
        }
        objects::delete(&self.client, kind, &seen).await?;
        let mut backoff = Backoff::new(what, self.patience);
        while objects::read(&self.client, kind, key).await?.is_some() {
            backoff.next("there").await?;
        }
        Ok(())
    }
}
