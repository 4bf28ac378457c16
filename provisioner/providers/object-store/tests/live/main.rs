//! The object-store provider against SeaweedFS: buckets, streams, downloads, the lock. And the archive against fake-gcs-server.

mod evidence;
mod gcs;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use executor::lock::{LockError, Owner, RemoteLock};
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope};
use planner::identity::client_token;
use planner::reference::Outputs;
use planner::{Action, Address, Layer, Observed, Step, canonical, kinds};
use provider_object_store::archive::Reader;
use provider_object_store::{Archive, BucketLock, HeldFor, Put, S3, S3Lock, Store};
use serde_json::{Value, json};
use support::Weed;
use tokio::io::AsyncReadExt;

fn scope() -> Scope {
    Scope {
        environment: "live".to_owned(),
        generation: "20261124-0001".parse().expect("an id"),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    }
}

fn normal(address: &Address, spec: Value) -> Value {
    (kinds::of(address).expect("a kind").normalize)(&spec)
        .unwrap_or_else(|error| panic!("{address}: {error}"))
}

async fn ensure(
    provider: &S3,
    scope: &Scope,
    address: &str,
    spec: Value,
) -> Result<Outputs, Error> {
    let address: Address = address.parse().expect("an address");
    let spec = normal(&address, spec);
    let step = Step {
        id: format!("create {address}"),
        action: Action::Create,
        layer: Layer::Storage,
        depends_on: Vec::new(),
        spec: spec.clone(),
        object: None,
        changes: Vec::new(),
        token: client_token(&scope.generation, &address, &canonical::digest(&spec)),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
        address,
    };
    provider
        .ensure(Ensure {
            scope,
            step: &step,
            spec,
        })
        .await
}

async fn object(provider: &S3, scope: &Scope, address: &str) -> Observed {
    let objects = provider.observe(scope).await.expect("observe").objects;
    objects
        .into_iter()
        .find(|object| object.address.to_string() == address)
        .unwrap_or_else(|| panic!("{address} must be there"))
}

async fn store(weed: &Weed, bucket: &str) -> Store {
    let client = provider_object_store::client(&weed.config().await);
    client
        .create_bucket()
        .bucket(bucket)
        .send()
        .await
        .expect("a bucket");
    Store::new(client, bucket)
}

#[tokio::test]
async fn buckets_streams_downloads_and_the_lock() {
    let weed = Weed::start().await;
    buckets(&weed).await;
    streams(&weed).await;
    downloads(&weed).await;
    locks(&weed).await;
}

