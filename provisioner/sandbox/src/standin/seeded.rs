//! What a rebuild left behind: pods, keys, and the seeded chain.

use std::fmt;
use std::sync::Arc;

use backup::{Options, Verdict, Verifier, Word};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::http::Api;
use crate::s3::S3;

/// The label of everything that a rebuild makes in Kubernetes.
const OWNED: &str = "rebuild.dev/environment";
/// Says where the seeded object is: `bucket` and `key`.
const SEED: &str = "rebuild-seed";
/// Holds the keys under the names of the service's variables.
const SECRET: &str = "natlangchain-secrets";
const API_KEY: &str = "NATLANGCHAIN_API_KEY";
const DATA_KEY: &str = "NATLANGCHAIN_ENCRYPTION_KEY";
/// The stand-in reads chains of this size at most.
const LIMIT: u64 = 256 << 20;

/// Looks things up.
pub(super) struct Lookup {
    kubernetes: Api,
    objects: S3,
    /// The last chain that was read: verifying takes a second, and checks come in threes.
    last: Mutex<Option<(Identity, Arc<Seeded>)>>,
}

/// What a reading depends on. The entity tag is of the content.
#[derive(PartialEq, Eq)]
struct Identity {
    place: Place,
    etag: String,
}

/// A namespace's keys, and where its chain is.
#[derive(PartialEq, Eq)]
pub(super) struct Place {
    namespace: String,
    bucket: String,
    key: String,
    api_key: String,
    data_key: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Place {
    pub(super) fn api_key(&self) -> &str {
        &self.api_key
    }
}

/// A chain that was read and verified.
#[derive(Debug)]
pub(super) struct Seeded {
    pub(super) namespace: String,
    pub(super) verdict: Verdict,
}

impl Seeded {
    /// What the service calls valid: hashes and links hold.
    pub(super) fn valid(&self) -> bool {
        self.verdict.verdict != Word::Rejected
    }
}

/// A reason why something can't be answered, for the answer.
type Why = String;

impl Lookup {
    pub(super) fn new(kubernetes: Api, objects: S3) -> Self {
        Self {
            kubernetes,
            objects,
            last: Mutex::new(None),
        }
    }

    /// The chain of a namespace, or of the newest.
    pub(super) async fn seeded(&self, namespace: Option<&str>) -> Result<Arc<Seeded>, Why> {
        let place = self.place(namespace).await?;
        self.read(&place).await
    }

    /// Finds the namespace, a ready pod in it, its keys and where its chain is.
    pub(super) async fn place(&self, namespace: Option<&str>) -> Result<Place, Why> {
        let list = self
            .kubernetes(&format!("/api/v1/namespaces?labelSelector={OWNED}"))
            .await?;
        let namespace = choose(&list, namespace)?;
        let base = format!("/api/v1/namespaces/{namespace}");
        let pods = self.kubernetes(&format!("{base}/pods")).await?;
        if !any_ready(&pods) {
            return Err(format!("no pod of namespace {namespace} is ready"));
        }
        let seed = self
            .kubernetes(&format!("{base}/configmaps/{SEED}"))
            .await?;
        let secret = self.kubernetes(&format!("{base}/secrets/{SECRET}")).await?;
        let of_seed = |field: &str| {
            let value = seed["data"][field].as_str().map(str::to_owned);
            value.ok_or_else(|| format!("ConfigMap {namespace}/{SEED} has no {field}"))
        };
        let of_secret = |field: &str| {
            let encoded = secret["data"][field].as_str().unwrap_or_default();
            let value = STANDARD.decode(encoded).ok().filter(|it| !it.is_empty());
            value
                .and_then(|value| String::from_utf8(value).ok())
                .ok_or_else(|| format!("Secret {namespace}/{SECRET} has no {field}"))
        };
        Ok(Place {
            bucket: of_seed("bucket")?,
            key: of_seed("key")?,
            api_key: of_secret(API_KEY)?,
            data_key: of_secret(DATA_KEY)?,
            namespace,
        })
    }

