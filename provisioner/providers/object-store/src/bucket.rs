//! Buckets: what is read back of one, and how one is changed.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, Delete, ObjectIdentifier, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use executor::provider::{Error, ErrorKind};
use planner::kinds::s3 as spec;
use provider_aws::{code, failure};
use serde_json::{Value, json};

pub(crate) type TagMap = BTreeMap<String, String>;

/// Present when encryption was declared: S3 says `AES256` of every bucket, asked for or not.
pub(crate) const ENCRYPTION: &str = "rebuild:encryption";

/// The answer, or `None` when the code says that nothing is set.
fn unset<T, E>(
    what: String,
    result: Result<T, SdkError<E>>,
    codes: &[&str],
) -> Result<Option<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if codes.contains(&code(&error)) => Ok(None),
        Err(error) => Err(failure(what, error)),
    }
}

/// A bucket's tags; `None` when there is no such bucket.
pub(crate) async fn tags(client: &Client, bucket: &str) -> Result<Option<TagMap>, Error> {
    match client.get_bucket_tagging().bucket(bucket).send().await {
        Ok(answer) => Ok(Some(
            answer
                .tag_set()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect(),
        )),
        Err(error) if code(&error) == "NoSuchTagSet" => Ok(Some(TagMap::new())),
        Err(error) if code(&error) == "NoSuchBucket" => Ok(None),
        Err(error) => Err(failure(format!("GetBucketTagging {bucket}"), error)),
    }
}

pub(crate) async fn put_tags(client: &Client, bucket: &str, tags: &TagMap) -> Result<(), Error> {
    let what = format!("PutBucketTagging {bucket}");
    let set: Result<Vec<Tag>, _> = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect();
    let tagging = set.and_then(|set| Tagging::builder().set_tag_set(Some(set)).build());
    let tagging =
        tagging.map_err(|error| Error::new(ErrorKind::Invalid, what.clone(), error.to_string()))?;
    client
        .put_bucket_tagging()
        .bucket(bucket)
        .tagging(tagging)
        .send()
        .await
        .map_err(|error| failure(what, error))
        .map(drop)
}

/// Whether a bucket holds nothing at all, old versions included.
pub(crate) async fn is_empty(client: &Client, bucket: &str) -> Result<bool, Error> {
    let answer = client
        .list_object_versions()
        .bucket(bucket)
        .max_keys(1)
        .send()
        .await;
    let answer = answer.map_err(|error| failure(format!("ListObjectVersions {bucket}"), error))?;
    Ok(answer.versions().is_empty() && answer.delete_markers().is_empty())
}

/// A bucket's state in the normal form of `s3.bucket`, without free tags.
pub(crate) async fn describe(
    client: &Client,
    bucket: &str,
    tags: &TagMap,
) -> Result<serde_json::Map<String, Value>, Error> {
    let what = |call: &str| format!("{call} {bucket}");
    let versioning = client
        .get_bucket_versioning()
        .bucket(bucket)
        .send()
        .await
        .map_err(|error| failure(what("GetBucketVersioning"), error))?;
    let mut map = serde_json::Map::new();
    map.insert("name".to_owned(), json!(bucket));
    map.insert(
        "versioning".to_owned(),
        json!(versioning.status() == Some(&BucketVersioningStatus::Enabled)),
    );
    let mut encryption = String::new();
    if tags.contains_key(ENCRYPTION) {
        let answer = client.get_bucket_encryption().bucket(bucket).send().await;
        let answer = unset(
            what("GetBucketEncryption"),
            answer,
            &["ServerSideEncryptionConfigurationNotFoundError"],
        )?;
        encryption = answer
            .and_then(|answer| answer.server_side_encryption_configuration)
            .and_then(|configuration| configuration.rules.into_iter().next())
            .and_then(|rule| rule.apply_server_side_encryption_by_default)
            .map(|default| default.sse_algorithm.as_str().to_owned())
            .unwrap_or_default();
    }
    map.insert("encryption".to_owned(), json!(encryption));
    let answer = client
        .get_object_lock_configuration()
        .bucket(bucket)
        .send()
        .await;
    let answer = unset(
        what("GetObjectLockConfiguration"),
        answer,
        &[
            "ObjectLockConfigurationNotFoundError",
            "NoSuchObjectLockConfiguration",
        ],
    )?;
    if let Some(retention) = answer
        .and_then(|a| a.object_lock_configuration)
        .and_then(|c| c.rule)
        .and_then(|rule| rule.default_retention)
    {
        let mode = retention
            .mode()
            .map(|mode| mode.as_str().to_lowercase())
            .unwrap_or_default();
        map.insert(
            "object_lock".to_owned(),
            json!({"mode": mode, "days": retention.days().unwrap_or_default()}),
        );
    }
    let answer = client.get_bucket_policy().bucket(bucket).send().await;
    if let Some(policy) = unset(what("GetBucketPolicy"), answer, &["NoSuchBucketPolicy"])?
        .and_then(|answer| answer.policy)
    {
        let document: Value = serde_json::from_str(&policy).map_err(|error| {
            Error::new(
                ErrorKind::Server,
                what("GetBucketPolicy"),
                error.to_string(),
            )
        })?;
        map.insert("policy".to_owned(), document);
    }
    let answer = client.get_public_access_block().bucket(bucket).send().await;
    // A store that does not know PublicAccessBlock has none.
    let known = ["NoSuchPublicAccessBlockConfiguration", "NotImplemented"];
    let block = unset(what("GetPublicAccessBlock"), answer, &known)?
        .and_then(|answer| answer.public_access_block_configuration)
        .is_some_and(|block| {
            [
                block.block_public_acls(),
                block.ignore_public_acls(),
                block.block_public_policy(),
                block.restrict_public_buckets(),
            ]
            .iter()
            .all(|one| *one == Some(true))
        });
    map.insert("block_public_access".to_owned(), json!(block));
    Ok(map)
}

