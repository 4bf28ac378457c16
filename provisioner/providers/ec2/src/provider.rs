//! One way for every kind: find by ownership tags, create when absent, settle what differs, wait until ready.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use executor::provider::{Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope};
use futures::future::try_join_all;
use planner::identity::tags;
use planner::kinds;
use planner::reference::Outputs;
use planner::{Action, Address, Foreign, Generation, Inventory, Observed, canonical};
use provider_aws::{Backoff, code, failure, is_missing};
use serde_json::Value;

use crate::kinds::{self as families, Family};
use crate::marks::{self, TagMap};

/// An object as described.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) tags: TagMap,
    /// Normal form, without `tags`.
    pub(crate) spec: serde_json::Map<String, Value>,
    pub(crate) outputs: Outputs,
    pub(crate) ready: bool,
    /// Terminated or being deleted: only its tags and id still count, for the client token.
    pub(crate) gone: bool,
    /// The state in EC2's words, for errors.
    pub(crate) state: String,
}

/// What a creation needs beside the spec.
pub(crate) struct Wanted<'a> {
    pub(crate) address: &'a Address,
    pub(crate) spec: &'a Value,
    pub(crate) tags: TagMap,
    pub(crate) token: String,
}

impl Wanted<'_> {
    /// The spec as its type; every late value must be known.
    pub(crate) fn spec<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        typed(self.address, self.spec)
    }
}

/// A spec as its type.
pub(crate) fn typed<T: serde::de::DeserializeOwned>(
    address: &Address,
    spec: &Value,
) -> Result<T, Error> {
    T::deserialize(spec).map_err(|error| {
        Error::new(
            ErrorKind::Invalid,
            format!("spec of {address}"),
            error.to_string(),
        )
    })
}

/// EC2 of one region of one account.
#[derive(Clone, Debug)]
pub struct Ec2 {
    client: Client,
    config: aws_config::SdkConfig,
    patience: Duration,
}

