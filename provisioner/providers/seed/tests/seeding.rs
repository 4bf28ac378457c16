//! Seeding over stores in memory, and over damaged data in a real store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use executor::provider::{Ensure, Error, ErrorKind, Provider, Scope, SecretSource};
use planner::kind::Layer;
use planner::kinds::seed::SecretField;
use planner::plan::PinnedBackup;
use planner::{Action, Step};
use provider_seed::{Condition, MemoryStores, ObjectStores, Seed, Seeder, Source, Target};
use sandbox::testing::SeaweedFs;
use secrecy::SecretString;
use serde_json::json;

const NOW: i64 = 1_795_435_200;

struct Fresh;

#[async_trait]
impl SecretSource for Fresh {
    async fn read(&self, _: &str, path: &str, _: &str) -> Result<SecretString, Error> {
        Ok(SecretString::from(format!("fresh key at {path}")))
    }
}

fn old() -> SecretString {
    SecretString::from("correct-horse-battery-staple-2026")
}

fn fixture() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../tests/fixtures/natlangchain/formats/chain_50k.encgz");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pin() -> PinnedBackup {
    let verdict = backup::verify(
        &mut fixture().as_slice(),
        backup::Options::at(NOW).with_passphrase(old()),
    )
    .unwrap()
    .verdict;
    serde_json::from_value(json!({
        "id": "b", "location": "s3://backups/b", "size": verdict.bytes, "sha256": verdict.sha256, "format": "natlangchain",
        "head": verdict.head, "blocks": verdict.blocks, "entries": verdict.entries, "written": "2026-11-23T00:00:00Z",
    }))
    .unwrap()
}

fn provider(stores: &MemoryStores, pin: PinnedBackup) -> Seed {
    let source = Source {
        store: stores.archive("backups"),
        key: "b".to_owned(),
        version: None,
        pin,
        passphrase: Some(old()),
    };
    let targets = vec![Target {
        address: "seed.object.chain".parse().unwrap(),
        bucket: "ours".to_owned(),
        key: "chain".to_owned(),
    }];
    Seed::new(
        Arc::new(Seeder::new(Arc::new(stores.clone()), NOW)),
        Some(source),
        Arc::new(Fresh),
        targets,
    )
}

fn scope() -> Scope {
    Scope {
        environment: "demo".to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    }
}

fn step(pin: &PinnedBackup) -> Step {
    Step {
        id: "seed seed.object.chain".to_owned(),
        action: Action::Seed,
        address: "seed.object.chain".parse().unwrap(),
        layer: Layer::Seed,
        depends_on: Vec::new(),
        spec: json!({"bucket": "ours", "key": "chain", "encrypt_with": {"mount": "secret", "path": "data", "field": "value"}, "sha256": pin.sha256}),
        object: None,
        changes: Vec::new(),
        token: "t".to_owned(),
        digest: String::new(),
        reason: String::new(),
        seconds: 1,
        calls: 1,
    }
}

async fn seed(provider: &Seed, step: &Step) -> Result<(), Error> {
    let scope = scope();
    provider
        .ensure(Ensure {
            scope: &scope,
            step,
            spec: step.spec.clone(),
        })
        .await
        .map(drop)
}

#[tokio::test]
async fn seeded_once_under_the_fresh_key() {
    let stores = MemoryStores::default();
    stores.insert("backups", "b", fixture(), BTreeMap::new());
    let (provider, step) = (provider(&stores, pin()), step(&pin()));
    seed(&provider, &step).await.unwrap();
    let first = stores.bytes("ours", "chain").unwrap();
    seed(&provider, &step).await.unwrap();
    assert_eq!(stores.bytes("ours", "chain").unwrap(), first);
    let fresh = backup::Options::at(NOW).with_passphrase(SecretString::from("fresh key at data"));
    assert_eq!(
        backup::verify(&mut first.as_slice(), fresh)
            .unwrap()
            .verdict
            .head,
        Some(pin().head)
    );
    let seen = provider.observe(&scope()).await.unwrap().objects;
    assert_eq!((seen.len(), &seen[0].spec), (1, &step.spec));
    provider.remove(&seen[0]).await.unwrap();
    provider.remove(&seen[0]).await.unwrap();
    assert!(stores.bytes("ours", "chain").is_none());
}

#[tokio::test]
async fn nothing_is_left_of_what_is_not_the_pinned_backup() {
    for change in ["bytes", "head", "blocks"] {
        let stores = MemoryStores::default();
        let (mut bytes, mut pin) = (fixture(), pin());
        let step = step(&pin);
        match change {
            "bytes" => {
                let middle = bytes.len() / 2;
                bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
            }
            "head" => pin.head = "0".repeat(64),
            _ => pin.blocks += 1,
        }
        stores.insert("backups", "b", bytes, BTreeMap::new());
        let error = seed(&provider(&stores, pin), &step).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{change}: {error}");
        assert!(stores.bytes("ours", "chain").is_none(), "{change}");
    }
}

