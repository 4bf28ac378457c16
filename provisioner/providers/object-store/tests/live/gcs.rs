//! Google Cloud Storage's interface, as fake-gcs-server has it. Not a cloud: it knows no retention, no credentials, and a page of
//! it ends a name's generations. Those are tested against recorded answers beside the code.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use executor::provider::ErrorKind;
use provider_object_store::{Archive, Gcs, GcsSettings, Lock};
use reqwest::Client;
use sandbox::Tool;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::{ports, program};

/// A server that ends with the test; all it holds is in memory.
struct FakeGcs {
    child: Child,
    url: String,
    client: Client,
}

impl FakeGcs {
    async fn start() -> Self {
        let port = ports(1)[0];
        let url = format!("http://127.0.0.1:{port}");
        let folder = std::env::temp_dir();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program(Tool::FakeGcs))
            .args([
                "-scheme",
                "http",
                "-backend",
                "memory",
                "-host",
                "127.0.0.1",
            ])
            .args(["-port", &port.to_string(), "-external-url", &url])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("fake-gcs-server must be installed");
        let client = Client::builder().no_proxy().build().expect("a client");
        let server = Self { child, url, client };
        let health = format!("{}/_internal/healthcheck", server.url);
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = server.client.get(&health).send().await {
            assert!(Instant::now() < deadline, "it must answer: {error:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    async fn bucket(&self, name: &str) {
        let body = json!({"name": name, "versioning": {"enabled": true}}).to_string();
        let answer = self
            .client
            .post(format!("{}/storage/v1/b?project=test", self.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        assert!(answer.expect("an answer").status().is_success());
    }

    /// Uploads an object and returns its generation.
    async fn put(&self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) -> String {
        let url = format!("{}/upload/storage/v1/b/{bucket}/o", self.url);
        let url = reqwest::Url::parse_with_params(&url, [("uploadType", "media"), ("name", key)]);
        let answer = self
            .client
            .post(url.expect("an address"))
            .header("content-type", "application/octet-stream")
            .body(bytes.into())
            .send()
            .await
            .expect("an answer");
        let object: Value = answer.json().await.expect("an object");
        let generation = object["generation"].as_str();
        generation.expect("a generation").to_owned()
    }

    async fn delete(&self, bucket: &str, key: &str) {
        let mut url = reqwest::Url::parse(&self.url).expect("an address");
        url.path_segments_mut()
            .expect("a path")
            .extend(["storage", "v1", "b", bucket, "o", key]);
        let answer = self.client.delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn connect(&self, bucket: &str) -> Gcs {
        Gcs::connect(&GcsSettings {
            bucket: bucket.to_owned(),
            endpoint: Some(self.url.clone()),
        })
        .expect("settings")
    }
}

impl Drop for FakeGcs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn bytes(gcs: &Gcs, key: &str, version: Option<&str>, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = gcs.open(key, version, size).await.expect("it opens");
    reader.read_to_end(&mut bytes).await.expect("all of it");
    bytes
}

#[tokio::test]
async fn a_bucket_of_google_cloud_storage_is_an_archive() {
    let server = FakeGcs::start().await;
    server.bucket("backups").await;
    let gcs = server.connect("backups").with_page_size(2);
    assert_eq!(gcs.list("", 10).await.expect("a list"), []);

    // More names than fit on a page.
    for name in ["p/1", "p/2", "p/3", "p/4", "p/5", "q/1"] {
        server.put("backups", name, name).await;
    }
    let list = gcs.list("p/", 5).await.expect("all pages");
    let keys: Vec<_> = list.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["p/1", "p/2", "p/3", "p/4", "p/5"]);
    assert!(list.iter().all(|object| object.latest && object.size == 3));
    assert!(list.iter().all(|object| object.modified.is_some()));
    let error = gcs.list("p/", 4).await.expect_err("too many");
    assert_eq!(error.kind, ErrorKind::Invalid);

    let gcs = server.connect("backups");
    let first = server.put("backups", "b/a b+ü", "first version").await;
    let second = server.put("backups", "b/a b+ü", "the second version").await;
    let list = gcs.list("b/", 10).await.expect("a list");
    let found: Vec<_> = list
        .iter()
        .map(|object| (object.version.as_deref(), object.size, object.latest))
        .collect();
    let expected = [
        (Some(second.as_str()), 18, true),
        (Some(first.as_str()), 13, false),
    ];
    assert_eq!(found, expected);
    let looked = gcs.look("b/a b+ü", Some(&first)).await.expect("a look");
    let (object, lock) = looked.expect("an object");
    assert_eq!((object.size, object.latest, lock), (13, false, Lock::None));
    let (object, _) = gcs
        .look("b/a b+ü", None)
        .await
        .expect("a look")
        .expect("it");
    assert_eq!(object.version.as_deref(), Some(second.as_str()));
    assert_eq!(
        bytes(&gcs, "b/a b+ü", Some(&first), 13).await,
        b"first version"
    );
    assert_eq!(
        bytes(&gcs, "b/a b+ü", None, 18).await,
        b"the second version"
    );
    let read = gcs.read("b/a b+ü", 18).await.expect("an answer");
    assert_eq!(read.as_deref(), Some(&b"the second version"[..]));
    let error = gcs.read("b/a b+ü", 17).await.expect_err("too large");
    assert_eq!(error.kind, ErrorKind::Invalid);

    // Three ranges.
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let generation = server.put("backups", "b/large", large.clone()).await;
    server.put("backups", "b/large", "another").await;
    let read = bytes(&gcs, "b/large", Some(&generation), 20_000_000).await;
    assert!(read == large);

    server.delete("backups", "b/a b+ü").await;
    assert_eq!(gcs.look("b/a b+ü", None).await.expect("a look"), None);
    assert_eq!(gcs.read("b/a b+ü", 18).await.expect("an answer"), None);
    let error = gcs.open("b/a b+ü", None, 18).await.err().expect("deleted");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(
        bytes(&gcs, "b/a b+ü", Some(&first), 13).await,
        b"first version"
    );
    let list = gcs.list("b/a", 10).await.expect("a list");
    assert!(list.iter().all(|object| !object.latest));

    let error = server.connect("no-such-bucket").list("", 10).await;
    assert_eq!(error.expect_err("no bucket").kind, ErrorKind::Unavailable);
}
