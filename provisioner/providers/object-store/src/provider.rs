//! The kinds `s3.bucket` and `s3.generation`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use planner::identity::tags;
use planner::kinds::s3 as spec;
use planner::reference::{Late, Outputs};
use planner::{Address, Foreign, Generation, Inventory, Observed};
use provider_aws::{code, failure};
use serde_json::{Value, json};

use crate::bucket::{self, TagMap};

/// Address of the `s3.generation` that wrote the state.
const STATE_ADDRESS: &str = "rebuild:state-address";

/// S3 of one region of one account, or a store that speaks its language.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    config: aws_config::SdkConfig,
}

impl S3 {
    /// The store behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: crate::client(config),
            config: config.clone(),
        }
    }

    async fn ensure_bucket(&self, request: &Ensure<'_>) -> Result<Outputs, Error> {
        let step = request.step;
        let wanted: spec::Bucket = typed(&step.address, &request.spec)?;
        let marks = marks(request);
        let what = || format!("ensure {}", step.address);
        let present = bucket::tags(&self.client, &wanted.name).await?;
        let before = match present {
            None => {
                let region = self.config.region().map(|region| region.to_string());
                bucket::create(&self.client, region.as_deref(), &wanted).await?;
                TagMap::new()
            }
            Some(tags) => tags,
        };
        if let Some(why) = foreign(&before, &marks) {
            // A crash between creation and tagging leaves an empty bucket with no tags at all under a name made for this generation.
            if !(before.is_empty() && bucket::is_empty(&self.client, &wanted.name).await?) {
                return Err(Error::new(
                    ErrorKind::Foreign,
                    what(),
                    format!("bucket `{}` {why}", wanted.name),
                ));
            }
        }
        let mut tags: TagMap = wanted.tags.clone();
        tags.extend(
            before
                .iter()
                .filter(|(key, _)| key.starts_with("rebuild:") || key.starts_with("aws:"))
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        tags.extend(marks);
        if wanted.encryption.is_empty() {
            tags.remove(bucket::ENCRYPTION);
        } else {
            tags.insert(bucket::ENCRYPTION.to_owned(), "declared".to_owned());
        }
        // Compared with what it said before: an encryption that is no longer declared has to go.
        let seen = bucket::describe(&self.client, &wanted.name, &before).await?;
        if tags != before {
            bucket::put_tags(&self.client, &wanted.name, &tags).await?;
        }
        bucket::settle(&self.client, &wanted, &seen).await?;
        Ok(bucket_outputs(&wanted.name))
    }

    async fn ensure_mark(&self, request: &Ensure<'_>) -> Result<Outputs, Error> {
        let wanted: spec::GenerationMark = typed(&request.step.address, &request.spec)?;
        let what = || format!("ensure {}", request.step.address);
        let Late::Known(name) = &wanted.bucket else {
            return Err(Error::new(
                ErrorKind::Invalid,
                what(),
                "the bucket is not known yet",
            ));
        };
        let Some(mut tags) = bucket::tags(&self.client, name).await? else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                what(),
                format!("there is no bucket `{name}`"),
            ));
        };
        if let Some(why) = foreign(&tags, &owner(request.scope)) {
            return Err(Error::new(
                ErrorKind::Foreign,
                what(),
                format!("bucket `{name}` {why}"),
            ));
        }
        let before = tags.clone();
        tags.insert(tags::STATE.to_owned(), wanted.state.clone());
        tags.insert(STATE_ADDRESS.to_owned(), request.step.address.to_string());
        if tags != before {
            bucket::put_tags(&self.client, name, &tags).await?;
        }
        Ok(Outputs::from([("id".to_owned(), json!(name))]))
    }
}

