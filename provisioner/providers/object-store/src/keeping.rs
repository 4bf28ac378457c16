//! How a bucket keeps what is put into it, as the service itself reports it. Reading only.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ExpirationStatus, LifecycleRule, ObjectLockEnabled,
    ObjectLockRetentionMode,
};
use provider_aws::{code, failure};

use crate::store::Store;

/// Seconds of a day, as lifecycle rules and retentions count them.
pub(crate) const DAY: u64 = 86_400;
/// Days of a year of a default retention (S3, "Retention period": a year is 365 days).
const YEAR: u64 = 365;

/// An answer, or why there is none.
pub type Asked<T> = Result<T, String>;

/// What is set at a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Old versions are kept.
    pub versions: Asked<bool>,
    /// What holds its objects.
    pub lock: Asked<BucketLock>,
    /// Seconds after which a rule deletes data for good, the shortest of all rules; `None` when no rule does.
    pub expiry: Asked<Option<u64>>,
    /// The bucket that requests are recorded in; `None` when they are not.
    pub access_log: Asked<Option<String>>,
}

impl Keeping {
    /// Nothing of it can be told.
    pub fn unread(why: &str) -> Self {
        let why = why.to_owned();
        Self {
            versions: Err(why.clone()),
            lock: Err(why.clone()),
            expiry: Err(why.clone()),
            access_log: Err(why),
        }
    }
}

/// What holds the objects of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketLock {
    /// Objects can be held at all: S3 Object Lock is on, a retention policy is set.
    pub on: bool,
    /// How long each object is held unless its writer says otherwise.
    pub default: Option<HeldFor>,
}

/// How long an object is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldFor {
    /// Seconds.
    pub seconds: u64,
    /// Whoever holds a special permission can shorten it: governance mode, a policy that is not locked.
    pub shortenable: bool,
}

fn answer<T, E>(call: &str, result: Result<T, SdkError<E>>, unset: &[&str]) -> Asked<Option<T>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if unset.contains(&code(&error)) => Ok(None),
        Err(error) => Err(failure(call, error).to_string()),
    }
}

fn count(days: Option<i32>) -> u64 {
    u64::try_from(days.unwrap_or(0)).unwrap_or(0)
}

fn held_for(retention: &DefaultRetention) -> HeldFor {
    HeldFor {
        seconds: (count(retention.days()) + YEAR * count(retention.years())) * DAY,
        shortenable: retention.mode() != Some(&ObjectLockRetentionMode::Compliance),
    }
}

/// Where versions are kept, an expiry hides an object and deletes nothing until its old versions expire.
fn expires(rule: &LifecycleRule, versions: bool) -> Option<u64> {
    if rule.status() != &ExpirationStatus::Enabled {
        return None;
    }
    if versions {
        let old = rule.noncurrent_version_expiration()?;
        return Some(count(old.noncurrent_days()) * DAY);
    }
    let expiration = rule.expiration()?;
    match (expiration.days(), expiration.date()) {
        (Some(days), _) => Some(count(Some(days)) * DAY),
        // On a date everything goes, however young.
        (None, Some(_)) => Some(0),
        (None, None) => None,
    }
}

impl Store {
    pub(crate) async fn how_kept(&self) -> Keeping {
        let (client, bucket) = (self.sdk(), self.bucket());
        let versioning = client.get_bucket_versioning().bucket(bucket);
        let versions = answer("GetBucketVersioning", versioning.send().await, &[]).map(|found| {
            found.is_some_and(|found| found.status() == Some(&BucketVersioningStatus::Enabled))
        });
        let lock = client.get_object_lock_configuration().bucket(bucket);
        let unset = [
            "ObjectLockConfigurationNotFoundError",
            "NoSuchObjectLockConfiguration",
        ];
        let lock = answer("GetObjectLockConfiguration", lock.send().await, &unset).map(|found| {
            let set = found.and_then(|found| found.object_lock_configuration);
            let set = set.as_ref();
            BucketLock {
                on: set.is_some_and(|set| {
                    set.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled)
                }),
                default: set
                    .and_then(|set| set.rule()?.default_retention())
                    .map(held_for),
            }
        });
        let rules = client.get_bucket_lifecycle_configuration().bucket(bucket);
        let expiry = answer(
            "GetBucketLifecycleConfiguration",
            rules.send().await,
            &["NoSuchLifecycleConfiguration"],
        )
        .map(|found| {
            let kept = versions.as_ref().is_ok_and(|kept| *kept);
            let rules = found.iter().flat_map(|found| found.rules());
            rules.filter_map(|rule| expires(rule, kept)).min()
        });
        let logging = client.get_bucket_logging().bucket(bucket);
        let access_log = answer("GetBucketLogging", logging.send().await, &[]).map(|found| {
            found
                .and_then(|found| found.logging_enabled)
                .map(|logging| logging.target_bucket)
        });
        Keeping {
            versions,
            lock,
            expiry,
            access_log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{LifecycleExpiration, NoncurrentVersionExpiration};

    fn rule(status: ExpirationStatus, days: Option<i32>, old: Option<i32>) -> LifecycleRule {
        let expiration = days.map(|days| LifecycleExpiration::builder().days(days).build());
        let old = old.map(|days| {
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(days)
                .build()
        });
        LifecycleRule::builder()
            .status(status)
            .set_expiration(expiration)
            .set_noncurrent_version_expiration(old)
            .build()
            .expect("a rule")
    }

    #[test]
    fn a_rule_deletes_what_no_version_keeps() {
        let on = || ExpirationStatus::Enabled;
        assert_eq!(expires(&rule(on(), Some(7), None), false), Some(7 * DAY));
        assert_eq!(expires(&rule(on(), Some(7), None), true), None);
        assert_eq!(expires(&rule(on(), Some(7), Some(2)), true), Some(2 * DAY));
        assert_eq!(expires(&rule(on(), None, Some(2)), false), None);
        assert_eq!(
            expires(&rule(ExpirationStatus::Disabled, Some(1), Some(1)), true),
            None
        );
    }

    #[test]
    fn a_default_retention_is_counted_in_seconds() {
        let retention = DefaultRetention::builder()
            .mode(ObjectLockRetentionMode::Governance)
            .years(1)
            .build();
        assert_eq!(
            held_for(&retention),
            HeldFor {
                seconds: 365 * DAY,
                shortenable: true
            }
        );
    }
}