pub(crate) async fn create(
    client: &Client,
    region: Option<&str>,
    wanted: &spec::Bucket,
) -> Result<(), Error> {
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
    // us-east-1 is the one region that is not said (CreateBucket).
    let place = region
        .filter(|region| *region != "us-east-1")
        .map(|region| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
    let call = client
        .create_bucket()
        .bucket(&wanted.name)
        .set_create_bucket_configuration(place);
    let call =
        call.set_object_lock_enabled_for_bucket(wanted.object_lock.is_some().then_some(true));
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error) if code(&error) == "BucketAlreadyOwnedByYou" => Ok(()),
        Err(error) if code(&error) == "BucketAlreadyExists" => Err(Error::new(
            ErrorKind::Foreign,
            format!("CreateBucket {}", wanted.name),
            "the name is taken",
        )),
        Err(error) => Err(failure(format!("CreateBucket {}", wanted.name), error)),
    }
}

/// Changes what differs.
pub(crate) async fn settle(
    client: &Client,
    wanted: &spec::Bucket,
    seen: &serde_json::Map<String, Value>,
) -> Result<(), Error> {
    let bucket = &wanted.name;
    let what = |call: &str| format!("{call} {bucket}");
    let invalid = |call: &str, error: &dyn std::error::Error| {
        Error::new(ErrorKind::Invalid, what(call), error.to_string())
    };
    if seen.get("versioning") != Some(&json!(wanted.versioning)) {
        if !wanted.versioning && wanted.object_lock.is_some() {
            return Err(Error::new(
                ErrorKind::Invalid,
                what("PutBucketVersioning"),
                "an object lock needs versioning",
            ));
        }
        let status = if wanted.versioning {
            BucketVersioningStatus::Enabled
        } else {
            BucketVersioningStatus::Suspended
        };
        let configuration = VersioningConfiguration::builder().status(status).build();
        let call = client
            .put_bucket_versioning()
            .bucket(bucket)
            .versioning_configuration(configuration);
        call.send()
            .await
            .map_err(|error| failure(what("PutBucketVersioning"), error))?;
    }
    if seen.get("encryption") != Some(&json!(wanted.encryption)) {
        if wanted.encryption.is_empty() {
            client
                .delete_bucket_encryption()
                .bucket(bucket)
                .send()
                .await
                .map_err(|error| failure(what("DeleteBucketEncryption"), error))?;
        } else {
            let default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::from(wanted.encryption.as_str()))
                .build();
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(
                    default.map_err(|error| invalid("PutBucketEncryption", &error))?,
                )
                .build();
            let configuration = ServerSideEncryptionConfiguration::builder()
                .rules(rule)
                .build()
                .map_err(|error| invalid("PutBucketEncryption", &error))?;
            let call = client
                .put_bucket_encryption()
                .bucket(bucket)
                .server_side_encryption_configuration(configuration);
            call.send()
                .await
                .map_err(|error| failure(what("PutBucketEncryption"), error))?;
        }
    }
    if let Some(lock) = &wanted.object_lock
        && seen.get("object_lock") != Some(&json!({"mode": lock.mode, "days": lock.days}))
    {
        let mode = match lock.mode.as_str() {
            "governance" => ObjectLockRetentionMode::Governance,
            "compliance" => ObjectLockRetentionMode::Compliance,
            other => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    what("PutObjectLockConfiguration"),
                    format!("`{other}` is neither `governance` nor `compliance`"),
                ));
            }
        };
        let rule = ObjectLockRule::builder()
            .default_retention(
                DefaultRetention::builder()
                    .mode(mode)
                    .days(lock.days)
                    .build(),
            )
            .build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(rule)
            .build();
        let call = client
            .put_object_lock_configuration()
            .bucket(bucket)
            .object_lock_configuration(configuration);
        call.send()
            .await
            .map_err(|error| failure(what("PutObjectLockConfiguration"), error))?;
    }
    if seen.get("block_public_access") != Some(&json!(wanted.block_public_access)) {
        if wanted.block_public_access {
            let block = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .ignore_public_acls(true)
                .block_public_policy(true)
                .restrict_public_buckets(true)
                .build();
            let answer = client
                .put_public_access_block()
                .bucket(bucket)
                .public_access_block_configuration(block)
                .send()
                .await;
            answer.map_err(|error| match code(&error) {
                "NotImplemented" => Error::new(
                    ErrorKind::Invalid,
                    what("PutPublicAccessBlock"),
                    "this store does not know PublicAccessBlock: only `block_public_access: false` can be made true here",
                ),
                _ => failure(what("PutPublicAccessBlock"), error),
            })?;
        } else {
            client
                .delete_public_access_block()
                .bucket(bucket)
                .send()
                .await
                .map_err(|error| failure(what("DeletePublicAccessBlock"), error))?;
        }
    }
    if seen.get("policy") != wanted.policy.as_ref() {
        match &wanted.policy {
            Some(policy) => {
                let call = client
                    .put_bucket_policy()
                    .bucket(bucket)
                    .policy(policy.to_string());
                call.send()
                    .await
                    .map_err(|error| failure(what("PutBucketPolicy"), error))?;
            }
            None => {
                client
                    .delete_bucket_policy()
                    .bucket(bucket)
                    .send()
                    .await
                    .map_err(|error| failure(what("DeleteBucketPolicy"), error))?;
            }
        }
    }
    Ok(())
}

