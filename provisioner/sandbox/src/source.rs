//! The source bucket: backups of the first user's service, as its own backup manager wrote them.

use std::time::{Duration, Instant};

use jiff::civil::DateTime;
use jiff::{Timestamp, tz::TimeZone};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::s3::S3;

/// The bucket that holds the backups.
pub const SOURCE_BUCKET: &str = "natlangchain-backups";

/// The bucket for what is no generation's, a lock for example. It is there before anything is built.
pub const CONTROL_BUCKET: &str = "rebuild-control";

/// The bucket for evidence, with Object Lock: what is put there with a retention can't be deleted before.
pub const EVIDENCE_BUCKET: &str = "rebuild-evidence";

/// The backups of one chain lie together: a newer one must extend an older one.
const PREFIX: &str = "natlangchain/";
/// Backups of another, smaller chain, on which nothing depends.
const OTHER_PREFIX: &str = "natlangchain-small/";

/// A backup that is older than this gets a fresh copy beside it, within every usual recovery point objective.
const FRESH: Duration = Duration::from_hours(12);

/// How long a store that was just started may take to find its bytes.
const READABLE_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Nobody, not even their owner, deletes or replaces a backup for this long.
const RETENTION: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
     <DefaultRetention><Mode>COMPLIANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
const VERSIONING: &str =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const ENABLED: &str = "<Status>Enabled</Status>";

/// A backup and the file beside it.
struct Backup {
    prefix: &'static str,
    name: &'static str,
    content: &'static [u8],
    metadata: &'static [u8],
}

macro_rules! backup {
    ($prefix:expr, $chain:literal, $name:literal) => {
        Backup {
            prefix: $prefix,
            name: $name,
            content: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/fixtures/natlangchain/backups/",
                $chain,
                "/",
                $name
            )),
            metadata: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/fixtures/natlangchain/backups/",
                $chain,
                "/",
                $name,
                ".meta.json"
            )),
        }
    };
}

/// The one that fresh copies are made of.
const NEWEST: Backup = backup!(
    PREFIX,
    "chain_10m",
    "natlangchain_20261123_033004_weekly.json.gz"
);

const OTHERS: [Backup; 4] = [
    backup!(
        OTHER_PREFIX,
        "chain_50k",
        "natlangchain_20261123_032959_daily.json.gz"
    ),
    backup!(
        OTHER_PREFIX,
        "chain_50k",
        "natlangchain_20261123_032959_manual.json.gz"
    ),
    backup!(
        OTHER_PREFIX,
        "chain_50k",
        "natlangchain_20261123_032959_monthly.json.gz"
    ),
    backup!(
        OTHER_PREFIX,
        "chain_50k",
        "natlangchain_20261123_032959_weekly.json.gz"
    ),
];

/// Makes the bucket and uploads what is missing. Does nothing that was done before, except that a fresh copy joins
/// when the newest backup has become old.
pub(crate) async fn ensure(s3: &S3, now: Timestamp) -> Result<()> {
    create(s3, &format!("/{CONTROL_BUCKET}"), &[]).await?;
    bucket(s3, EVIDENCE_BUCKET, &[("versioning", VERSIONING, ENABLED)]).await?;
    let held = [
        ("versioning", VERSIONING, ENABLED),
        ("object-lock", RETENTION, "<Mode>COMPLIANCE</Mode>"),
    ];
    bucket(s3, SOURCE_BUCKET, &held).await?;
    for Backup {
        prefix,
        name,
        content,
        metadata,
    } in [NEWEST].iter().chain(&OTHERS)
    {
        upload(s3, &format!("{prefix}{name}"), content, metadata).await?;
    }
    readable(s3).await?;
    let list = s3
        .get(&format!("/{SOURCE_BUCKET}?list-type=2&prefix={PREFIX}"))
        .await?
        .expect(&[])?;
    if let Some(taken) = stale(&list.text(), now) {
        let name = name(taken);
        let metadata = restamped(taken, &name)?;
        upload(s3, &format!("{PREFIX}{name}"), NEWEST.content, &metadata).await?;
    }
    Ok(())
}

/// Waits until what is stored can be read. After a start SeaweedFS answers for names before it has found the volumes with the bytes,
/// and says meanwhile that it has an internal error.
async fn readable(s3: &S3) -> Result<()> {
    let deadline = Instant::now() + READABLE_WITHIN;
    loop {
        let path = format!("/{SOURCE_BUCKET}/{PREFIX}{}.meta.json", NEWEST.name);
        let answer = s3.get(&path).await?;
        if !answer.status.is_server_error() || Instant::now() >= deadline {
            return answer.expect(&[]).map(drop);
        }
        sleep(PAUSE).await;
    }
}

/// A bucket with Object Lock, and these settings: their name, what is put, and what shows that it is set.
async fn bucket(s3: &S3, name: &str, settings: &[(&str, &str, &str)]) -> Result<()> {
    let path = format!("/{name}");
    let lock = [("x-amz-bucket-object-lock-enabled", "true")];
    create(s3, &path, &lock).await?;
    // Again every time: a run may have ended between the bucket and its settings.
    for (target, body, set) in settings {
        let there = s3.get(&format!("{path}?{target}=")).await?;
        if there.status.is_success() && there.text().contains(*set) {
            continue;
        }
        s3.call(
            Method::PUT,
            &format!("{path}?{target}="),
            &[("content-type", "application/xml")],
            body.as_bytes().to_vec(),
        )
        .await?
        .expect(&[])?;
    }
    Ok(())
}

