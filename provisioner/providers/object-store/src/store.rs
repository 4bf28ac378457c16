//! One bucket's objects. Everything streams: memory does not grow with an object's size.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, ObjectLockLegalHoldStatus, ObjectLockMode,
};
use bytes::{Bytes, BytesMut};
use executor::provider::{Error, ErrorKind};
use jiff::Timestamp;
use provider_aws::{code, failure, is_missing};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt};

use crate::archive::{Lock, Reader, whole};
use crate::download::{self, Policy};
use crate::object::S3Object;

/// Bytes of the first parts of a multipart upload. S3 asks for 5 MiB at least and 10,000 parts at most ("Multipart upload limits").
const PART: usize = 8 << 20;
/// Parts after which the size doubles, so that 5 TiB fit into 10,000 parts.
const PARTS_PER_SIZE: i32 = 1000;

/// One version of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Key.
    pub key: String,
    /// Version id; `None` where the bucket has no versions.
    pub version: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// Entity tag, without quotes.
    pub etag: String,
    /// The version that a get without version id gives.
    pub latest: bool,
}

/// What HEAD says of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The version.
    pub object: Object,
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// How it is held.
    pub lock: Lock,
}

/// How an object is written.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// User metadata.
    pub metadata: BTreeMap<String, String>,
    /// Media type.
    pub content_type: Option<String>,
    /// Only when no object of the key is there.
    pub if_absent: bool,
    /// Only over the object with this entity tag.
    pub if_match: Option<String>,
    /// How long the version is held; as the bucket says without it.
    pub retain: Option<Retain>,
}

/// How long a version can neither be deleted nor replaced (S3 Object Lock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// Until then, to the second.
    pub until: Timestamp,
    /// Not even by the owner of the account; otherwise whoever holds a special permission may shorten it.
    pub compliance: bool,
}

impl Retain {
    fn mode(self) -> ObjectLockMode {
        match self.compliance {
            true => ObjectLockMode::Compliance,
            false => ObjectLockMode::Governance,
        }
    }

    fn until(self) -> DateTime {
        DateTime::from_secs(self.until.as_second())
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Version id, where the bucket has versions.
    pub version: Option<String>,
    /// Entity tag, without quotes.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// One bucket.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    bucket: String,
    pub(crate) policy: Policy,
}

impl Store {
    /// The objects of a bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self {
            client,
            bucket: bucket.into(),
            policy: Policy::default(),
        }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn sdk(&self) -> &Client {
        &self.client
    }

    fn what(&self, call: &str, key: &str) -> String {
        format!("{call} s3://{}/{key}", self.bucket)
    }

