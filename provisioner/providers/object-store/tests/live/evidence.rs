//! What buckets are set to and hold is read before they are destroyed, and what is in their objects is not.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{Tag, Tagging};
use evidence::collect::Collector;
use evidence::testing::collected;
use provider_object_store::evidence::{S3Evidence, Scope};
use provider_object_store::{Lock, Put, Retain, Store};

use crate::support::Weed;

#[tokio::test]
async fn settings_versions_and_deletions_are_read() {
    let weed = Weed::start().await;
    let client = provider_object_store::client(&weed.config().await);
    for (bucket, environment, generation) in [
        ("live-20261124-0001-data", "live", "20261124-0001"),
        ("live-20261125-0001-data", "live", "20261125-0001"),
        ("live-theirs", "another", "20261124-0001"),
    ] {
        let create = client
            .create_bucket()
            .bucket(bucket)
            .object_lock_enabled_for_bucket(true);
        create.send().await.expect("a bucket");
        let tag =
            |key: &str, value: &str| Tag::builder().key(key).value(value).build().expect("a tag");
        let tagging = Tagging::builder()
            .tag_set(tag("rebuild:environment", environment))
            .tag_set(tag("rebuild:generation", generation));
        let tagging = tagging.build().expect("tags");
        client
            .put_bucket_tagging()
            .bucket(bucket)
            .tagging(tagging)
            .send()
            .await
            .expect("tagged");
    }
    let store = Store::new(client.clone(), "live-20261124-0001-data");
    for _ in 0..2 {
        store
            .put("chain.json", &b"canary-in-an-object"[..], &Put::default())
            .await
            .expect("put");
    }
    client
        .delete_object()
        .bucket(store.bucket())
        .key("chain.json")
        .send()
        .await
        .expect("a delete marker");
    let scope = Scope {
        environment: "live".to_owned(),
        generations: ["20261124-0001".parse().expect("an id")].into(),
    };
    let place = S3Evidence::new(&weed.config().await, scope);
    assert_eq!(
        place.generations().await,
        Ok(vec!["20261124-0001".to_owned()])
    );
    let (texts, missing) = collected(place).await;
    assert_eq!(missing, BTreeMap::new());
    let at = |name: &str| format!("s3/buckets/live-20261124-0001-data/{name}");
    let versions = &texts[&at("versions.xml")];
    assert_eq!(versions.matches("<Version>").count(), 2, "{versions}");
    assert!(versions.contains("<DeleteMarker>"), "{versions}");
    assert!(texts[&at("versioning.xml")].contains("Enabled"));
    assert!(texts[&at("object-lock.xml")].contains("Enabled"));
    assert!(texts[&at("policy.json")].contains("false"), "none is set");
    for (name, text) in &texts {
        assert!(!text.contains("canary"), "{name}");
        assert!(
            !text.contains("20261125-0001") && !text.contains("live-theirs"),
            "{name}: {text}"
        );
    }
}

#[tokio::test]
async fn what_is_retained_can_not_be_deleted() {
    let weed = Weed::start().await;
    let client = provider_object_store::client(&weed.config().await);
    let create = client
        .create_bucket()
        .bucket("locked")
        .object_lock_enabled_for_bucket(true);
    create.send().await.expect("a bucket");
    let store = Store::new(client.clone(), "locked");
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let large = vec![7_u8; 9 << 20];
    for (key, compliance, bytes) in [
        ("small", true, &b"evidence"[..]),
        ("large", true, &large),
        ("other", false, b"x"),
    ] {
        let how = Put {
            if_absent: true,
            retain: Some(Retain { until, compliance }),
            ..Put::default()
        };
        let stored = store.put(key, bytes, &how).await.expect("put");
        let version = stored.version.expect("a version");
        let head = store
            .head(key, None)
            .await
            .expect("an answer")
            .expect("it is there");
        match (head.lock, compliance) {
            (Lock::Compliance(found), true) | (Lock::Governance(found), false) => {
                assert_eq!(found.as_second(), until.as_second());
            }
            (found, _) => panic!("{found:?}"),
        }
        let delete = client
            .delete_object()
            .bucket("locked")
            .key(key)
            .version_id(&version);
        delete.send().await.expect_err("it is held");
    }
}
