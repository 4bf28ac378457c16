//! The lock of an environment: one object, written under conditions only.

use std::time::Duration;

use async_trait::async_trait;
use executor::lock::{Lease, LockError, LockRecord, Owner, RemoteLock};
use executor::provider::{Error, ErrorKind};
use jiff::Timestamp;

use crate::store::Store;

/// A lock record larger than this was not written by us.
const LARGEST: u64 = 64 * 1024;

/// The lock as an object: created with `If-None-Match`, renewed and taken over with `If-Match`.
#[derive(Clone, Debug)]
pub struct S3Lock {
    store: Store,
    key: String,
}

impl S3Lock {
    /// The lock of an environment in its control bucket, at `rebuild/ENVIRONMENT/lock.json`.
    pub fn new(store: Store, environment: &str) -> Self {
        Self {
            store,
            key: format!("rebuild/{environment}/lock.json"),
        }
    }

    fn url(&self) -> String {
        format!("s3://{}/{}", self.store.bucket(), self.key)
    }

    async fn look(&self) -> Result<Option<(LockRecord, String)>, Error> {
        let Some((bytes, etag)) = self.store.read(&self.key, LARGEST).await? else {
            return Ok(None);
        };
        let record = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("read {}", self.url()),
                format!("not a lock record: {error}"),
            )
        })?;
        Ok(Some((record, etag)))
    }

    async fn write(&self, record: LockRecord, expected: Option<&str>) -> Result<Lease, Error> {
        let bytes = serde_json::to_vec(&record).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("write {}", self.url()),
                error.to_string(),
            )
        })?;
        let revision = self.store.replace(&self.key, bytes, expected).await?;
        Ok(Lease { record, revision })
    }

    fn held(&self, record: Option<&LockRecord>) -> LockError {
        LockError::Held {
            lock: self.url(),
            owner: record.map(LockRecord::holder).map(Box::new),
            expires: record.map(|record| record.expires),
        }
    }

    fn lost(&self, record: Option<&LockRecord>) -> LockError {
        let why = record.map_or_else(
            || "it is gone".to_owned(),
            |record| format!("{} holds it", record.holder()),
        );
        LockError::Lost {
            lock: self.url(),
            why,
        }
    }

    /// The conditional write of one who wants the lock: a conflict means that another was first.
    async fn take(&self, record: LockRecord, expected: Option<&str>) -> Result<Lease, LockError> {
        match self.write(record, expected).await {
            Ok(lease) => Ok(lease),
            Err(error) if error.kind == ErrorKind::Conflict => {
                Err(self.held(self.look().await?.as_ref().map(|(record, _)| record)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl RemoteLock for S3Lock {
    async fn acquire(&self, owner: &Owner, ttl: Duration) -> Result<Lease, LockError> {
        let now = Timestamp::now();
        match self.look().await? {
            Some((record, _)) if !record.expired(now) => Err(self.held(Some(&record))),
            Some((record, etag)) => {
                self.take(
                    LockRecord::new(owner, record.token.saturating_add(1), ttl, now),
                    Some(&etag),
                )
                .await
            }
            None => self.take(LockRecord::new(owner, 1, ttl, now), None).await,
        }
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Lease, LockError> {
        let record = lease.record.renewed(ttl, Timestamp::now());
        match self.write(record, Some(&lease.revision)).await {
            Ok(lease) => Ok(lease),
            Err(error) if error.kind == ErrorKind::Conflict => match self.look().await? {
                // Our own renewal whose answer was lost: the token is still ours, only the revision is newer.
                Some((record, revision)) if record.token == lease.record.token => {
                    let lease = Lease { record, revision };
                    let record = lease.record.renewed(ttl, Timestamp::now());
                    match self.write(record, Some(&lease.revision)).await {
                        Ok(lease) => Ok(lease),
                        Err(error) if error.kind == ErrorKind::Conflict => {
                            Err(self.lost(self.look().await?.as_ref().map(|(record, _)| record)))
                        }
                        Err(error) => Err(error.into()),
                    }
                }
                other => Err(self.lost(other.as_ref().map(|(record, _)| record))),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), LockError> {
        let Some((mut record, etag)) = self.look().await? else {
            return Ok(());
        };
        if record.token != lease.record.token {
            return Ok(());
        }
        record.expires = Timestamp::now();
        match self.write(record, Some(&etag)).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&self) -> Result<Option<LockRecord>, LockError> {
        Ok(self.look().await?.map(|(record, _)| record))
    }

    async fn take_over(
        &self,
        token: u64,
        owner: &Owner,
        ttl: Duration,
    ) -> Result<Lease, LockError> {
        match self.look().await? {
            Some((record, etag)) if record.token == token => {
                self.take(
                    LockRecord::new(owner, token.saturating_add(1), ttl, Timestamp::now()),
                    Some(&etag),
                )
                .await
            }
            other => Err(self.held(other.as_ref().map(|(record, _)| record))),
        }
    }
}
