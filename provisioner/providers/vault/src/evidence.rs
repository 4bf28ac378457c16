//! What a Vault is set to and has issued, as evidence. Reading only, and never a value: accessors and lease ids, which act on what they name,
//! are replaced by fingerprints.

use std::collections::BTreeSet;

use ::evidence::collect::{Collector, Mask, Shelf, part};
use async_trait::async_trait;
use executor::provider::{Error, ErrorKind};
use futures::StreamExt;
use planner::Generation;
use rustify::enums::RequestMethod;
use serde_json::{Map, Value, json};

use crate::client::{Connection, Settings, SettingsError, plain_path};

const SERVICE: &str = "vault";
/// Tokens, leases and secrets that are looked at.
const MOST: usize = 100_000;
/// Folders in one another.
const DEPTH: usize = 16;
/// Questions under way at once.
const AT_ONCE: usize = 8;
/// Settings of the server, and what they are called in the bundle.
const SETTINGS: [(&str, &str); 4] = [
    ("mounts", "sys/mounts"),
    ("auth-methods", "sys/auth"),
    ("audit-devices", "sys/audit"),
    ("password-policies", "sys/policies/password?list=true"),
];
/// What is kept of a token; everything else could let somebody in.
const TOKEN: [&str; 18] = [
    "creation_time",
    "creation_ttl",
    "display_name",
    "entity_id",
    "expire_time",
    "explicit_max_ttl",
    "identity_policies",
    "issue_time",
    "last_renewal",
    "num_uses",
    "orphan",
    "path",
    "period",
    "policies",
    "renewable",
    "role",
    "ttl",
    "type",
];

/// One Vault as a place that evidence comes from.
pub struct VaultEvidence {
    connection: Connection,
    mounts: Vec<String>,
    environment: String,
    generations: BTreeSet<Generation>,
    mask: Mask,
}

impl VaultEvidence {
    /// Prepares it; nothing is asked yet. Metadata is read of every secret of `settings.mounts`; `generations` counts those of `environment`
    /// only, which an empty set does not narrow.
    ///
    /// # Errors
    /// When the settings can't be used.
    pub fn new(
        settings: &Settings,
        environment: &str,
        generations: BTreeSet<Generation>,
        mask: Mask,
    ) -> Result<Self, SettingsError> {
        Ok(Self {
            connection: Connection::new(settings)?,
            mounts: settings.mounts.clone(),
            environment: environment.to_owned(),
            generations,
            mask,
        })
    }

    async fn ask(
        &self,
        method: RequestMethod,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Error> {
        let what = format!("ask {path}");
        let answer = self
            .connection
            .call(&what, method, path.to_owned(), body)
            .await?;
        Ok(answer.unwrap_or(Value::Null))
    }

    async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let answer = self.ask(RequestMethod::LIST, path, None).await?;
        let keys = answer.get("keys").and_then(Value::as_array);
        let keys = keys.into_iter().flatten().filter_map(Value::as_str);
        Ok(keys.map(str::to_owned).collect())
    }

    async fn policies(&self, shelf: &Shelf) {
        let call = "LIST sys/policies/acl";
        let names = match self.list("sys/policies/acl").await {
            Ok(names) => names,
            Err(error) => return shelf.missing("policies", call, SERVICE, &error).await,
        };
        shelf.put("policies", call, SERVICE, &names).await;
        for name in names.iter().take(MOST) {
            let file = format!("policies/{}", part(name));
            let call = format!("GET sys/policies/acl/{name}");
            if !plain_path(name) {
                let why = "its name can't stand in a path";
                shelf.missing(&file, &call, SERVICE, &why).await;
                continue;
            }
            let path = format!("sys/policies/acl/{name}");
            let answer = self.ask(RequestMethod::GET, &path, None).await;
            shelf.keep(&file, &call, SERVICE, answer).await;
        }
    }