/// Deletes every version, page by page, then the bucket.
///
/// # Errors
/// [`ErrorKind::Denied`] when a version is held under an object lock.
pub(crate) async fn destroy(client: &Client, bucket: &str) -> Result<(), Error> {
    let what = |call: &str| format!("{call} {bucket}");
    loop {
        let answer = client.list_object_versions().bucket(bucket).send().await;
        let Some(page) = unset(what("ListObjectVersions"), answer, &["NoSuchBucket"])? else {
            return Ok(());
        };
        let versions = page
            .versions()
            .iter()
            .map(|version| (version.key(), version.version_id()));
        let markers = page
            .delete_markers()
            .iter()
            .map(|marker| (marker.key(), marker.version_id()));
        let objects: Result<Vec<ObjectIdentifier>, _> = versions
            .chain(markers)
            .map(|(key, version)| {
                ObjectIdentifier::builder()
                    .key(key.unwrap_or_default())
                    .set_version_id(version.map(str::to_owned))
                    .build()
            })
            .collect();
        let objects = objects.map_err(|error| {
            Error::new(
                ErrorKind::Server,
                what("ListObjectVersions"),
                error.to_string(),
            )
        })?;
        if objects.is_empty() {
            break;
        }
        // A page has 1,000 entries at most, and so may DeleteObjects.
        let delete = Delete::builder()
            .set_objects(Some(objects))
            .quiet(true)
            .build();
        let delete = delete.map_err(|error| {
            Error::new(ErrorKind::Invalid, what("DeleteObjects"), error.to_string())
        })?;
        let answer = client
            .delete_objects()
            .bucket(bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| failure(what("DeleteObjects"), error))?;
        if let Some(first) = answer.errors().first() {
            let (key, code, message) = (
                first.key().unwrap_or_default(),
                first.code().unwrap_or_default(),
                first.message().unwrap_or_default(),
            );
            let kind = if code == "AccessDenied" {
                ErrorKind::Denied
            } else {
                ErrorKind::Server
            };
            let why = format!(
                "{} versions can't be deleted, `{key}` first: {code} {message}; versions under an object lock stay until it runs out",
                answer.errors().len()
            );
            return Err(Error::new(kind, what("DeleteObjects"), why));
        }
    }
    let answer = client.delete_bucket().bucket(bucket).send().await;
    unset(what("DeleteBucket"), answer, &["NoSuchBucket"]).map(drop)
}
