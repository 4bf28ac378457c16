//! Cuts off what was issued: leases by prefix, tokens by where they were made.
//!
//! Leases and tokens go one by one, by id and accessor: revoking by prefix would take the operator's own token with them where that was made
//! below the same path.

use std::collections::BTreeMap;

use async_trait::async_trait;
use containment::{Barrier, Item, State, Survey};
use executor::provider::{Error, ErrorKind};
use futures::StreamExt;
use rustify::enums::RequestMethod;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::client::{Connection, Settings, SettingsError, plain_path};

/// Leases in one item.
const CHUNK: usize = 100;
/// Leases and tokens that are looked at.
const MOST: usize = 100_000;
/// How deep the paths of leases may go.
const DEPTH: usize = 16;
/// Questions and revocations under way at once.
const AT_ONCE: usize = 8;

/// What of a Vault is revoked.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Leases below one of these whole paths: `database/creds/api`.
    pub leases: Vec<String>,
    /// Tokens made by paths that begin with one of these: `auth/kubernetes/login`.
    pub tokens: Vec<String>,
    /// Tokens with one of these policies are left alone, as are root tokens and the one that asks.
    pub keep_policies: Vec<String>,
}

/// One Vault as a place that can be closed.
pub struct VaultBarrier {
    connection: Connection,
    reach: Reach,
    /// What an item stands for. Accessors and lease ids are what revokes them, so neither is written down.
    known: Mutex<BTreeMap<String, Vec<String>>>,
}

impl VaultBarrier {
    /// Prepares it; nothing is asked yet.
    ///
    /// # Errors
    /// When the settings can't be used.
    pub fn new(settings: &Settings, reach: Reach) -> Result<Self, SettingsError> {
        Ok(Self {
            connection: Connection::new(settings)?,
            reach,
            known: Mutex::default(),
        })
    }