    /// Every version under a prefix, newest first per key, through all pages; delete markers left out.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when there are more than `limit`.
    pub async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, Error> {
        let mut objects = Vec::new();
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let call = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(prefix);
            let call = call
                .set_key_marker(key_marker.take())
                .set_version_id_marker(version_marker.take());
            let page = call
                .send()
                .await
                .map_err(|error| failure(self.what("ListObjectVersions", prefix), error))?;
            for version in page.versions() {
                objects.push(Object {
                    key: version.key().unwrap_or_default().to_owned(),
                    version: real_version(version.version_id()),
                    size: version
                        .size()
                        .and_then(|size| u64::try_from(size).ok())
                        .unwrap_or(0),
                    modified: version.last_modified().and_then(timestamp),
                    etag: unquoted(version.e_tag()),
                    latest: version.is_latest().unwrap_or(true),
                });
            }
            if objects.len() > limit {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    self.what("ListObjectVersions", prefix),
                    format!("more than {limit} object versions"),
                ));
            }
            if !page.is_truncated().unwrap_or(false) {
                return Ok(objects);
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
            if key_marker.is_none() {
                return Err(Error::new(
                    ErrorKind::Server,
                    self.what("ListObjectVersions", prefix),
                    "a page says that more follows, and not where",
                ));
            }
        }
    }

    /// One version, or the latest; `None` when it is not there.
    pub async fn head(&self, key: &str, version: Option<&str>) -> Result<Option<Head>, Error> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .send()
            .await;
        let head = match answer {
            Ok(head) => head,
            Err(error) if is_missing(code(&error)) || status(&error) == Some(404) => {
                return Ok(None);
            }
            Err(error) => return Err(failure(self.what("HeadObject", key), error)),
        };
        Ok(Some(Head {
            object: Object {
                key: key.to_owned(),
                version: real_version(head.version_id()),
                size: head
                    .content_length()
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or(0),
                modified: head.last_modified().and_then(timestamp),
                etag: unquoted(head.e_tag()),
                latest: version.is_none(),
            },
            metadata: head
                .metadata()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            lock: lock(&head),
        }))
    }

    /// Streams one version, or the latest, whole or in part.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it is not there.
    pub async fn get(
        &self,
        key: &str,
        version: Option<&str>,
        range: Option<Range<u64>>,
    ) -> Result<impl AsyncBufRead + Send + Unpin + use<>, Error> {
        let range = match range {
            Some(range) if range.is_empty() => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    self.what("GetObject", key),
                    "the range is empty",
                ));
            }
            Some(range) => Some(format!("bytes={}-{}", range.start, range.end - 1)),
            None => None,
        };
        let call = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(version.map(str::to_owned))
            .set_range(range);
        match call.send().await {
            Ok(answer) => Ok(answer.body.into_async_read()),
            Err(error) if is_missing(code(&error)) => Err(Error::new(
                ErrorKind::Unavailable,
                self.what("GetObject", key),
                format!(
                    "there is no such object{}",
                    version
                        .map(|v| format!(" in version {v}"))
                        .unwrap_or_default()
                ),
            )),
            Err(error) => Err(failure(self.what("GetObject", key), error)),
        }
    }

    /// Reads `size` bytes of one version, or the latest: ranges of 8 MiB at a time, going on after a broken connection.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when it is not there, [`ErrorKind::Conflict`] when it has another size. The reader fails with an
    /// [`std::io::Error`] around an [`Error`], of [`ErrorKind::Conflict`] when the object is replaced meanwhile.
    pub async fn download(
        &self,
        key: &str,
        version: Option<&str>,
        size: u64,
    ) -> Result<Reader, Error> {
        let object = S3Object {
            client: self.client.clone(),
            bucket: self.bucket.clone(),
            key: key.to_owned(),
        };
        download::open(Arc::new(object), version, size, self.policy).await
    }

    /// Reads a small object whole, with its entity tag; `None` when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when it is larger than `limit` bytes.
    pub async fn read(&self, key: &str, limit: u64) -> Result<Option<(Bytes, String)>, Error> {
        let answer = match self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(error) if code(&error) == "NoSuchKey" => return Ok(None),
            Err(error) => return Err(failure(self.what("GetObject", key), error)),
        };
        let etag = answer.e_tag().unwrap_or_default().to_owned();
        let body = answer.body.into_async_read();
        let bytes = whole(&self.what("GetObject", key), body, limit).await?;
        Ok(Some((bytes, etag)))
    }

    /// Writes a small object, only when its entity tag is still `expected` (`None`: only when it is absent). Returns the new tag.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when another wrote it meanwhile.
    pub async fn replace(
        &self,
        key: &str,
        bytes: Vec<u8>,
        expected: Option<&str>,
    ) -> Result<String, Error> {
        let call = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(ByteStream::from(bytes))
            .content_type("application/json");
        let call = match expected {
            Some(etag) => call.if_match(etag),
            None => call.if_none_match("*"),
        };
        let answer = call
            .send()
            .await
            .map_err(|error| match (expected, code(&error)) {
                // An If-Match on an object that was deleted answers 404.
                (Some(_), "NoSuchKey") => Error::new(
                    ErrorKind::Conflict,
                    self.what("PutObject", key),
                    "it was deleted meanwhile",
                ),
                _ => failure(self.what("PutObject", key), error),
            })?;
        answer.e_tag.ok_or_else(|| {
            Error::new(
                ErrorKind::Server,
                self.what("PutObject", key),
                "the answer has no entity tag",
            )
        })
    }

    /// Streams an object in; in parts when it is larger than 8 MiB. What is broken off leaves nothing behind.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when `if_absent` and an object is there.
    pub async fn put(
        &self,
        key: &str,
        mut reader: impl AsyncRead + Unpin + Send,
        how: &Put,
    ) -> Result<Stored, Error> {
        let first = self.part(key, &mut reader, PART).await?;
        if first.len() < PART {
            return self.put_whole(key, first, how).await;
        }
        let call = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .set_content_type(how.content_type.clone());
        let upload = call
            .set_metadata(Some(how.metadata.clone().into_iter().collect()))
            .set_object_lock_mode(how.retain.map(Retain::mode))
            .set_object_lock_retain_until_date(how.retain.map(Retain::until))
            .send()
            .await
            .map_err(|error| failure(self.what("CreateMultipartUpload", key), error))?;
        let Some(id) = upload.upload_id() else {
            return Err(Error::new(
                ErrorKind::Server,
                self.what("CreateMultipartUpload", key),
                "the answer has no upload id",
            ));
        };
        match self.put_parts(key, id, first, &mut reader, how).await {
            Ok(stored) => Ok(stored),
            Err(error) => {
                // The failure that counts is the first; parts left behind are the bucket's lifecycle's to remove.
                let _ = self
                    .client
                    .abort_multipart_upload()
                    .bucket(&self.bucket)
                    .key(key)
                    .upload_id(id)
                    .send()
                    .await;
                Err(error)
            }
        }
    }

    async fn part(
        &self,
        key: &str,
        reader: &mut (impl AsyncRead + Unpin + Send),
        size: usize,
    ) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::with_capacity(size.min(PART));
        while bytes.len() < size {
            let room = size - bytes.len();
            let read = (&mut *reader).take(room as u64).read_buf(&mut bytes).await;
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        self.what("read for", key),
                        error.to_string(),
                    ));
                }
            }
        }
        Ok(bytes.freeze())
    }

    async fn put_whole(&self, key: &str, bytes: Bytes, how: &Put) -> Result<Stored, Error> {
        let size = bytes.len() as u64;
        let call = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(ByteStream::from(bytes));
        let call = call
            .set_content_type(how.content_type.clone())
            .set_metadata(Some(how.metadata.clone().into_iter().collect()));
        let call = call
            .set_if_none_match(how.if_absent.then(|| "*".to_owned()))
            .set_if_match(how.if_match.clone())
            .set_object_lock_mode(how.retain.map(Retain::mode))
            .set_object_lock_retain_until_date(how.retain.map(Retain::until));
        let answer = call
            .send()
            .await
            .map_err(|error| failure(self.what("PutObject", key), error))?;
        Ok(Stored {
            version: real_version(answer.version_id()),
            etag: unquoted(answer.e_tag()),
            size,
        })
    }

    async fn put_parts(
        &self,
        key: &str,
        id: &str,
        first: Bytes,
        reader: &mut (impl AsyncRead + Unpin + Send),
        how: &Put,
    ) -> Result<Stored, Error> {
        let (mut parts, mut size, mut number, mut bytes) = (Vec::new(), 0_u64, 1_i32, first);
        loop {
            size += bytes.len() as u64;
            let call = self
                .client
                .upload_part()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(id)
                .part_number(number)
                .body(ByteStream::from(bytes));
            let answer = call
                .send()
                .await
                .map_err(|error| failure(self.what(&format!("UploadPart {number}"), key), error))?;
            parts.push(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(answer.e_tag)
                    .set_checksum_crc32(answer.checksum_crc32)
                    .build(),
            );
            let length = PART << (number / PARTS_PER_SIZE);
            bytes = self.part(key, reader, length).await?;
            if bytes.is_empty() {
                break;
            }
            number += 1;
        }
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(id)
            .multipart_upload(upload);
        let call = call
            .set_if_none_match(how.if_absent.then(|| "*".to_owned()))
            .set_if_match(how.if_match.clone());
        let answer = call
            .send()
            .await
            .map_err(|error| failure(self.what("CompleteMultipartUpload", key), error))?;
        Ok(Stored {
            version: real_version(answer.version_id()),
            etag: unquoted(answer.e_tag()),
            size,
        })
    }
}

/// How S3 Object Lock holds a version ("Retention modes", "Legal holds").
fn lock(head: &HeadObjectOutput) -> Lock {
    let until = head.object_lock_retain_until_date().and_then(timestamp);
    match (head.object_lock_mode(), until) {
        (Some(ObjectLockMode::Compliance), Some(until)) => Lock::Compliance(until),
        (Some(ObjectLockMode::Governance), Some(until)) => Lock::Governance(until),
        _ if head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On) => {
            Lock::Hold
        }
        _ => Lock::None,
    }
}

/// Stores without versions give the version id `null`.
pub(crate) fn real_version(id: Option<&str>) -> Option<String> {
    id.filter(|id| !id.is_empty() && *id != "null")
        .map(str::to_owned)
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn timestamp(at: &aws_sdk_s3::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

pub(crate) fn status<E>(error: &aws_sdk_s3::error::SdkError<E>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}
