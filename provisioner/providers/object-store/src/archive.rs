//! What is asked of a place that holds backups, whichever cloud it is in. Reading only: nothing here can change it.

use async_trait::async_trait;
use bytes::Bytes;
use executor::provider::{Error, ErrorKind};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::download;
use crate::keeping::Keeping;
use crate::store::{Object, Store};

/// Bytes of an object.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// How a stored version is kept from being changed, as the storage itself reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lock {
    /// It is not.
    #[default]
    None,
    /// Only who holds a special permission can change it before then: S3 Object Lock in governance mode, a retention policy of
    /// Google Cloud Storage that is not locked.
    Governance(Timestamp),
    /// Nobody can before then: S3 Object Lock in compliance mode, a locked retention policy of Google Cloud Storage.
    Compliance(Timestamp),
    /// A hold, which whoever may set it may also lift.
    Hold,
}

/// A bucket with backups.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The whole address of a key: `s3://BUCKET/KEY` or `gs://BUCKET/KEY`.
    fn url(&self, key: &str) -> String;

    /// Every version under a prefix, through all pages.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there are more than `limit`.
    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, Error>;

    /// One version, or the latest, and how it is held; `None` when it is not there.
    async fn look(&self, key: &str, version: Option<&str>)
    -> Result<Option<(Object, Lock)>, Error>;

    /// Streams `size` bytes of exactly this version (the latest where the store keeps none). A connection that breaks is followed by
    /// another, which goes on where the first one stopped; memory stays below 32 MiB however large the object is.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it is not there, [`ErrorKind::Conflict`] when it has another size. The reader fails with an
    /// [`std::io::Error`] around an [`Error`] (see [`crate::provider_error`]), of [`ErrorKind::Conflict`] when the object is
    /// replaced while it is read.
    async fn open(&self, key: &str, version: Option<&str>, size: u64) -> Result<Reader, Error>;

    /// Reads a small object whole; `None` when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is larger than `limit` bytes.
    async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Error>;

    /// How the bucket keeps what is put into it. What can't be told says why.
    async fn keeping(&self) -> Keeping {
        Keeping::unread("this place does not say how it keeps what it holds")
    }
}

#[async_trait]
impl Archive for Store {
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket())
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, Error> {
        Store::list(self, prefix, limit).await
    }

    async fn look(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<(Object, Lock)>, Error> {
        let head = self.head(key, version).await?;
        Ok(head.map(|head| (head.object, head.lock)))
    }

    async fn open(&self, key: &str, version: Option<&str>, size: u64) -> Result<Reader, Error> {
        self.download(key, version, size).await
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let found = Store::read(self, key, limit).await?;
        Ok(found.map(|(bytes, _)| bytes))
    }

    async fn keeping(&self) -> Keeping {
        self.how_kept().await
    }
}

/// All of a stream that is to hold at most `limit` bytes.
pub(crate) async fn whole(
    what: &str,
    reader: impl AsyncRead + Unpin,
    limit: u64,
) -> Result<Bytes, Error> {
    let mut bytes = Vec::new();
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| match download::provider_error(&error) {
            Some(error) => error.clone(),
            None => Error::new(ErrorKind::Unreachable, what, error.to_string()),
        })?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(
            ErrorKind::Invalid,
            what,
            format!("larger than {limit} bytes"),
        ));
    }
    Ok(bytes.into())
}