async fn buckets(weed: &Weed) {
    let provider = S3::new(&weed.config().await);
    let scope = scope();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::live-20261124-0001-data", "Condition": {"StringEquals": {"aws:username": "nobody"}}}]});
    let spec = json!({"name": "live-20261124-0001-data", "encryption": "AES256", "policy": policy, "block_public_access": false, "tags": {"team": "ops"}});
    let address = "s3.bucket.data";
    for _ in 0..2 {
        ensure(&provider, &scope, address, spec.clone())
            .await
            .expect("a bucket");
        let seen = object(&provider, &scope, address).await;
        assert_eq!(seen.spec, normal(&seen.address, spec.clone()));
    }
    let changed = json!({"name": "live-20261124-0001-data", "versioning": false, "block_public_access": false});
    ensure(&provider, &scope, address, changed.clone())
        .await
        .expect("a change in place");
    let seen = object(&provider, &scope, address).await;
    assert_eq!(seen.spec, normal(&seen.address, changed));
    ensure(&provider, &scope, address, spec.clone())
        .await
        .expect("a change back");

    let mark = json!({"bucket": "live-20261124-0001-data", "state": "live"});
    ensure(&provider, &scope, "s3.generation.state", mark.clone())
        .await
        .expect("a mark");
    let marked = object(&provider, &scope, "s3.generation.state").await;
    assert_eq!(marked.spec, mark);
    let seen = object(&provider, &scope, address).await;
    assert_eq!(seen.marks["state"], "live");
    assert_eq!(
        seen.spec,
        normal(&seen.address, spec),
        "the mark keeps the other tags"
    );

    let held = json!({"name": "live-20261124-0001-held", "object_lock": {"mode": "compliance", "days": 1}, "block_public_access": false});
    ensure(&provider, &scope, "s3.bucket.held", held.clone())
        .await
        .expect("a locked bucket");
    let seen = object(&provider, &scope, "s3.bucket.held").await;
    assert_eq!(seen.spec, normal(&seen.address, held));
    let inside = Store::new(
        provider_object_store::client(&weed.config().await),
        "live-20261124-0001-held",
    );
    let kept = inside.keeping().await;
    let day = HeldFor {
        seconds: 86_400,
        shortenable: false,
    };
    let lock = BucketLock {
        on: true,
        default: Some(day),
    };
    assert_eq!(
        (kept.versions, kept.lock, kept.expiry),
        (Ok(true), Ok(lock), Ok(None))
    );
    inside
        .put("kept", &b"kept"[..], &Put::default())
        .await
        .expect("an object");
    let error = provider.remove(&seen).await.expect_err("a version is held");
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(inside.head("kept", None).await.expect("head").is_some());

    let blocked = json!({"name": "live-20261124-0001-blocked"});
    let error = ensure(&provider, &scope, "s3.bucket.blocked", blocked)
        .await
        .expect_err("no PublicAccessBlock here");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.why.contains("PublicAccessBlock"), "{error}");

    let strange = store(weed, "live-20261124-0001-strange").await;
    strange
        .put("theirs", &b"x"[..], &Put::default())
        .await
        .expect("an object");
    let error = ensure(
        &provider,
        &scope,
        "s3.bucket.strange",
        json!({"name": "live-20261124-0001-strange", "block_public_access": false}),
    )
    .await;
    assert_eq!(error.expect_err("not ours").kind, ErrorKind::Foreign);
    let mut named = scope.clone();
    named.names.insert(
        "s3.bucket.strange".parse().expect("an address"),
        "live-20261124-0001-strange".to_owned(),
    );
    assert_eq!(
        provider
            .observe(&named)
            .await
            .expect("observe")
            .foreign
            .len(),
        1
    );

    let data = Store::new(
        provider_object_store::client(&weed.config().await),
        "live-20261124-0001-data",
    );
    for round in 0..3 {
        data.put("a", format!("{round}").as_bytes(), &Put::default())
            .await
            .expect("an object");
    }
    provider.remove(&marked).await.expect("unmark");
    let seen = object(&provider, &scope, address).await;
    assert!(seen.marks.is_empty());
    provider.remove(&seen).await.expect("emptied and removed");
    provider.remove(&seen).await.expect("gone is no error");
}

async fn streams(weed: &Weed) {
    let store = store(weed, "backups").await;
    let client = provider_object_store::client(&weed.config().await);
    let enabled = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    client
        .put_bucket_versioning()
        .bucket("backups")
        .versioning_configuration(enabled)
        .send()
        .await
        .expect("versioning");
    let how = Put {
        metadata: BTreeMap::from([("sha256".to_owned(), "abc".to_owned())]),
        content_type: Some("application/gzip".to_owned()),
        if_absent: false,
        retain: None,
        if_match: None,
    };
    let first = store
        .put("b/one", &b"first version"[..], &how)
        .await
        .expect("put");
    let second = store
        .put("b/one", &b"second version"[..], &how)
        .await
        .expect("put");
    assert_ne!(first.version, second.version);
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let stored = store
        .put("b/two", &large[..], &how)
        .await
        .expect("put in parts");
    assert_eq!(stored.size, 20_000_000);
    let once = Put {
        if_absent: true,
        if_match: None,
        ..how.clone()
    };
    assert_eq!(
        store
            .put("b/one", &b"third"[..], &once)
            .await
            .expect_err("it is there")
            .kind,
        ErrorKind::Conflict
    );
    assert_eq!(
        store
            .put("b/two", &large[..], &once)
            .await
            .expect_err("it is there")
            .kind,
        ErrorKind::Conflict
    );

    let list = store.list("b/", 100).await.expect("list");
    assert_eq!(list.len(), 3);
    assert_eq!(list.iter().filter(|object| object.latest).count(), 2);
    assert_eq!(
        store.list("b/", 2).await.expect_err("too many").kind,
        ErrorKind::Invalid
    );
    let head = store
        .head("b/one", first.version.as_deref())
        .await
        .expect("head")
        .expect("a version");
    assert_eq!(
        (head.object.size, head.metadata["sha256"].as_str()),
        (13, "abc")
    );
    assert!(store.head("b/none", None).await.expect("head").is_none());

    let mut text = String::new();
    store
        .get("b/one", first.version.as_deref(), None)
        .await
        .expect("get")
        .read_to_string(&mut text)
        .await
        .expect("read");
    assert_eq!(text, "first version");
    let mut bytes = Vec::new();
    store
        .get("b/two", None, Some(8_388_600..8_388_700))
        .await
        .expect("get")
        .read_to_end(&mut bytes)
        .await
        .expect("read");
    assert_eq!(bytes, &large[8_388_600..8_388_700]);
    bytes.clear();
    store
        .get("b/two", None, None)
        .await
        .expect("get")
        .read_to_end(&mut bytes)
        .await
        .expect("read");
    assert!(bytes == large);
    assert_eq!(
        store
            .get("b/none", None, None)
            .await
            .err()
            .expect("absent")
            .kind,
        ErrorKind::Unavailable
    );
}

