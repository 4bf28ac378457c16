//! What an environment's buckets are set to and which versions they hold, as evidence: every answer as the store gave it. Reading only; what
//! is in the objects is not read.

use std::collections::BTreeSet;

use ::evidence::collect::{Collector, Shelf, part};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use executor::provider::{Error, ErrorKind};
use planner::Generation;
use planner::identity::tags;
use provider_aws::{Answers, code, failure};
use serde_json::json;

use crate::bucket;
use crate::store::status;

const SERVICE: &str = "s3";
/// Pages of versions, a thousand in each.
const PAGES: usize = 200;

/// Of which buckets evidence is collected.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose buckets are found by our names and marks.
    pub environment: String,
    /// Its generations; every one of them when empty.
    pub generations: BTreeSet<Generation>,
}

/// A store as a place that evidence comes from.
#[derive(Debug)]
pub struct S3Evidence {
    client: Client,
    answers: Answers,
    scope: Scope,
}

/// A bucket's setting onto the shelf; that it is not set is an answer, too.
macro_rules! setting {
    ($self:ident, $shelf:ident, $bucket:expr, $name:literal, $call:literal, $request:ident) => {{
        let answer = $self.client.$request().bucket($bucket).send().await;
        $self.setting($shelf, $bucket, $name, $call, answer).await;
    }};
}

impl S3Evidence {
    /// The store behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig, scope: Scope) -> Self {
        let answers = Answers::default();
        let config = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(config.endpoint_url().is_some())
            .interceptor(answers.clone())
            .build();
        Self {
            client: Client::from_conf(config),
            answers,
            scope,
        }
    }

    /// Names of the marked buckets, and their generations.
    async fn buckets(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
        // Buckets are called ENVIRONMENT-GENERATION-NAME; the tags decide.
        let prefix = format!("{}-", self.scope.environment);
        let listed = crate::provider::names(&self.client, &prefix).await;
        drop(self.answers.take());
        let (mut names, mut generations) = (BTreeSet::new(), BTreeSet::new());
        for name in listed? {
            let tags = bucket::tags(&self.client, &name).await;
            drop(self.answers.take());
            let Some(mut found) = tags?.filter(|found| self.mine(found)) else {
                continue;
            };
            generations.extend(found.remove(tags::GENERATION));
            names.insert(name);
        }
        Ok((names, generations))
    }

    fn mine(&self, found: &bucket::TagMap) -> bool {
        found.get(tags::ENVIRONMENT) == Some(&self.scope.environment)
            && (self.scope.generations.is_empty()
                || found
                    .get(tags::GENERATION)
                    .and_then(|text| text.parse().ok())
                    .is_some_and(|found: Generation| self.scope.generations.contains(&found)))
    }

    async fn setting<T, E>(
        &self,
        shelf: &Shelf,
        bucket: &str,
        name: &str,
        call: &str,
        answer: Result<T, SdkError<E>>,
    ) where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (name, call) = (
            format!("buckets/{}/{name}", part(bucket)),
            format!("{call} {bucket}"),
        );
        if let Err(error) = &answer {
            let word = code(error);
            // `NoSuchBucketPolicy`, `ServerSideEncryptionConfigurationNotFoundError`, `ObjectLockConfigurationNotFoundError`.
            let unset =
                word.starts_with("NoSuch") && word != "NoSuchBucket" || word.contains("NotFound");
            let unknown = word == "NotImplemented" || status(error) == Some(501);
            if unset || unknown {
                let found = json!({ "set": false, "code": word });
                drop(self.answers.take());
                shelf.put(&name, &call, SERVICE, &found).await;
                return;
            }
        }
        let answer = answer.map_err(|error| failure(&call, error));
        self.answers
            .shelve(shelf, &name, &call, SERVICE, answer)
            .await;
    }

    async fn bucket(&self, shelf: &Shelf, name: &str) {
        setting!(
            self,
            shelf,
            name,
            "tagging",
            "GetBucketTagging",
            get_bucket_tagging
        );
        setting!(
            self,
            shelf,
            name,
            "versioning",
            "GetBucketVersioning",
            get_bucket_versioning
        );
        setting!(
            self,
            shelf,
            name,
            "object-lock",
            "GetObjectLockConfiguration",
            get_object_lock_configuration
        );
        setting!(
            self,
            shelf,
            name,
            "encryption",
            "GetBucketEncryption",
            get_bucket_encryption
        );
        setting!(
            self,
            shelf,
            name,
            "policy",
            "GetBucketPolicy",
            get_bucket_policy
        );
        setting!(self, shelf, name, "acl", "GetBucketAcl", get_bucket_acl);
        setting!(
            self,
            shelf,
            name,
            "public-access-block",
            "GetPublicAccessBlock",
            get_public_access_block
        );
        setting!(
            self,
            shelf,
            name,
            "lifecycle",
            "GetBucketLifecycleConfiguration",
            get_bucket_lifecycle_configuration
        );
        setting!(
            self,
            shelf,
            name,
            "ownership-controls",
            "GetBucketOwnershipControls",
            get_bucket_ownership_controls
        );
        self.versions(shelf, name).await;
    }

    /// Every version and delete marker, page by page.
    async fn versions(&self, shelf: &Shelf, bucket: &str) {
        let (name, call) = (
            format!("buckets/{}/versions", part(bucket)),
            format!("ListObjectVersions {bucket}"),
        );
        let (mut key, mut version) = (None, None);
        for page in 1..=PAGES {
            let answer = self
                .client
                .list_object_versions()
                .bucket(bucket)
                .set_key_marker(key.take())
                .set_version_id_marker(version.take())
                .send()
                .await
                .map_err(|error| failure(&call, error));
            let file = match page {
                1 => name.clone(),
                page => format!("{name}-{page}"),
            };
            let Some(found) = self
                .answers
                .shelve(shelf, &file, &call, SERVICE, answer)
                .await
            else {
                return;
            };
            if !found.is_truncated().unwrap_or(false) {
                return;
            }
            (key, version) = (found.next_key_marker, found.next_version_id_marker);
            if key.is_none() {
                let why = "a page says that more follows, and not where";
                let error = Error::new(ErrorKind::Server, call.clone(), why);
                shelf
                    .missing(&format!("{name}-rest"), &call, SERVICE, &error)
                    .await;
                return;
            }
        }
        let why = format!("there are more than {PAGES} pages of versions");
        shelf
            .missing(&format!("{name}-rest"), &call, SERVICE, &why)
            .await;
    }
}

#[async_trait]
impl Collector for S3Evidence {
    fn name(&self) -> &'static str {
        "s3"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        let (_, generations) = self.buckets().await.map_err(|error| error.to_string())?;
        Ok(generations.into_iter().collect())
    }

    async fn collect(&self, shelf: &Shelf) {
        let names = match self.buckets().await {
            Ok((names, _)) => names,
            Err(error) => {
                return shelf
                    .missing("buckets", "ListBuckets", SERVICE, &error)
                    .await;
            }
        };
        shelf.put("buckets", "ListBuckets", SERVICE, &names).await;
        for name in &names {
            self.bucket(shelf, name).await;
        }
    }
}