    /// What is known of every token, but not what acts on it.
    async fn tokens(&self, shelf: &Shelf) {
        let call = "LIST auth/token/accessors";
        let accessors = match self.list("auth/token/accessors").await {
            Ok(accessors) => accessors,
            Err(error) => return shelf.missing("tokens", call, SERVICE, &error).await,
        };
        if accessors.len() > MOST {
            let why = format!("there are more than {MOST}; these were looked at");
            shelf.missing("tokens-rest", call, SERVICE, &why).await;
        }
        let asked = accessors.into_iter().take(MOST).map(|accessor| async move {
            let path = "auth/token/lookup-accessor";
            let body = json!({ "accessor": accessor });
            let answer = self.ask(RequestMethod::POST, path, Some(body)).await;
            (self.mask.of(accessor.as_bytes()), answer)
        });
        let mut asked = futures::stream::iter(asked).buffered(AT_ONCE);
        let (mut tokens, mut refused) = (Vec::new(), Vec::new());
        while let Some((accessor, answer)) = asked.next().await {
            match answer {
                Ok(Value::Null) => {}
                // Gone since it was listed.
                Err(error) if error.why.contains("invalid accessor") => {}
                Err(error) => refused.push(error),
                Ok(found) => {
                    let mut token: Map<String, Value> = TOKEN
                        .iter()
                        .filter_map(|field| Some(((*field).to_owned(), found.get(*field)?.clone())))
                        .collect();
                    // Who logged in, as the auth method tells it.
                    if let Some(meta) = found.get("meta").and_then(Value::as_object) {
                        let masked = meta.iter().map(|(name, value)| {
                            let plain = matches!(name.as_str(), "role" | "role_name" | "username")
                                || name.starts_with("service_account_n");
                            let kept = match (plain, value.as_str()) {
                                (true, _) => value.clone(),
                                (false, Some(text)) => json!(self.mask.of(text.as_bytes())),
                                (false, None) => Value::Null,
                            };
                            (name.clone(), kept)
                        });
                        token.insert("meta".to_owned(), Value::Object(masked.collect()));
                    }
                    token.insert("accessor".to_owned(), json!(accessor));
                    tokens.push(Value::Object(token));
                }
            }
        }
        shelf.put("tokens", call, SERVICE, &tokens).await;
        if let Some(first) = refused.first() {
            let why = format!("{} tokens could not be looked at: {first}", refused.len());
            shelf.missing("tokens-unread", call, SERVICE, &why).await;
        }
    }