async fn all(opened: Result<Reader, Error>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match opened?.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let inner = provider_object_store::provider_error(&error);
            Err(inner.expect("a provider's error").clone())
        }
    }
}

/// Three ranges, of a version that is no longer the latest and of an object without versions that is replaced meanwhile.
async fn downloads(weed: &Weed) {
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 241) as u8).collect();
    let put = Put::default();
    let versioned = Store::new(
        provider_object_store::client(&weed.config().await),
        "backups",
    );
    let old = versioned
        .put("d/one", &large[..], &put)
        .await
        .expect("put in parts");
    let new = versioned
        .put("d/one", &b"another"[..], &put)
        .await
        .expect("put");
    let opened = Archive::open(&versioned, "d/one", old.version.as_deref(), 20_000_000).await;
    assert!(all(opened).await.expect("the old version") == large);
    let opened = Archive::open(&versioned, "d/one", new.version.as_deref(), 7).await;
    assert_eq!(all(opened).await.expect("the new one"), b"another");
    let opened = Archive::open(&versioned, "d/one", old.version.as_deref(), 20_000_001).await;
    let error = all(opened).await.expect_err("it has another size");
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    let opened = Archive::open(&versioned, "d/none", None, 20_000_000).await;
    let error = all(opened).await.expect_err("absent");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");

    let plain = store(weed, "plain").await;
    plain.put("empty", &b""[..], &put).await.expect("put");
    let opened = Archive::open(&plain, "empty", None, 0).await;
    assert_eq!(all(opened).await.expect("nothing"), b"");
    let larger: Vec<u8> = large.iter().chain(&large).copied().collect();
    plain.put("one", &larger[..], &put).await.expect("put");
    let size = larger.len() as u64;
    let opened = Archive::open(&plain, "one", None, size).await;
    assert!(all(opened).await.expect("all of it") == larger);
    // Three of its five ranges may be under way; the others are asked for when the object is another.
    let opened = Archive::open(&plain, "one", None, size).await;
    plain
        .put("one", &larger[1..], &put)
        .await
        .expect("replaced");
    let error = all(opened).await.expect_err("replaced meanwhile");
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
}

async fn locks(weed: &Weed) {
    let store = store(weed, "control").await;
    let lock = S3Lock::new(store.clone(), "live");
    let owner = Owner::current();
    let ttl = Duration::from_secs(60);
    assert!(lock.read().await.expect("read").is_none());
    let takers = (0..16).map(|_| lock.acquire(&owner, ttl));
    let taken: Vec<_> = futures::future::join_all(takers).await;
    let mut winners: Vec<_> = taken.into_iter().filter_map(Result::ok).collect();
    assert_eq!(winners.len(), 1, "one of sixteen gets it");
    let lease = winners.remove(0);
    match lock.acquire(&owner, ttl).await {
        Err(LockError::Held {
            owner: Some(holder),
            ..
        }) => assert_eq!(holder.pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    let renewed = lock.renew(&lease, ttl).await.expect("renew");
    assert_eq!(renewed.record.token, lease.record.token);
    let again = lock
        .renew(&lease, ttl)
        .await
        .expect("a renewal whose answer was lost");
    let robbed = lock
        .take_over(again.record.token, &owner, ttl)
        .await
        .expect("take over");
    assert!(robbed.record.token > again.record.token);
    assert!(matches!(
        lock.renew(&again, ttl).await,
        Err(LockError::Lost { .. })
    ));
    lock.release(&again)
        .await
        .expect("letting go of what is another's by now");
    assert!(matches!(
        lock.acquire(&owner, ttl).await,
        Err(LockError::Held { .. })
    ));
    lock.release(&robbed).await.expect("release");
    let next = lock.acquire(&owner, Duration::ZERO).await.expect("acquire");
    assert!(next.record.token > robbed.record.token);
    let after = lock
        .acquire(&owner, ttl)
        .await
        .expect("an expired one is free");
    assert!(after.record.token > next.record.token);
}