/// Makes a bucket unless it is there.
async fn create(s3: &S3, path: &str, headers: &[(&str, &str)]) -> Result<()> {
    let head = s3.call(Method::HEAD, path, &[], Vec::new()).await?;
    if head.status == 404 {
        s3.call(Method::PUT, path, headers, Vec::new())
            .await?
            .expect(&[409])?;
    } else {
        head.expect(&[])?;
    }
    Ok(())
}

/// Uploads a backup and then its metadata, neither over another object.
async fn upload(s3: &S3, key: &str, content: &[u8], metadata: &[u8]) -> Result<()> {
    let parts = [
        (key.to_owned(), "application/gzip", content),
        (format!("{key}.meta.json"), "application/json", metadata),
    ];
    for (key, kind, bytes) in parts {
        let path = format!("/{SOURCE_BUCKET}/{key}");
        let there = s3.call(Method::HEAD, &path, &[], Vec::new()).await?;
        if there.status != 404 {
            there.expect(&[])?;
            continue;
        }
        let headers = [("content-type", kind), ("if-none-match", "*")];
        s3.call(Method::PUT, &path, &headers, bytes.to_vec())
            .await?
            .expect(&[412])?;
    }
    Ok(())
}

/// The time to stamp a fresh copy with, if the newest backup of a listing is old. Times in names are wall-clock times;
/// the sandbox's wall clock shows UTC.
fn stale(list: &str, now: Timestamp) -> Option<DateTime> {
    let newest = list
        .split("<Key>")
        .filter_map(|part| part.split_once("</Key>"))
        .filter_map(|(key, _)| taken(key))
        .max();
    let now = TimeZone::UTC.to_datetime(now);
    let fresh = newest
        .is_some_and(|newest| now.duration_since(newest).unsigned_abs() < FRESH || newest > now);
    (!fresh).then_some(now)
}

/// When a backup was taken, by its name.
fn taken(key: &str) -> Option<DateTime> {
    let stem = key.strip_prefix(PREFIX)?.strip_suffix(".json.gz")?;
    let stamp = stem.strip_prefix("natlangchain_")?.get(..15)?;
    DateTime::strptime("%Y%m%d_%H%M%S", stamp).ok()
}

fn name(taken: DateTime) -> String {
    format!(
        "natlangchain_{}_daily.json.gz",
        taken.strftime("%Y%m%d_%H%M%S")
    )
}

/// The metadata of a fresh copy: the content's figures stay, since the content does.
fn restamped(taken: DateTime, name: &str) -> Result<Vec<u8>> {
    let damaged = |source| Error::Damaged {
        path: NEWEST.name.into(),
        source,
    };
    let mut metadata: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(NEWEST.metadata).map_err(damaged)?;
    let stamp = taken.strftime("%Y%m%d%H%M%S");
    metadata.insert("backup_id".to_owned(), json!(format!("BACKUP-{stamp}")));
    let timestamp = taken.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string();
    metadata.insert("timestamp".to_owned(), json!(timestamp));
    metadata.insert("backup_type".to_owned(), json!("daily"));
    metadata.insert("location".to_owned(), json!(name));
    serde_json::to_vec_pretty(&metadata).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(keys: &[&str]) -> String {
        keys.iter()
            .map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"))
            .collect()
    }

    #[test]
    fn a_fresh_copy_is_due_when_the_newest_is_old() {
        let now: Timestamp = "2026-11-24T02:00:00Z".parse().unwrap();
        let old = "natlangchain/natlangchain_20261123_033004_weekly.json.gz";
        let stamp = stale(&listing(&[old, &format!("{old}.meta.json")]), now).unwrap();
        assert_eq!(name(stamp), "natlangchain_20261124_020000_daily.json.gz");
        let fresh = "natlangchain/natlangchain_20261123_140001_daily.json.gz";
        assert_eq!(stale(&listing(&[old, fresh]), now), None);
        assert_eq!(stale(&listing(&[fresh, old]), now), None);
        let due = "natlangchain/natlangchain_20261123_140000_daily.json.gz";
        assert!(stale(&listing(&[due]), now).is_some());
        assert!(stale("", now).is_some());
        // A clock that was set back makes no second one.
        let future = "natlangchain/natlangchain_20261230_140000_daily.json.gz";
        assert_eq!(stale(&listing(&[future]), now), None);
    }

    #[test]
    fn a_fresh_copy_keeps_the_figures_of_its_content() {
        let taken = DateTime::constant(2026, 11, 24, 2, 0, 0, 0);
        let made: serde_json::Value =
            serde_json::from_slice(&restamped(taken, "x.json.gz").unwrap()).unwrap();
        let given: serde_json::Value = serde_json::from_slice(NEWEST.metadata).unwrap();
        assert_eq!(made["backup_id"], "BACKUP-20261124020000");
        assert_eq!(made["timestamp"], "2026-11-24T02:00:00.000000");
        assert_eq!(made["location"], "x.json.gz");
        for same in [
            "checksum_sha256",
            "size_bytes",
            "chain_blocks",
            "compression_ratio",
        ] {
            assert_eq!(made[same], given[same], "{same}");
        }
    }
}