    async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        let method = RequestMethod::LIST;
        let what = format!("list {path}");
        let answer = self
            .connection
            .call(&what, method, path.to_owned(), None)
            .await?;
        let keys = answer.as_ref().and_then(|answer| answer["keys"].as_array());
        let keys = keys.into_iter().flatten().filter_map(Value::as_str);
        Ok(keys.map(str::to_owned).collect())
    }

    /// Ids of all leases below a prefix, walked folder by folder.
    async fn leases(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let refused =
            |why: String| Error::new(ErrorKind::Invalid, format!("leases of {prefix}"), why);
        let root = prefix.trim_matches('/');
        if !plain_path(root) {
            return Err(refused("the prefix is no path".to_owned()));
        }
        let mut found = Vec::new();
        let mut folders = vec![(root.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth > DEPTH {
                return Err(refused(format!("more than {DEPTH} folders deep")));
            }
            for key in self.list(&format!("sys/leases/lookup/{folder}/")).await? {
                match key.strip_suffix('/') {
                    Some(below) => folders.push((format!("{folder}/{below}"), depth + 1)),
                    None => found.push(format!("{folder}/{key}")),
                }
            }
            if found.len() > MOST {
                return Err(refused(format!("there are more than {MOST}")));
            }
        }
        found.sort();
        Ok(found)
    }

    async fn lease_items(&self, survey: &mut Survey) {
        for prefix in &self.reach.leases {
            let leases = match self.leases(prefix).await {
                Ok(leases) => leases,
                Err(error) => {
                    survey.unread.push(error);
                    continue;
                }
            };
            let mut known = self.known.lock().await;
            for chunk in leases.chunks(CHUNK) {
                let id = format!(
                    "vault.leases/{}/{}",
                    prefix.trim_matches('/'),
                    short(&chunk[0])
                );
                known.insert(id.clone(), chunk.to_vec());
                survey.items.push(Item {
                    id,
                    what: format!("{} leases of {prefix}", chunk.len()),
                    action: "revoke".to_owned(),
                    wave: 0,
                    state: State::Open,
                    before: json!({ "prefix": prefix, "leases": chunk.len() }),
                    undo: "can't be taken back: who may have such credentials asks for new ones"
                        .to_owned(),
                });
            }
        }
    }

    async fn token_items(&self, survey: &mut Survey) -> Result<(), Error> {
        if self.reach.tokens.is_empty() {
            return Ok(());
        }
        let call = |method, path: &str, body| {
            let path = path.to_owned();
            async move {
                let what = format!("ask {path}");
                self.connection.call(&what, method, path, body).await
            }
        };
        let own = call(RequestMethod::GET, "auth/token/lookup-self", None)
            .await?
            .and_then(|own| own["accessor"].as_str().map(str::to_owned));
        let accessors = self.list("auth/token/accessors").await?;
        if accessors.len() > MOST {
            survey.unread.push(Error::new(
                ErrorKind::Invalid,
                "list auth/token/accessors",
                format!("there are more than {MOST} tokens; these were looked at"),
            ));
        }
        let asked = accessors
            .into_iter()
            .take(MOST)
            .filter(|accessor| Some(accessor) != own.as_ref())
            .map(|accessor| async move {
                let body = json!({ "accessor": accessor });
                let path = "auth/token/lookup-accessor";
                let answer = call(RequestMethod::POST, path, Some(body)).await;
                (accessor, answer)
            });
        let mut answers = futures::stream::iter(asked).buffered(AT_ONCE);
        let mut known = self.known.lock().await;
        while let Some((accessor, answer)) = answers.next().await {
            let token = match answer {
                Ok(Some(token)) => token,
                // Gone since it was listed; the server answers so with 403 or 404, by its version.
                Ok(None) => continue,
                Err(error) if error.why.contains("invalid accessor") => continue,
                Err(error) => {
                    survey.unread.push(error);
                    continue;
                }
            };
            if let Some(item) = self.token(&accessor, &token) {
                known.insert(item.id.clone(), vec![accessor]);
                survey.items.push(item);
            }
        }
        Ok(())
    }

    fn token(&self, accessor: &str, token: &Value) -> Option<Item> {
        let text = |field: &str| token[field].as_str().unwrap_or_default();
        let path = text("path");
        let within = |prefix: &String| path.starts_with(prefix.trim_start_matches('/'));
        if !self.reach.tokens.iter().any(within) {
            return None;
        }
        let policies: Vec<&str> = ["policies", "identity_policies"]
            .iter()
            .filter_map(|field| token[*field].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let kept = policies.iter().any(|policy| {
            *policy == "root" || self.reach.keep_policies.iter().any(|kept| kept == policy)
        });
        if kept {
            return None;
        }
        let made = token["creation_time"]
            .as_i64()
            .and_then(|second| jiff::Timestamp::from_second(second).ok())
            .map_or(String::new(), |made| format!(", made {made}"));
        Some(Item {
            id: format!("vault.token/{}", short(accessor)),
            what: format!(
                "token {} of {path} with {}{made}",
                text("display_name"),
                policies.join(", ")
            ),
            action: "revoke".to_owned(),
            wave: 1,
            state: State::Open,
            before: json!({ "display_name": text("display_name"), "path": path, "policies": policies }),
            undo: "can't be taken back: who may have one logs in anew".to_owned(),
        })
    }
}

/// Tells things apart without saying what they are.
fn short(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

#[async_trait]
impl Barrier for VaultBarrier {
    fn name(&self) -> &'static str {
        "vault"
    }

    async fn survey(&self) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let health = self.connection.health().await?;
        if health["sealed"] == true {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "look at Vault",
                "it is sealed: nobody gets anything from it, and nothing can be revoked",
            ));
        }
        self.lease_items(&mut survey).await;
        if let Err(error) = self.token_items(&mut survey).await {
            survey.unread.push(error);
        }
        Ok(survey)
    }

    async fn close(&self, item: &Item) -> Result<(), Error> {
        let what = format!("{} {}", item.action, item.id);
        let known = self.known.lock().await.get(&item.id).cloned();
        let ids = known.ok_or_else(|| {
            let why = "it was not looked at in this run";
            Error::new(ErrorKind::Invalid, what.clone(), why)
        })?;
        let (path, field) = match item.id.starts_with("vault.token/") {
            true => ("auth/token/revoke-accessor", "accessor"),
            false => ("sys/leases/revoke", "lease_id"),
        };
        let mut revoked = futures::stream::iter(ids)
            .map(|id| {
                let body = json!({ field: id });
                let sent =
                    self.connection
                        .send(&what, RequestMethod::POST, path.to_owned(), Some(body));
                async move {
                    match sent.await {
                        // Gone since it was looked at.
                        Err(error)
                            if error.why.contains("invalid accessor")
                                || error.why.contains("invalid lease") =>
                        {
                            Ok(())
                        }
                        ended => ended,
                    }
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut ended = Ok(());
        while let Some(result) = revoked.next().await {
            ended = ended.and(result);
        }
        ended
    }
}