/// Names of buckets that begin with this, through all pages.
pub(crate) async fn names(client: &Client, prefix: &str) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut token = None;
    loop {
        let call = client
            .list_buckets()
            .prefix(prefix)
            .max_buckets(1000)
            .set_continuation_token(token.take());
        let page = call
            .send()
            .await
            .map_err(|error| failure("ListBuckets", error))?;
        // Not every store heeds the prefix.
        names.extend(
            page.buckets()
                .iter()
                .filter_map(|bucket| bucket.name())
                .filter(|name| name.starts_with(prefix))
                .map(str::to_owned),
        );
        match page.continuation_token {
            Some(next) if !next.is_empty() => token = Some(next),
            _ => return Ok(names),
        }
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

fn owner(scope: &Scope) -> TagMap {
    BTreeMap::from([
        (tags::ENVIRONMENT.to_owned(), scope.environment.clone()),
        (tags::GENERATION.to_owned(), scope.generation.to_string()),
    ])
}

fn marks(request: &Ensure<'_>) -> TagMap {
    let mut marks = owner(request.scope);
    marks.insert(tags::ADDRESS.to_owned(), request.step.address.to_string());
    marks
}

/// What shows that tags are not those of the owner.
fn foreign(tags: &TagMap, wanted: &TagMap) -> Option<String> {
    wanted.iter().find_map(|(key, value)| match tags.get(key) {
        Some(there) if there == value => None,
        Some(there) => Some(format!("has the tag `{key}` = `{there}`, not `{value}`")),
        None => Some(format!("has no tag `{key}`")),
    })
}

fn bucket_outputs(name: &str) -> Outputs {
    Outputs::from([
        ("id".to_owned(), json!(name)),
        ("name".to_owned(), json!(name)),
        ("arn".to_owned(), json!(format!("arn:aws:s3:::{name}"))),
    ])
}

#[async_trait]
impl Provider for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn budget(&self) -> Budget {
        // Calls on buckets, not on objects, are what AWS limits most.
        Budget {
            concurrency: 8,
            rate: 10.0,
            burst: 20,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        let mut identity = Identity::default();
        if let Some(region) = self.config.region() {
            identity
                .places
                .insert("region".to_owned(), region.to_string());
        }
        // A store that is not AWS's has no STS; that the keys are taken is what can be known of it.
        if self.config.endpoint_url().is_some() {
            self.client
                .list_buckets()
                .max_buckets(1)
                .send()
                .await
                .map_err(|error| failure("ListBuckets", error))?;
            return Ok(identity);
        }
        provider_aws::connection::identity(&self.config).await
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let mut wanted: BTreeMap<&str, &Address> = BTreeMap::new();
        for (address, name) in scope
            .names
            .iter()
            .filter(|(address, _)| address.qualified_kind() == "s3.bucket")
        {
            wanted.insert(name, address);
        }
        let mut names: BTreeSet<String> = names(&self.client, &format!("{}-", scope.environment))
            .await?
            .into_iter()
            .collect();
        names.extend(wanted.keys().map(|name| (*name).to_owned()));
        let mut inventory = Inventory::default();
        for name in names {
            let tags = match bucket::tags(&self.client, &name).await {
                Ok(Some(tags)) => tags,
                Ok(None) => continue,
                // Another account's: S3 names are global.
                Err(error) if error.kind == ErrorKind::Denied => {
                    if let Some(address) = wanted.get(name.as_str()) {
                        inventory.foreign.push(Foreign {
                            address: (*address).clone(),
                            id: name,
                            why: "its tags may not be read".to_owned(),
                        });
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(address) = wanted.get(name.as_str()) {
                let mut expected = owner(scope);
                expected.insert(tags::ADDRESS.to_owned(), address.to_string());
                if let Some(why) = foreign(&tags, &expected) {
                    // An empty one without tags is a creation of ours that was cut short.
                    if !(tags.is_empty() && bucket::is_empty(&self.client, &name).await?) {
                        inventory.foreign.push(Foreign {
                            address: (*address).clone(),
                            id: name.clone(),
                            why,
                        });
                    }
                }
            }
            if tags.get(tags::ENVIRONMENT) != Some(&scope.environment) {
                continue;
            }
            let generation = tags
                .get(tags::GENERATION)
                .and_then(|text| text.parse::<Generation>().ok());
            let address = tags
                .get(tags::ADDRESS)
                .and_then(|text| text.parse::<Address>().ok());
            let (Some(generation), Some(address)) = (generation, address) else {
                continue;
            };
            let state = tags.get(tags::STATE);
            let marks: BTreeMap<String, String> = state
                .map(|state| ("state".to_owned(), state.clone()))
                .into_iter()
                .collect();
            if let (Some(state), Some(mark)) = (
                state,
                tags.get(STATE_ADDRESS)
                    .and_then(|text| text.parse::<Address>().ok()),
            ) {
                inventory.objects.push(Observed {
                    address: mark,
                    generation: generation.clone(),
                    id: name.clone(),
                    spec: json!({"bucket": name, "state": state}),
                    outputs: Outputs::from([("id".to_owned(), json!(name))]),
                    digest: None,
                    ready: true,
                    marks: marks.clone(),
                });
            }
            let mut spec = bucket::describe(&self.client, &name, &tags).await?;
            let free: BTreeMap<&String, &String> = tags
                .iter()
                .filter(|(key, _)| !key.starts_with("rebuild:") && !key.starts_with("aws:"))
                .collect();
            spec.insert("tags".to_owned(), json!(free));
            inventory.objects.push(Observed {
                address,
                generation,
                outputs: bucket_outputs(&name),
                id: name,
                spec: Value::Object(spec),
                digest: None,
                ready: true,
                marks,
            });
        }
        inventory.merge(Inventory::default());
        Ok(inventory)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        match request.step.address.kind() {
            "bucket" => self.ensure_bucket(&request).await,
            "generation" => self.ensure_mark(&request).await,
            other => Err(Error::new(
                ErrorKind::Invalid,
                request.step.address.to_string(),
                format!("`s3.{other}` is no kind of this provider"),
            )),
        }
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let Some(mut tags) = bucket::tags(&self.client, &object.id).await? else {
            return Ok(());
        };
        let what = format!("delete {} ({})", object.address, object.id);
        let address = if object.address.kind() == "generation" {
            STATE_ADDRESS
        } else {
            tags::ADDRESS
        };
        if object.address.kind() == "generation" && !tags.contains_key(STATE_ADDRESS) {
            return Ok(());
        }
        let mut expected = TagMap::from([
            (tags::GENERATION.to_owned(), object.generation.to_string()),
            (address.to_owned(), object.address.to_string()),
        ]);
        if let Some(environment) = tags.get(tags::ENVIRONMENT) {
            expected.insert(tags::ENVIRONMENT.to_owned(), environment.clone());
        } else {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks",
            ));
        }
        if let Some(why) = foreign(&tags, &expected) {
            return Err(Error::new(ErrorKind::Foreign, what, format!("it {why}")));
        }
        match object.address.kind() {
            "generation" => {
                tags.remove(tags::STATE);
                tags.remove(STATE_ADDRESS);
                bucket::put_tags(&self.client, &object.id, &tags).await
            }
            _ => {
                bucket::destroy(&self.client, &object.id).await?;
                match self.client.head_bucket().bucket(&object.id).send().await {
                    Ok(_) => Err(Error::new(ErrorKind::NotYet, what, "it is still there")),
                    Err(error) if matches!(code(&error), "NotFound" | "NoSuchBucket") => Ok(()),
                    Err(error)
                        if error
                            .raw_response()
                            .is_some_and(|answer| answer.status().as_u16() == 404) =>
                    {
                        Ok(())
                    }
                    Err(error) => Err(failure(what, error)),
                }
            }
        }
    }
}
