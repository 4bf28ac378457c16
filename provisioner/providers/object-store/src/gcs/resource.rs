//! What the JSON API says of objects and buckets ("Objects: resource representation", "Buckets: resource representation").

use executor::provider::{Error, ErrorKind};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::archive::Lock;
use crate::keeping::{BucketLock, DAY, HeldFor, Keeping};
use crate::store::Object;

/// The fields of [`Page`], for the parameter `fields`.
pub(super) const LISTED: &str =
    "nextPageToken,items(name,generation,size,timeCreated,timeDeleted,etag)";
/// The fields of [`Resource`].
pub(super) const LOOKED_AT: &str = "name,generation,size,timeCreated,timeDeleted,etag,temporaryHold,eventBasedHold,\
     retentionExpirationTime,retention";

/// The fields of [`Bucket`].
pub(super) const KEEPING: &str = "retentionPolicy,versioning,lifecycle,logging";

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) next_page_token: Option<String>,
    #[serde(default)]
    pub(super) items: Vec<Resource>,
}

/// One generation of an object.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) generation: String,
    size: String,
    time_created: Option<Timestamp>,
    /// When it became noncurrent.
    time_deleted: Option<Timestamp>,
    #[serde(default)]
    etag: String,
    #[serde(default)]
    temporary_hold: bool,
    #[serde(default)]
    event_based_hold: bool,
    /// The end of what holds it longest: the bucket's policy, or its own retention.
    pub(super) retention_expiration_time: Option<Timestamp>,
    retention: Option<Retention>,
}

/// An object's own retention (Object Retention Lock).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    mode: String,
    retain_until_time: Timestamp,
}

/// What of a bucket matters to how its objects are held and kept.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    retention_policy: Option<RetentionPolicy>,
    #[serde(default)]
    versioning: Versioning,
    #[serde(default)]
    lifecycle: Lifecycle,
    logging: Option<Logging>,
}

/// Whether overwritten objects are kept.
#[derive(Debug, Default, Deserialize)]
struct Versioning {
    #[serde(default)]
    enabled: bool,
}

/// What happens to objects by themselves ("Object Lifecycle Management").
#[derive(Debug, Default, Deserialize)]
struct Lifecycle {
    #[serde(default)]
    rule: Vec<Rule>,
}

/// One rule; further conditions only leave it fewer objects.
#[derive(Debug, Deserialize)]
struct Rule {
    action: RuleAction,
    #[serde(default)]
    condition: Condition,
}

/// What a rule does.
#[derive(Debug, Deserialize)]
struct RuleAction {
    r#type: String,
}

/// When a rule does it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    age: Option<u64>,
    days_since_noncurrent_time: Option<u64>,
    is_live: Option<bool>,
}

/// Usage logs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Logging {
    log_bucket: String,
}

/// A bucket's retention policy (Bucket Lock).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionPolicy {
    #[serde(default)]
    is_locked: bool,
    /// Seconds, in decimals.
    retention_period: Option<String>,
}

impl Bucket {
    /// As every store reports it.
    pub(super) fn keeping(self) -> Keeping {
        let versions = self.versioning.enabled;
        let policy = self.retention_policy.as_ref();
        let held = policy.and_then(|policy| {
            Some(HeldFor {
                seconds: policy.retention_period.as_ref()?.parse().ok()?,
                shortenable: !policy.is_locked,
            })
        });
        let deletes = |rule: &&Rule| rule.action.r#type == "Delete";
        let expiry = self
            .lifecycle
            .rule
            .iter()
            .filter(deletes)
            .filter_map(|rule| rule.condition.after(versions))
            .min();
        Keeping {
            versions: Ok(versions),
            lock: Ok(BucketLock {
                on: policy.is_some(),
                default: held,
            }),
            expiry: Ok(expiry),
            access_log: match self.logging {
                Some(logging) => Ok(Some(logging.log_bucket)),
                // The other way to record requests, Cloud Audit Logs, is the project's and is not asked for here.
                None => Err(
                    "there are no usage logs, and Cloud Audit Logs are not looked at".to_owned(),
                ),
            },
        }
    }
}

impl Condition {
    /// Seconds after which a rule deletes data for good; where versions are kept, deleting a live object keeps it as an old one.
    fn after(&self, versions: bool) -> Option<u64> {
        let days = match self.days_since_noncurrent_time {
            Some(days) => days,
            None if versions && self.is_live == Some(true) => return None,
            None => self.age.unwrap_or(0),
        };
        Some(days.saturating_mul(DAY))
    }
}

impl Resource {
    /// How it is held. Of two that hold it, what nobody can lift counts first, then what lasts longer.
    ///
    /// A bucket whose policy may not be read is taken for one whose policy is not locked.
    pub(super) fn lock(&self, bucket: &Bucket) -> Lock {
        let own = self.retention.as_ref();
        let locked = own.filter(|retention| retention.mode == "Locked");
        let unlocked = own.filter(|retention| retention.mode != "Locked");
        let policy = bucket.retention_policy.as_ref();
        let policy = policy
            .filter(|policy| policy.is_locked)
            .and_then(|policy| self.held_by(policy));
        let compliance = locked
            .map(|retention| retention.retain_until_time)
            .max(policy);
        let governance = unlocked
            .map(|retention| retention.retain_until_time)
            .max(self.retention_expiration_time);
        match (compliance, governance) {
            (Some(until), _) => Lock::Compliance(until),
            (None, Some(until)) => Lock::Governance(until),
            _ if self.temporary_hold || self.event_based_hold => Lock::Hold,
            _ => Lock::None,
        }
    }

    /// Until when a bucket's policy holds it. The time that the object names may be that of its own retention instead, which an
    /// owner can lift; then only what follows from its age counts.
    fn held_by(&self, policy: &RetentionPolicy) -> Option<Timestamp> {
        let until = self.retention_expiration_time?;
        if self.retention.is_none() {
            return Some(until);
        }
        let seconds = policy.retention_period.as_ref()?.parse().ok()?;
        let period = SignedDuration::from_secs(seconds);
        Some(until.min(self.time_created?.checked_add(period).ok()?))
    }

    /// As every store names it. `what` is the call, for errors.
    pub(super) fn object(self, what: &str) -> Result<Object, Error> {
        let wrong = |field: &str, value: &str| {
            let why = format!("{field} of {} is \"{value}\", not a number", self.name);
            Error::new(ErrorKind::Server, what, why)
        };
        let Ok(size) = self.size.parse() else {
            return Err(wrong("size", &self.size));
        };
        if self.generation.parse::<u64>().is_err() {
            return Err(wrong("generation", &self.generation));
        }
        Ok(Object {
            size,
            modified: self.time_created,
            etag: self.etag,
            latest: self.time_deleted.is_none(),
            version: Some(self.generation),
            key: self.name,
        })
    }
}
