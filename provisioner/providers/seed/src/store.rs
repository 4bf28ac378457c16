//! The few things asked of an object store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use executor::provider::{Error, ErrorKind};
pub use provider_object_store::archive::Reader;
use provider_object_store::{Archive, Lock, Object, Put};
use tokio::io::AsyncReadExt;

/// What a store says of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Version, where the store has versions.
    pub version: Option<String>,
    /// Entity tag.
    pub etag: String,
    /// Bytes.
    pub size: u64,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
}

/// One bucket.
#[async_trait]
pub trait Store: Send + Sync {
    /// What is there; `None` when nothing is.
    async fn head(&self, key: &str) -> Result<Option<Head>, Error>;
    /// Streams one version, or the latest.
    async fn open(&self, key: &str, version: Option<&str>) -> Result<Reader, Error>;
    /// Streams an object in where none is, or over the one with the entity tag `over`, whole or not at all; returns its version.
    async fn put(
        &self,
        key: &str,
        reader: Reader,
        metadata: BTreeMap<String, String>,
        over: Option<&str>,
    ) -> Result<Option<String>, Error>;
    /// Removes one version, or the object of a store without versions.
    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Error>;
}

/// Buckets by name.
pub trait Stores: Send + Sync {
    /// The bucket of a name. It need not be there yet.
    fn bucket(&self, name: &str) -> Arc<dyn Store>;
}

/// Buckets in S3, or in a store that speaks its language.
#[derive(Clone, Debug)]
pub struct ObjectStores {
    client: aws_sdk_s3::Client,
}

impl ObjectStores {
    /// The buckets behind a configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: provider_object_store::client(config),
        }
    }
}

impl Stores for ObjectStores {
    fn bucket(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(Bucket {
            client: self.client.clone(),
            store: provider_object_store::Store::new(self.client.clone(), name),
        })
    }
}

struct Bucket {
    client: aws_sdk_s3::Client,
    store: provider_object_store::Store,
}

#[async_trait]
impl Store for Bucket {
    async fn head(&self, key: &str) -> Result<Option<Head>, Error> {
        let head = self.store.head(key, None).await?;
        Ok(head.map(|head| Head {
            version: head.object.version,
            etag: head.object.etag,
            size: head.object.size,
            metadata: head.metadata,
        }))
    }

    async fn open(&self, key: &str, version: Option<&str>) -> Result<Reader, Error> {
        Ok(Box::new(self.store.get(key, version, None).await?))
    }

    async fn put(
        &self,
        key: &str,
        reader: Reader,
        metadata: BTreeMap<String, String>,
        over: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let how = Put {
            metadata,
            content_type: Some("application/octet-stream".to_owned()),
            if_absent: over.is_none(),
            if_match: over.map(str::to_owned),
            retain: None,
        };
        Ok(self.store.put(key, reader, &how).await?.version)
    }

    async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), Error> {
        let what = format!("DeleteObject s3://{}/{key}", self.store.bucket());
        let call = self
            .client
            .delete_object()
            .bucket(self.store.bucket())
            .key(key)
            .set_version_id(version.map(str::to_owned))
            // Only ever asked of an object of ours: one that failed its read-back, or one of a generation that is destroyed on purpose.
            .bypass_governance_retention(true);
        call.send()
            .await
            .map(drop)
            .map_err(|error| provider_aws::failure(what, error))
    }
}

/// Buckets in memory: works, and forgets. For tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStores {
    objects: Objects,
}

type Objects = Arc<Mutex<BTreeMap<(String, String), (Vec<u8>, BTreeMap<String, String>)>>>;

impl MemoryStores {
    /// Puts an object there, whatever was there.
    pub fn insert(
        &self,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
        metadata: BTreeMap<String, String>,
    ) {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((bucket.to_owned(), key.to_owned()), (bytes, metadata));
    }

    /// The bucket of a name, to read backups from.
    pub fn archive(&self, name: &str) -> Arc<dyn Archive> {
        Arc::new(MemoryBucket {
            name: name.to_owned(),
            objects: self.objects.clone(),
        })
    }

    /// The bytes of an object.
    pub fn bytes(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(bucket.to_owned(), key.to_owned()))
            .map(|object| object.0.clone())
    }
}

impl Stores for MemoryStores {
    fn bucket(&self, name: &str) -> Arc<dyn Store> {
        Arc::new(MemoryBucket {
            name: name.to_owned(),
            objects: self.objects.clone(),
        })
    }
}

struct MemoryBucket {
    name: String,
    objects: Objects,
}

impl MemoryBucket {
    fn at(&self, key: &str) -> (String, String) {
        (self.name.clone(), key.to_owned())
    }
}

#[async_trait]
impl Store for MemoryBucket {
    async fn head(&self, key: &str) -> Result<Option<Head>, Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(objects.get(&self.at(key)).map(|(bytes, metadata)| Head {
            version: None,
            etag: tag(bytes),
            size: bytes.len() as u64,
            metadata: metadata.clone(),
        }))
    }

    async fn open(&self, key: &str, _: Option<&str>) -> Result<Reader, Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        match objects.get(&self.at(key)) {
            Some((bytes, _)) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                format!("get {}/{key}", self.name),
                "there is no such object",
            )),
        }
    }

    async fn put(
        &self,
        key: &str,
        mut reader: Reader,
        metadata: BTreeMap<String, String>,
        over: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let what = format!("put {}/{key}", self.name);
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| Error::new(ErrorKind::Invalid, what.clone(), error.to_string()))?;
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let there = objects.get(&self.at(key)).map(|(bytes, _)| tag(bytes));
        if there.as_deref() != over {
            return Err(Error::new(
                ErrorKind::Conflict,
                what,
                "another object is there",
            ));
        }
        objects.insert(self.at(key), (bytes, metadata));
        Ok(None)
    }

    async fn delete(&self, key: &str, _: Option<&str>) -> Result<(), Error> {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.at(key));
        Ok(())
    }
}

#[async_trait]
impl Archive for MemoryBucket {
    fn url(&self, key: &str) -> String {
        format!("memory://{}/{key}", self.name)
    }

    async fn list(&self, prefix: &str, _: usize) -> Result<Vec<Object>, Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let found = objects
            .iter()
            .filter(|((bucket, key), _)| *bucket == self.name && key.starts_with(prefix))
            .map(|((_, key), (bytes, _))| object(key, bytes))
            .collect();
        Ok(found)
    }

    async fn look(&self, key: &str, _: Option<&str>) -> Result<Option<(Object, Lock)>, Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let found = objects.get(&self.at(key));
        Ok(found.map(|(bytes, _)| (object(key, bytes), Lock::None)))
    }

    async fn open(&self, key: &str, version: Option<&str>, _: u64) -> Result<Reader, Error> {
        Store::open(self, key, version).await
    }

    async fn read(&self, key: &str, _: u64) -> Result<Option<Bytes>, Error> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let found = objects.get(&self.at(key));
        Ok(found.map(|(bytes, _)| Bytes::copy_from_slice(bytes)))
    }
}

fn tag(bytes: &[u8]) -> String {
    planner::canonical::digest_bytes(bytes)
}

fn object(key: &str, bytes: &[u8]) -> Object {
    Object {
        key: key.to_owned(),
        version: None,
        size: bytes.len() as u64,
        modified: None,
        etag: String::new(),
        latest: true,
    }
}
