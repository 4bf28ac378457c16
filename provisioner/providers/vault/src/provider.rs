//! The kind `vault.secret`, and secrets read at use.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use executor::provider::{
    Budget, Ensure, Error, ErrorKind, Identity, Provider, Scope, SecretSource,
};
use jiff::Timestamp;
use planner::identity::metadata as key;
use planner::kinds::vault::Secret;
use planner::reference::Outputs;
use planner::{Action, Foreign, Inventory, Observed};
use rustify::enums::RequestMethod;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::client::{Connection, Settings, SettingsError, plain_path};
use crate::generate::{Generated, SystemEntropy, generate};
use crate::metadata::{self, Metadata, PUBLIC, TOKEN};

/// Folders below the environment's own that are walked: the generation's and a few of its own.
const DEPTH: usize = 8;
/// Secrets of one environment that are looked at.
const MOST: usize = 10_000;

/// One Vault (or OpenBao).
pub struct Vault {
    connection: Connection,
    mounts: Vec<String>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("address", &self.connection.address)
            .field("mounts", &self.mounts)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// Prepares the client; nothing is asked yet.
    ///
    /// # Errors
    /// When address, token or CA file are of no use.
    pub fn connect(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            connection: Connection::new(settings)?,
            mounts: settings
                .mounts
                .iter()
                .map(|mount| mount.trim_matches('/').to_owned())
                .collect(),
        })
    }

    /// Paths of the audit devices (`sys/audit`, which asks for `sudo`).
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the token may not look.
    pub async fn audit_devices(&self) -> Result<Vec<String>, Error> {
        let what = "list audit devices";
        let answer = self
            .connection
            .call(what, RequestMethod::GET, "sys/audit".to_owned(), None)
            .await?;
        let devices = answer.as_ref().and_then(Value::as_object);
        Ok(devices
            .into_iter()
            .flatten()
            .filter(|(_, device)| device.get("type").is_some())
            .map(|(path, _)| path.clone())
            .collect())
    }

    async fn metadata(&self, mount: &str, path: &str) -> Result<Option<Metadata>, Error> {
        let what = format!("read metadata of {mount}/{path}");
        let answer = self
            .connection
            .call(
                &what,
                RequestMethod::GET,
                format!("{mount}/metadata/{path}"),
                None,
            )
            .await?;
        answer.map(|value| parse(&what, value)).transpose()
    }

    async fn mark(
        &self,
        mount: &str,
        path: &str,
        marks: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let what = format!("write metadata of {mount}/{path}");
        self.connection
            .send(
                &what,
                RequestMethod::POST,
                format!("{mount}/metadata/{path}"),
                Some(metadata::body(marks)),
            )
            .await
    }

    /// Writes a value if `version` is still the newest, and returns the version it became.
    async fn write(
        &self,
        mount: &str,
        path: &str,
        generated: &Generated,
        version: u64,
    ) -> Result<u64, Error> {
        let what = format!("write {mount}/{path}");
        let fields: Map<String, Value> = generated
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        let body = json!({"data": fields, "options": {"cas": version}});
        let answer = self
            .connection
            .call(
                &what,
                RequestMethod::POST,
                format!("{mount}/data/{path}"),
                Some(body),
            )
            .await?;
        answer
            .as_ref()
            .and_then(|answer| answer.get("version"))
            .and_then(Value::as_u64)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Unavailable,
                    what,
                    "the answer names no version: is the mount there, and of KV version 2?",
                )
            })
    }

    /// Every path below `folder` with its metadata: one call a folder where the server lists metadata, one a secret elsewhere.
    async fn walk(&self, mount: &str, folder: String) -> Result<Vec<(String, Metadata)>, Error> {
        let (mut found, mut folders, mut detailed) = (Vec::new(), vec![(folder, 0)], true);
        while let Some((folder, depth)) = folders.pop() {
            let what = format!("list {mount}/{folder}");
            let listing = if detailed {
                match self
                    .connection
                    .call(
                        &what,
                        RequestMethod::LIST,
                        format!("{mount}/detailed-metadata/{folder}"),
                        None,
                    )
                    .await
                {
                    Ok(Some(listing)) => Some(listing),
                    // An empty folder and a path that the server does not know look alike, and so does one no policy speaks of.
                    Ok(None) => {
                        self.connection
                            .call(
                                &what,
                                RequestMethod::LIST,
                                format!("{mount}/metadata/{folder}"),
                                None,
                            )
                            .await?
                    }
                    Err(error)
                        if matches!(
                            error.kind,
                            ErrorKind::Unavailable | ErrorKind::Denied | ErrorKind::Invalid
                        ) =>
                    {
                        detailed = false;
                        self.connection
                            .call(
                                &what,
                                RequestMethod::LIST,
                                format!("{mount}/metadata/{folder}"),
                                None,
                            )
                            .await?
                    }
                    Err(error) => return Err(error),
                }
            } else {
                self.connection
                    .call(
                        &what,
                        RequestMethod::LIST,
                        format!("{mount}/metadata/{folder}"),
                        None,
                    )
                    .await?
            };
            let Some(listing) = listing else { continue };
            for name in listing
                .get("keys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                let path = format!("{folder}{name}");
                if name.ends_with('/') {
                    if depth < DEPTH {
                        folders.push((path, depth + 1));
                    }
                    continue;
                }
                let details = listing
                    .get("key_info")
                    .and_then(|info| info.get(name))
                    .cloned();
                let metadata = match details {
                    Some(details) => Some(parse(&what, details)?),
                    None => self.metadata(mount, &path).await?,
                };
                found.extend(metadata.map(|metadata| (path, metadata)));
                if found.len() > MOST {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        what,
                        format!("more than {MOST} secrets"),
                    ));
                }
            }
        }
        Ok(found)
    }
}