    /// Every name below a path, walked folder by folder, up to a limit.
    async fn walk(&self, root: &str) -> (Vec<(String, String)>, Vec<Error>) {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        let mut folders = vec![(String::new(), 0)];
        let refuse = |folder: &str, why: String| {
            Error::new(ErrorKind::Invalid, format!("list {root}/{folder}"), why)
        };
        while let Some((folder, depth)) = folders.pop() {
            if depth > DEPTH {
                errors.push(refuse(&folder, format!("more than {DEPTH} folders deep")));
                continue;
            }
            let keys = match self.list(&format!("{root}/{folder}")).await {
                Ok(keys) => keys,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            for key in keys {
                if found.len() + folders.len() >= MOST {
                    errors.push(refuse(&folder, format!("there are more than {MOST}")));
                    return (found, errors);
                }
                match key.strip_suffix('/') {
                    Some(below) if !plain_path(below) => {
                        errors.push(refuse(&folder, "a name can't stand in a path".to_owned()));
                    }
                    Some(below) => folders.push((format!("{folder}{below}/"), depth + 1)),
                    None => found.push((folder.clone(), key)),
                }
            }
        }
        found.sort();
        (found, errors)
    }

    /// Paths that have leases, and how many.
    async fn leases(&self, shelf: &Shelf) {
        let call = "LIST sys/leases/lookup";
        let (found, errors) = self.walk("sys/leases/lookup").await;
        let mut paths: Map<String, Value> = Map::new();
        for (folder, id) in found {
            let ids = paths.entry(folder).or_insert_with(|| json!([]));
            if let Some(ids) = ids.as_array_mut() {
                ids.push(json!(self.mask.of(id.as_bytes())));
            }
        }
        shelf.put("leases", call, SERVICE, &paths).await;
        unread(shelf, "leases", call, &errors).await;
    }

    /// Metadata of every secret: who made it when, in how many versions. No right to read values is needed.
    async fn secrets(&self, shelf: &Shelf, mount: &str) {
        let (name, call) = (
            format!("kv/{}", part(mount)),
            format!("LIST {mount}/metadata"),
        );
        if !plain_path(mount) {
            let why = "its name can't stand in a path";
            return shelf.missing(&name, &call, SERVICE, &why).await;
        }
        let root = format!("{mount}/metadata");
        let (found, mut errors) = self.walk(&root).await;
        let asked = found.into_iter().map(|(folder, key)| {
            let path = format!("{folder}{key}");
            let root = &root;
            async move {
                let answer = match plain_path(&path) {
                    true => {
                        self.ask(RequestMethod::GET, &format!("{root}/{path}"), None)
                            .await
                    }
                    false => Err(Error::new(
                        ErrorKind::Invalid,
                        format!("read {root}"),
                        "a name can't stand in a path",
                    )),
                };
                (path, answer)
            }
        });
        let mut asked = futures::stream::iter(asked).buffered(AT_ONCE);
        let mut secrets = Map::new();
        while let Some((path, answer)) = asked.next().await {
            match answer {
                Ok(mut found) => {
                    self.mask_custom(&mut found);
                    secrets.insert(path, found);
                }
                Err(error) => errors.push(error),
            }
        }
        shelf.put(&name, &call, SERVICE, &secrets).await;
        unread(shelf, &name, &call, &errors).await;
    }

    /// Anybody may have written a value into a secret's metadata: only our own marks are kept as they are.
    fn mask_custom(&self, found: &mut Value) {
        let custom = found
            .get_mut("custom_metadata")
            .and_then(Value::as_object_mut);
        for (name, value) in custom.into_iter().flatten() {
            if !name.starts_with("rebuild_") {
                let text = value.as_str().unwrap_or_default();
                *value = json!(self.mask.of(text.as_bytes()));
            }
        }
    }
}

async fn unread(shelf: &Shelf, name: &str, call: &str, errors: &[Error]) {
    if let Some(first) = errors.first() {
        let why = format!("{} parts could not be read: {first}", errors.len());
        shelf
            .missing(&format!("{name}-unread"), call, SERVICE, &why)
            .await;
    }
}

#[async_trait]
impl Collector for VaultEvidence {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        let mut generations = BTreeSet::new();
        for mount in &self.mounts {
            let root = format!("{mount}/metadata/rebuild/{}", self.environment);
            // Secrets lie below `rebuild/ENVIRONMENT/GENERATION`.
            let keys = self.list(&root).await.map_err(|error| error.to_string())?;
            let found = keys
                .iter()
                .filter_map(|key| key.trim_end_matches('/').parse::<Generation>().ok());
            generations.extend(
                found.filter(|found| {
                    self.generations.is_empty() || self.generations.contains(found)
                }),
            );
        }
        Ok(generations.iter().map(Generation::to_string).collect())
    }

    async fn collect(&self, shelf: &Shelf) {
        match self.connection.health().await {
            Ok(health) => {
                let sealed = health.get("sealed") == Some(&Value::Bool(true));
                shelf
                    .put("health", "GET sys/health", SERVICE, &health)
                    .await;
                if sealed {
                    let why = "Vault is sealed: nothing else can be read";
                    return shelf
                        .missing("settings", "GET sys/mounts", SERVICE, &why)
                        .await;
                }
            }
            Err(error) => {
                return shelf
                    .missing("health", "GET sys/health", SERVICE, &error)
                    .await;
            }
        }
        for (name, path) in SETTINGS {
            let (method, path) = match path.strip_suffix("?list=true") {
                Some(path) => (RequestMethod::LIST, path),
                None => (RequestMethod::GET, path),
            };
            let answer = self.ask(method, path, None).await;
            shelf
                .keep(name, &format!("GET {path}"), SERVICE, answer)
                .await;
        }
        self.policies(shelf).await;
        self.tokens(shelf).await;
        self.leases(shelf).await;
        for mount in &self.mounts {
            self.secrets(shelf, mount).await;
        }
    }
}