    /// Reads and verifies the chain, unless it is the one read last.
    pub(super) async fn read(&self, place: &Place) -> Result<Arc<Seeded>, Why> {
        let Place {
            bucket,
            key,
            data_key,
            namespace,
            api_key: _,
        } = place;
        let plain = |it: &str| {
            !it.is_empty()
                && it
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        };
        if !plain(bucket) || !plain(key) {
            return Err(format!(
                "ConfigMap {namespace}/{SEED} names no plain object"
            ));
        }
        let mut last = self.last.lock().await;
        let mut response = self
            .objects
            .open(&format!("/{bucket}/{key}"))
            .await
            .map_err(|error| error.to_string())?;
        let etag = response
            .headers()
            .get("etag")
            .and_then(|etag| etag.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        if let Some((identity, seeded)) = &*last
            && !etag.is_empty()
            && identity.etag == etag
            && identity.place == *place
        {
            return Ok(Arc::clone(seeded));
        }
        let broken =
            |error: &dyn fmt::Display| format!("{bucket}/{key} could not be read: {error}");
        let mut content = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| broken(&error.without_url()))?
        {
            content.extend_from_slice(&chunk);
            if content.len() as u64 > LIMIT {
                return Err(format!("{bucket}/{key} is larger than {LIMIT} bytes"));
            }
        }
        let options =
            Options::at(Timestamp::now().as_second()).with_passphrase(data_key.as_str().into());
        let verified = tokio::task::spawn_blocking(move || {
            let mut verifier = Verifier::new(options);
            verifier.push(&content);
            verifier.finish()
        })
        .await
        .map_err(|error| broken(&error))?
        .map_err(|error| broken(&error))?;
        if !verified
            .verdict
            .format
            .is_some_and(backup::Wrapping::is_encrypted)
        {
            return Err(format!("{bucket}/{key} is not encrypted"));
        }
        let seeded = Arc::new(Seeded {
            namespace: namespace.clone(),
            verdict: verified.verdict,
        });
        let identity = Identity {
            etag,
            place: Place {
                namespace: namespace.clone(),
                bucket: bucket.clone(),
                key: key.clone(),
                api_key: place.api_key.clone(),
                data_key: data_key.clone(),
            },
        };
        *last = Some((identity, Arc::clone(&seeded)));
        Ok(seeded)
    }

    async fn kubernetes(&self, path: &str) -> Result<Value, Why> {
        let answer = self.kubernetes.get(path).await;
        answer
            .and_then(|answer| answer.expect(&[])?.json())
            .map_err(|error| error.to_string())
    }
}

/// The namespace asked for if it is one of ours, else the newest of ours.
fn choose(list: &Value, asked: Option<&str>) -> Result<String, Why> {
    let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
    let ours = items
        .iter()
        .map(|item| &item["metadata"])
        .filter(|metadata| metadata["deletionTimestamp"].is_null())
        .filter_map(|metadata| {
            // RFC 3339 in UTC, to the second: the order of the texts is the order in time.
            let created = metadata["creationTimestamp"].as_str().unwrap_or_default();
            Some((created, metadata["name"].as_str()?))
        });
    let found = match asked {
        Some(asked) => ours.into_iter().find(|(_, name)| *name == asked),
        None => ours.into_iter().max(),
    };
    match (found, asked) {
        (Some((_, name)), _) => Ok(name.to_owned()),
        (None, Some(asked)) => Err(format!("namespace {asked} is none that a rebuild made")),
        (None, None) => Err("no rebuild has made a namespace yet".to_owned()),
    }
}

fn any_ready(pods: &Value) -> bool {
    let items = pods["items"].as_array();
    items.into_iter().flatten().any(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        pod["metadata"]["deletionTimestamp"].is_null()
            && conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_namespace_speaks_unless_another_is_named() {
        let item = |name: &str, created: &str| json!({"metadata": {"name": name, "creationTimestamp": created}});
        let mut list = json!({"items": [
            item("a", "2026-11-24T02:00:00Z"),
            item("c", "2026-11-24T03:00:00Z"),
            item("b", "2026-11-24T03:00:00Z"),
        ]});
        assert_eq!(choose(&list, None).unwrap(), "c");
        assert_eq!(choose(&list, Some("a")).unwrap(), "a");
        assert!(choose(&list, Some("default")).is_err());
        list["items"][1]["metadata"]["deletionTimestamp"] = json!("2026-11-24T04:00:00Z");
        assert_eq!(choose(&list, None).unwrap(), "b");
        assert!(choose(&json!({"items": []}), None).is_err());
    }

    #[test]
    fn a_pod_that_is_not_ready_or_goes_answers_nothing() {
        let pod = |status: &str| json!({"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(!any_ready(&json!({"items": []})));
        assert!(!any_ready(&json!({"items": [pod("False")]})));
        assert!(any_ready(&json!({"items": [pod("False"), pod("True")]})));
        let mut going = pod("True");
        going["metadata"]["deletionTimestamp"] = json!("2026-11-24T04:00:00Z");
        assert!(!any_ready(&json!({"items": [going]})));
    }
}