fn parse(what: &str, value: Value) -> Result<Metadata, Error> {
    serde_json::from_value(value).map_err(|error| {
        Error::new(
            ErrorKind::Server,
            what,
            format!("the metadata can't be read: {error}"),
        )
    })
}

#[async_trait]
impl Provider for Vault {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn budget(&self) -> Budget {
        Budget {
            concurrency: 8,
            rate: 50.0,
            burst: 20,
        }
    }

    async fn identity(&self) -> Result<Identity, Error> {
        let what = "look at Vault's health";
        let health = self.connection.health().await?;
        let flag = |name: &str| health.get(name).and_then(Value::as_bool);
        if flag("initialized") == Some(false) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                what,
                format!("{} is not initialized", self.connection.address),
            ));
        }
        if flag("sealed") != Some(false) {
            return Err(Error::new(
                ErrorKind::Unavailable,
                what,
                format!("{} is sealed", self.connection.address),
            ));
        }
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut places = BTreeMap::from([("vault".to_owned(), self.connection.address.clone())]);
        places.extend(text(&health, "cluster_id").map(|id| ("vault-cluster".to_owned(), id)));
        let who = "look up Vault's token";
        let token = self
            .connection
            .call(
                who,
                RequestMethod::GET,
                "auth/token/lookup-self".to_owned(),
                None,
            )
            .await
            .map_err(|error| match error.kind {
                // Every valid token may look itself up (policy `default`); Vault says "permission denied" of unknown ones.
                ErrorKind::Denied => Error::new(
                    ErrorKind::Unauthenticated,
                    error.what,
                    format!("the token is not valid here: {}", error.why),
                ),
                _ => error,
            })?;
        let token =
            token.ok_or_else(|| Error::new(ErrorKind::Server, who, "the answer is empty"))?;
        let policies: Vec<&str> = token
            .get("policies")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        Ok(Identity {
            places,
            principal: format!(
                "{} ({})",
                text(&token, "display_name").unwrap_or_else(|| "token".to_owned()),
                policies.join(", ")
            ),
            version: text(&health, "version"),
            clock_skew: health
                .get("server_time_utc")
                .and_then(Value::as_i64)
                .map(|server| server - Timestamp::now().as_second()),
        })
    }

    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        for mount in &self.mounts {
            for (path, metadata) in self
                .walk(mount, format!("rebuild/{}/", scope.environment))
                .await?
            {
                if let Some(observed) = metadata.observed(&scope.environment, mount, &path) {
                    inventory.objects.push(observed);
                } else if !metadata.is_blank() {
                    let id = format!("{mount}/{path}");
                    let wanted = scope.names.iter().find(|(address, name)| {
                        address.provider() == "vault" && (**name == path || **name == id)
                    });
                    inventory.foreign.extend(wanted.map(|(address, _)| Foreign {
                        address: address.clone(),
                        id: id.clone(),
                        why: "its custom metadata has no marks of ours".to_owned(),
                    }));
                }
            }
        }
        let mut sorted = Inventory::default();
        sorted.merge(inventory);
        Ok(sorted)
    }

    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error> {
        let (step, scope) = (request.step, request.scope);
        let what = format!("make {}", step.address);
        let invalid = |why: String| Error::new(ErrorKind::Invalid, what.clone(), why);
        if step.address.kind() != "secret" {
            return Err(invalid(format!(
                "`{}` is no kind of Vault's",
                step.address.kind()
            )));
        }
        let secret: Secret = serde_json::from_value(request.spec.clone())
            .map_err(|error| invalid(error.to_string()))?;
        let (mount, path) = (secret.mount.trim_matches('/'), secret.path.as_str());
        if !plain_path(mount) || !plain_path(path) {
            return Err(invalid(format!(
                "`{mount}/{path}` is no plain path: letters, digits and `-_.~@/`"
            )));
        }
        let found = self.metadata(mount, path).await?.unwrap_or_default();
        let ours = found.is_of(&scope.environment, &scope.generation, &step.address);
        if !ours && !found.is_blank() {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                format!(
                    "{mount}/{path} is there and does not carry the marks of this generation's {}",
                    step.address
                ),
            ));
        }
        let renew = match step.action {
            Action::Rotate | Action::Replace => found.mark(TOKEN) != Some(step.token.as_str()),
            _ => found.has_value() && found.mark(key::DIGEST).unwrap_or("") != step.digest,
        };
        if found.has_value() && !renew {
            return Ok(found.outputs(mount, path));
        }
        let generated = generate(&secret.generator, &mut SystemEntropy, Timestamp::now())
            .map_err(|error| invalid(error.to_string()))?;
        let mut marks = BTreeMap::from([
            (key::ENVIRONMENT.to_owned(), scope.environment.clone()),
            (key::GENERATION.to_owned(), scope.generation.to_string()),
            (key::ADDRESS.to_owned(), step.address.to_string()),
            (TOKEN.to_owned(), step.token.clone()),
        ]);
        if !step.digest.is_empty() {
            marks.insert(key::DIGEST.to_owned(), step.digest.clone());
        }
        for (output, name) in PUBLIC {
            marks.extend(
                generated
                    .public
                    .get(output)
                    .map(|value| (name.to_owned(), value.clone())),
            );
        }
        // A first value is marked before it is there, so that it is never without an owner. A renewed one is marked after: broken off
        // between the two, the rotation is done again rather than taken for done.
        let version = if found.has_value() {
            let version = self
                .write(mount, path, &generated, found.current_version)
                .await?;
            self.mark(mount, path, &marks).await?;
            version
        } else {
            self.mark(mount, path, &marks).await?;
            self.write(mount, path, &generated, found.current_version)
                .await?
        };
        let written = Metadata {
            current_version: version,
            custom_metadata: Some(marks),
            ..Metadata::default()
        };
        Ok(written.outputs(mount, path))
    }

    async fn remove(&self, object: &Observed) -> Result<(), Error> {
        let what = format!("remove {} ({})", object.address, object.id);
        let field = |name: &str| {
            object
                .spec
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| plain_path(text))
        };
        let (Some(mount), Some(path)) = (field("mount"), field("path")) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "it names no plain mount and path",
            ));
        };
        let Some(found) = self.metadata(mount, path).await? else {
            return Ok(());
        };
        let environment = object
            .marks
            .get("environment")
            .map(String::as_str)
            .or(found.mark(key::ENVIRONMENT))
            .unwrap_or("");
        if environment.is_empty() || !found.is_of(environment, &object.generation, &object.address)
        {
            return Err(Error::new(
                ErrorKind::Foreign,
                what,
                "it does not carry our marks any more",
            ));
        }
        self.connection
            .send(
                &what,
                RequestMethod::DELETE,
                format!("{mount}/metadata/{path}"),
                None,
            )
            .await
    }
}

#[async_trait]
impl SecretSource for Vault {
    async fn read(&self, mount: &str, path: &str, field: &str) -> Result<SecretString, Error> {
        let mount = mount.trim_matches('/');
        let what = format!("read {field} of {mount}/{path}");
        if !plain_path(mount) || !plain_path(path) {
            return Err(Error::new(
                ErrorKind::Invalid,
                what,
                "it is no plain path: letters, digits and `-_.~@/`",
            ));
        }
        let answer = self
            .connection
            .call(
                &what,
                RequestMethod::GET,
                format!("{mount}/data/{path}"),
                None,
            )
            .await?;
        let missing = || Error::new(ErrorKind::NotFound, what.clone(), "there is no such secret");
        let mut answer = answer.ok_or_else(missing)?;
        match answer
            .get_mut("data")
            .and_then(|data| data.get_mut(field))
            .map(Value::take)
        {
            Some(Value::String(text)) => Ok(SecretString::from(text)),
            Some(_) => Err(Error::new(ErrorKind::Invalid, what, "the field is no text")),
            None if answer.get("data").is_none_or(Value::is_null) => Err(missing()),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                what,
                "the secret has no such field",
            )),
        }
    }
}