impl Ec2 {
    /// EC2 behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
            config: config.clone(),
            patience: Duration::from_secs(600),
        }
    }

    /// EC2 through a client of the caller's, with interceptors say.
    pub fn with_client(config: &aws_config::SdkConfig, client: Client) -> Self {
        Self {
            client,
            ..Self::new(config)
        }
    }

    pub(crate) fn sdk(&self) -> &Client {
        &self.client
    }

    /// How long one wait may take. Ten minutes when not set: a NAT gateway takes two, a big volume's change more.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    async fn find(
        &self,
        family: &dyn Family,
        request: &Ensure<'_>,
    ) -> Result<(Option<Seen>, String), Error> {
        let step = request.step;
        let ours = [
            (tags::ENVIRONMENT, request.scope.environment.clone()),
            (tags::GENERATION, request.scope.generation.to_string()),
            (tags::ADDRESS, step.address.to_string()),
        ];
        let (gone, mut live): (Vec<Seen>, Vec<Seen>) = self
            .marked(family, &ours)
            .await?
            .into_iter()
            .partition(|seen| seen.gone);
        let what = || format!("{} {}", action(step.action), step.address);
        let by_id =
            step.action == Action::Update || (step.action == Action::Open && step.object.is_some());
        let found = match step.action {
            _ if by_id => {
                let id = step.object.as_deref().unwrap_or_default();
                let found = live.into_iter().find(|seen| seen.id == id);
                if found.is_none() {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        what(),
                        format!("`{id}` with our marks is not there any more"),
                    ));
                }
                found
            }
            _ => {
                live.retain(|seen| {
                    step.action != Action::Replace || Some(&seen.id) != step.object.as_ref()
                });
                let by_token = live.iter().position(|seen| {
                    seen.tags
                        .get(marks::TOKEN)
                        .is_some_and(|mark| mark == marks::token_mark(step))
                });
                match (by_token, live.len()) {
                    (Some(at), _) => Some(live.swap_remove(at)),
                    (None, 0) => None,
                    (None, _) => {
                        let adopted = live.into_iter().find(|seen| {
                            adoptable(family.kind(), seen, &request.spec, &step.digest)
                        });
                        if adopted.is_none() && step.action == Action::Create {
                            return Err(Error::new(
                                ErrorKind::Conflict,
                                what(),
                                "an object of ours with this address is there, with other fields that can't be changed",
                            ));
                        }
                        adopted
                    }
                }
            }
        };
        // A client token stays bound to the object it made, deleted or not; another one is needed to make it again.
        let token = if gone.is_empty() {
            step.token.chars().take(64).collect()
        } else {
            let mut ids: Vec<&str> = gone.iter().map(|seen| seen.id.as_str()).collect();
            ids.sort_unstable();
            canonical::digest_bytes(format!("{}\n{}", step.token, ids.join("\n")).as_bytes())
        };
        Ok((found, token))
    }

    /// The objects of a family that carry these tags.
    async fn marked(
        &self,
        family: &dyn Family,
        ours: &[(&str, String)],
    ) -> Result<Vec<Seen>, Error> {
        let filters = ours
            .iter()
            .map(|(tag, value)| marks::tag_filter(tag, value))
            .collect();
        let mut list = family.list(&self.client, filters).await?;
        // What is ours is not decided by whether a server heeds a filter.
        list.retain(|seen| {
            ours.iter()
                .all(|(tag, value)| seen.tags.get(*tag) == Some(value))
        });
        Ok(list)
    }

    async fn by_id(&self, family: &dyn Family, id: &str) -> Result<Option<Seen>, Error> {
        let found = family
            .list(&self.client, vec![marks::filter(family.id_filter(), id)])
            .await;
        match found {
            Ok(list) => Ok(list.into_iter().find(|seen| seen.id == id)),
            Err(error) if error.kind == ErrorKind::NotYet => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn until_ready(
        &self,
        family: &dyn Family,
        address: &Address,
        id: &str,
    ) -> Result<Seen, Error> {
        let mut backoff = Backoff::new(format!("wait for {id} ({address})"), self.patience);
        loop {
            let state = match self.by_id(family, id).await? {
                Some(seen) if seen.gone => {
                    return Err(Error::new(
                        ErrorKind::Server,
                        format!("wait for {id} ({address})"),
                        format!("it went to state {}", seen.state),
                    ));
                }
                Some(seen) if seen.ready => return Ok(seen),
                Some(seen) => seen.state,
                None => "not visible".to_owned(),
            };
            backoff.next(&state).await?;
        }
    }

    async fn settle_tags(
        &self,
        address: &Address,
        seen: &Seen,
        spec: &Value,
        digest: &str,
    ) -> Result<(), Error> {
        let declared: TagMap = typed(
            address,
            spec.get("tags")
                .unwrap_or(&Value::Object(serde_json::Map::new())),
        )?;
        let mut wanted = marks::named(&declared, address);
        if !digest.is_empty() {
            wanted.insert(tags::DIGEST.to_owned(), digest.to_owned());
        }
        let missing: TagMap = wanted
            .iter()
            .filter(|(key, value)| seen.tags.get(*key) != Some(value))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let free = marks::free(&seen.tags);
        let extra: Vec<&String> = seen
            .tags
            .keys()
            .filter(|key| {
                !wanted.contains_key(*key) && (free.contains_key(*key) || *key == marks::NAMED)
            })
            .collect();
        if !missing.is_empty() {
            let call = self
                .client
                .create_tags()
                .resources(&seen.id)
                .set_tags(Some(marks::to_sdk(&missing)));
            call.send()
                .await
                .map_err(|error| failure(format!("CreateTags {address}"), error))?;
        }
        if !extra.is_empty() {
            let list = extra
                .into_iter()
                .map(|key| Tag::builder().key(key).build())
                .collect();
            let call = self
                .client
                .delete_tags()
                .resources(&seen.id)
                .set_tags(Some(list));
            call.send()
                .await
                .map_err(|error| failure(format!("DeleteTags {address}"), error))?;
        }
        Ok(())
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Open => "open",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Rotate => "rotate",
        Action::Seed => "seed",
        Action::Check => "check",
    }
}

/// Whether a found object can become the wanted one by changes in place alone.
fn adoptable(kind: &str, seen: &Seen, spec: &Value, digest: &str) -> bool {
    let Some(kind) = kinds::all().find(|entry| entry.name == kind) else {
        return false;
    };
    if !digest.is_empty() && seen.tags.get(tags::DIGEST).map(String::as_str) != Some(digest) {
        return false;
    }
    let Some(wanted) = spec.as_object() else {
        return false;
    };
    wanted
        .iter()
        .filter(|(field, _)| {
            !kind.in_place.contains(&field.as_str()) && !kind.opaque.contains(&field.as_str())
        })
        .all(|(field, value)| seen.spec.get(field) == Some(value))
}

fn observed(seen: Seen) -> Option<Observed> {
    let address: Address = seen.tags.get(tags::ADDRESS)?.parse().ok()?;
    let generation: Generation = seen.tags.get(tags::GENERATION)?.parse().ok()?;
    let mut spec = seen.spec;
    let free = marks::free(&seen.tags)
        .into_iter()
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    spec.insert("tags".to_owned(), Value::Object(free));
    Some(Observed {
        address,
        generation,
        id: seen.id,
        spec: Value::Object(spec),
        outputs: seen.outputs,
        digest: seen.tags.get(tags::DIGEST).cloned(),
        ready: seen.ready,
        marks: BTreeMap::from([(
            "token".to_owned(),
            seen.tags.get(marks::TOKEN).cloned().unwrap_or_default(),
        )]),
    })
}

#[async_trait]
impl Provider for Ec2 {
    fn name(&self) -> &'static str {
        "ec2"
    }

    fn budget(&self) -> Budget {
        // "Request throttling for the Amazon EC2 API": mutating calls refill at 5 a second with a bucket of 50 or more.
        Budget {
            concurrency: 16,
            rate: 5.0,
            burst: 50,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        provider_aws::connection::identity(&self.config).await
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let environment = [(tags::ENVIRONMENT, scope.environment.clone())];
        let lists = try_join_all(families::ALL.iter().map(|family| async {
            Ok::<_, Error>((*family, self.marked(*family, &environment).await?))
        }))
        .await?;
        let mut inventory = Inventory::default();
        let mut named: Vec<(&'static dyn Family, Vec<(&Address, &String)>)> = Vec::new();
        let mut objects = Vec::new();
        for (family, list) in lists {
            let wanted: Vec<(&Address, &String)> = scope
                .names
                .iter()
                .filter(|(address, _)| {
                    family.name_filter().is_some() && address.qualified_kind() == family.kind()
                })
                .collect();
            if !wanted.is_empty() {
                named.push((family, wanted));
            }
            // An object tagged for this environment under another kind's address is not what its tags say.
            objects.extend(
                list.into_iter()
                    .filter(|seen| !seen.gone)
                    .filter_map(observed)
                    .filter(|object| object.address.qualified_kind() == family.kind()),
            );
        }
        for (family, wanted) in named {
            let Some(filter_name) = family.name_filter() else {
                continue;
            };
            // 200 values is what a filter takes ("Filter" in the EC2 API Reference).
            for names in wanted.chunks(200) {
                let values = names.iter().map(|(_, name)| (*name).clone()).collect();
                let filter = Filter::builder()
                    .name(filter_name)
                    .set_values(Some(values))
                    .build();
                for seen in family.list(&self.client, vec![filter]).await? {
                    let name = seen
                        .spec
                        .get("name")
                        .and_then(Value::as_str)
                        .unwrap_or_default();
                    let Some((address, _)) =
                        names.iter().find(|(_, wanted)| wanted.as_str() == name)
                    else {
                        continue;
                    };
                    if let Some(why) = not_ours(
                        &seen.tags,
                        &scope.environment,
                        scope.generation.as_str(),
                        address,
                    ) {
                        inventory.foreign.push(Foreign {
                            address: (*address).clone(),
                            id: seen.id,
                            why,
                        });
                    }
                }
            }
        }
        inventory.merge(Inventory {
            objects,
            foreign: Vec::new(),
        });
        Ok(inventory)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let step = request.step;
        let family = family_of(&step.address)?;
        let (found, token) = self.find(family, &request).await?;
        let declared: TagMap = typed(
            &step.address,
            request
                .spec
                .get("tags")
                .unwrap_or(&Value::Object(serde_json::Map::new())),
        )?;
        let wanted = Wanted {
            address: &step.address,
            spec: &request.spec,
            tags: marks::all(
                &request.scope.environment,
                &request.scope.generation,
                step,
                &declared,
            ),
            token,
        };
        family.check(&wanted)?;
        let id = match found {
            Some(seen) => seen.id,
            None if step.action == Action::Open => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("open {}", step.address),
                    "what it would be added to is not there any more",
                ));
            }
            None => {
                if let (Some(filter), Some(name)) = (
                    family.name_filter(),
                    request.spec.get("name").and_then(Value::as_str),
                ) {
                    let others = family
                        .list(&self.client, vec![marks::filter(filter, name)])
                        .await?;
                    if let Some(other) = others
                        .iter()
                        .find(|seen| seen.spec.get("name").and_then(Value::as_str) == Some(name))
                    {
                        let why = not_ours(
                            &other.tags,
                            &request.scope.environment,
                            request.scope.generation.as_str(),
                            &step.address,
                        )
                        .unwrap_or_else(|| "carries our marks but other fields".to_owned());
                        return Err(Error::new(
                            ErrorKind::Foreign,
                            format!("create {}", step.address),
                            format!("`{name}` ({}) {why}", other.id),
                        ));
                    }
                }
                family.create(&self.client, &wanted).await?
            }
        };
        let seen = self.until_ready(family, &step.address, &id).await?;
        self.settle_tags(&step.address, &seen, &request.spec, &step.digest)
            .await?;
        family
            .settle(&self.client, &wanted, &seen, self.patience)
            .await?;
        Ok(self.until_ready(family, &step.address, &id).await?.outputs)
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let family = family_of(&object.address)?;
        let Some(seen) = self.by_id(family, &object.id).await? else {
            return Ok(());
        };
        let what = format!("delete {} ({})", object.address, object.id);
        let mark = |key: &str| seen.tags.get(key).map(String::as_str);
        if mark(tags::ENVIRONMENT).is_none()
            || mark(tags::ADDRESS) != Some(&object.address.to_string())
            || mark(tags::GENERATION) != Some(object.generation.as_str())
        {
            // A deleted object may have lost its tags by now.
            if seen.gone {
                return Ok(());
            }
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks",
            ));
        }
        let mut backoff = Backoff::new(what, self.patience);
        if !seen.gone {
            // What depends on it may take a moment to let go; longer than that is the executor's to retry.
            let mut tries = 0;
            loop {
                match family.delete(&self.client, &seen).await {
                    Ok(()) => break,
                    Err(error) if error.kind == ErrorKind::NotYet && tries < 5 => {
                        if self.by_id(family, &object.id).await?.is_none() {
                            return Ok(());
                        }
                        tries += 1;
                        backoff.next(&error.why).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        loop {
            match self.by_id(family, &object.id).await? {
                None => return Ok(()),
                Some(seen) if seen.gone && family.is_final(&seen) => return Ok(()),
                Some(seen) => backoff.next(&seen.state).await?,
            }
        }
    }
}

fn family_of(address: &Address) -> Result<&'static dyn Family, Error> {
    let kind = address.qualified_kind();
    families::ALL
        .iter()
        .copied()
        .find(|family| family.kind() == kind)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Invalid,
                address.to_string(),
                format!("`{kind}` is no EC2 kind"),
            )
        })
}

fn not_ours(
    seen: &TagMap,
    environment: &str,
    generation: &str,
    address: &Address,
) -> Option<String> {
    for (key, wanted) in [
        (tags::ENVIRONMENT, environment),
        (tags::GENERATION, generation),
        (tags::ADDRESS, &address.to_string()),
    ] {
        match seen.get(key) {
            None => return Some(format!("has no tag `{key}`")),
            Some(value) if value != wanted => {
                return Some(format!("has the tag `{key}` = `{value}`, not `{wanted}`"));
            }
            Some(_) => {}
        }
    }
    None
}

/// A call whose object may be gone already.
pub(crate) fn or_missing<T, E>(
    what: impl Into<String>,
    result: Result<T, aws_sdk_ec2::error::SdkError<E>>,
) -> Result<Option<T>, Error>
where
    E: aws_sdk_ec2::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(code(&error)) => Ok(None),
        Err(error) => Err(failure(what, error)),
    }
}