#[tokio::test]
async fn data_of_another_origin_is_never_written_over() {
    let stores = MemoryStores::default();
    stores.insert("backups", "b", fixture(), BTreeMap::new());
    stores.insert("ours", "chain", b"theirs".to_vec(), BTreeMap::new());
    let provider = provider(&stores, pin());
    assert_eq!(
        seed(&provider, &step(&pin())).await.unwrap_err().kind,
        ErrorKind::Foreign
    );
    assert_eq!(stores.bytes("ours", "chain").unwrap(), b"theirs");
    assert_eq!(provider.observe(&scope()).await.unwrap().foreign.len(), 1);
}

static STORE: LazyLock<SeaweedFs> = LazyLock::new(|| SeaweedFs::start().unwrap());

/// A store that keeps versions, with the backup in it.
async fn versioned(name: &str) -> (aws_sdk_s3::Client, Seed) {
    let connection = provider_aws::Connection {
        region: "us-east-1".to_owned(),
        endpoint_url: Some(STORE.endpoint.clone()),
        profile: Some(sandbox::PROFILE.to_owned()),
        config_file: Some(STORE.aws_config_file.clone()),
        credentials_file: Some(STORE.aws_credentials_file.clone()),
        ..provider_aws::Connection::default()
    };
    let config = connection.load().await;
    let client = provider_object_store::client(&config);
    client.create_bucket().bucket(name).send().await.unwrap();
    let enabled = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    client
        .put_bucket_versioning()
        .bucket(name)
        .versioning_configuration(enabled)
        .send()
        .await
        .unwrap();
    let memory = MemoryStores::default();
    memory.insert("backups", "b", fixture(), BTreeMap::new());
    let source = Source {
        store: memory.archive("backups"),
        key: "b".to_owned(),
        version: None,
        pin: pin(),
        passphrase: Some(old()),
    };
    let stores = Arc::new(ObjectStores::new(&config));
    let seeder = Arc::new(Seeder::new(stores, NOW));
    (
        client,
        Seed::new(seeder, Some(source), Arc::new(Fresh), Vec::new()),
    )
}

fn over(bucket: &str, damaged: &Condition) -> Step {
    let mut step = step(&pin());
    step.spec["bucket"] = json!(bucket);
    if let Condition::Damaged {
        version: Some(version),
        etag,
        ..
    } = damaged
    {
        step.spec["over"] = json!({"version": version, "etag": etag});
    }
    step
}

async fn versions(client: &aws_sdk_s3::Client, bucket: &str) -> Vec<String> {
    let listed = client
        .list_object_versions()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    listed
        .versions()
        .iter()
        .map(|version| version.version_id().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_data_is_seeded_over_and_stays_as_a_version() {
    let bucket = "damaged-data";
    let (client, provider) = versioned(bucket).await;
    let key = SecretField {
        mount: "secret".to_owned(),
        path: "data".to_owned(),
        field: "value".to_owned(),
    };
    let scope = scope();
    let examined = async || {
        provider
            .examine(&scope, (bucket, "chain"), &key)
            .await
            .unwrap()
    };
    assert_eq!(examined().await, Condition::Missing);
    seed(&provider, &over(bucket, &Condition::Missing))
        .await
        .unwrap();
    assert_eq!(
        examined().await,
        Condition::Whole {
            sha256: pin().sha256
        }
    );

    // Bytes rot, and the metadata says what it always said.
    let head = client
        .head_object()
        .bucket(bucket)
        .key("chain")
        .send()
        .await
        .unwrap();
    client
        .put_object()
        .bucket(bucket)
        .key("chain")
        .set_metadata(head.metadata().cloned())
        .body(b"ENC:1:rotten".to_vec().into())
        .send()
        .await
        .unwrap();
    let damaged = examined().await;
    let Condition::Damaged {
        version: Some(version),
        ..
    } = &damaged
    else {
        panic!("{damaged:?}");
    };
    let error = seed(&provider, &over(bucket, &Condition::Missing))
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Invalid,
        "only what was agreed to is written over: {error}"
    );
    assert_eq!(versions(&client, bucket).await.len(), 2);

    seed(&provider, &over(bucket, &damaged)).await.unwrap();
    assert_eq!(
        examined().await,
        Condition::Whole {
            sha256: pin().sha256
        }
    );
    let kept = versions(&client, bucket).await;
    assert_eq!(kept.len(), 3);
    assert!(kept.contains(version), "the damaged version stays");
    // Done again, as a run that was cut short does.
    seed(&provider, &over(bucket, &damaged)).await.unwrap();
    assert_eq!(versions(&client, bucket).await, kept);

    // Somebody else's data came meanwhile: it is not what was agreed to.
    client
        .put_object()
        .bucket(bucket)
        .key("chain")
        .body(b"theirs".to_vec().into())
        .send()
        .await
        .unwrap();
    let error = seed(&provider, &over(bucket, &damaged)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Foreign, "{error}");
    assert!(matches!(examined().await, Condition::Damaged { .. }));
}
