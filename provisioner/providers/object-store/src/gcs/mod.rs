//! Google Cloud Storage as a place that holds backups, read through its JSON API (<https://cloud.google.com/storage/docs/json_api/v1>).
//!
//! A version is a *generation*, in decimals. Nothing here can write: the credentials are asked for the scope
//! `devstorage.read_only`.

mod api;
mod errors;
mod media;
mod resource;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use executor::provider::{Error, ErrorKind};

use crate::archive::{Archive, Lock, Reader, whole};
use crate::download::{self, Policy};
use crate::keeping::Keeping;
use crate::store::Object;
use api::{Api, Call};
use media::Media;
use resource::{Bucket, KEEPING, LISTED, LOOKED_AT, Page, Resource};

/// Objects asked for at once; the service gives no more ("Objects: list").
const PAGE: u32 = 1000;
/// Pages in a row that may hold nothing. The service may give some; a server that gives only such would never end.
const EMPTY_PAGES: u32 = 100;

/// Which bucket, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsSettings {
    /// Its name.
    pub bucket: String,
    /// Another server than Google's: `http://127.0.0.1:4443`. It is sent no credentials.
    pub endpoint: Option<String>,
}

/// One bucket of Google Cloud Storage.
#[derive(Clone)]
pub struct Gcs {
    api: Arc<Api>,
    page: u32,
    pub(crate) policy: Policy,
}

impl Gcs {
    /// A bucket. Nothing is asked yet, neither there nor for credentials: Application Default Credentials are found with the
    /// first request (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's own file, the metadata server).
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the bucket's name or the endpoint can't be one.
    pub fn connect(settings: &GcsSettings) -> Result<Self, Error> {
        Ok(Self {
            api: Arc::new(Api::new(settings)?),
            page: PAGE,
            policy: Policy::default(),
        })
    }

    /// The same bucket, listed in pages of at most so many objects.
    #[must_use]
    pub fn with_page_size(self, objects: u32) -> Self {
        Self {
            page: objects.clamp(1, PAGE),
            ..self
        }
    }

    fn call(&self, name: &str, key: &str) -> Call {
        Call {
            what: format!("{name} {}", self.url(key)),
            retry: self.policy.retry,
        }
    }

    async fn resource(&self, key: &str, version: Option<&str>) -> Result<Option<Resource>, Error> {
        let call = self.call("objects.get", key);
        let mut query = vec![("fields", LOOKED_AT)];
        if let Some(version) = version {
            query.push(("generation", generation(version, &call)?));
        }
        let url = self.api.object(key, &query)?;
        let found: Option<Resource> = self.api.json(&call, url).await?;
        if let Some(found) = &found
            && (found.name != key || version.is_some_and(|version| version != found.generation))
        {
            let why = format!(
                "the answer is of generation {} of {}",
                found.generation, found.name
            );
            return Err(Error::new(ErrorKind::Server, call.what, why));
        }
        Ok(found)
    }

    /// The bucket's retention policy; unknown to who may not look at the bucket.
    async fn bucket(&self) -> Result<Bucket, Error> {
        let call = self.call("buckets.get", "");
        let url = self.api.bucket(&[("fields", "retentionPolicy")])?;
        match self.api.json(&call, url).await {
            Ok(bucket) => Ok(bucket.unwrap_or_default()),
            Err(error) if error.kind == ErrorKind::Denied => Ok(Bucket::default()),
            Err(error) => Err(error),
        }
    }
}

/// A generation is a number; anything else is no version of this store.
fn generation<'a>(version: &'a str, call: &Call) -> Result<&'a str, Error> {
    match version.parse::<u64>() {
        Ok(_) => Ok(version),
        Err(_) => Err(Error::new(
            ErrorKind::Invalid,
            &call.what,
            format!("\"{version}\" is no generation: that is a number"),
        )),
    }
}

#[async_trait]
impl Archive for Gcs {
    fn url(&self, key: &str) -> String {
        format!("gs://{}/{key}", self.api.name())
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, Error> {
        let call = self.call("objects.list", prefix);
        let size = self.page.to_string();
        let mut objects = Vec::new();
        let (mut token, mut empty) = (None::<String>, 0);
        loop {
            let mut query = vec![
                ("versions", "true"),
                ("prefix", prefix),
                ("maxResults", &size),
                ("fields", LISTED),
            ];
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let url = self.api.objects(&query)?;
            let page: Option<Page> = self.api.json(&call, url).await?;
            let Some(page) = page else {
                let why = "there is no such bucket";
                return Err(Error::new(ErrorKind::Unavailable, call.what, why));
            };
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            for resource in page.items {
                if resource.name.starts_with(prefix) {
                    objects.push(resource.object(&call.what)?);
                }
            }
            if objects.len() > limit {
                let why = format!("more than {limit} object versions");
                return Err(Error::new(ErrorKind::Invalid, call.what, why));
            }
            let next = page.next_page_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
            if next == token || empty > EMPTY_PAGES {
                let why = "pages follow each other without end";
                return Err(Error::new(ErrorKind::Server, call.what, why));
            }
            token = next;
        }
        objects.sort_by_cached_key(|object| {
            let generation = object.version.as_deref().map(str::parse::<u64>);
            let generation = generation.and_then(Result::ok).unwrap_or_default();
            (object.key.clone(), Reverse(generation))
        });
        Ok(objects)
    }

    async fn look(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<(Object, Lock)>, Error> {
        let Some(resource) = self.resource(key, version).await? else {
            return Ok(None);
        };
        let bucket = if resource.retention_expiration_time.is_some() {
            self.bucket().await?
        } else {
            Bucket::default()
        };
        let lock = resource.lock(&bucket);
        let object = resource.object(&self.call("objects.get", key).what)?;
        Ok(Some((object, lock)))
    }

    async fn open(&self, key: &str, version: Option<&str>, size: u64) -> Result<Reader, Error> {
        if let Some(version) = version {
            generation(version, &self.call("objects.get", key))?;
        }
        let media = Media {
            api: Arc::clone(&self.api),
            key: key.to_owned(),
        };
        download::open(Arc::new(media), version, size, self.policy).await
    }

    async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let what = self.call("objects.get", key).what;
        let Some(resource) = self.resource(key, None).await? else {
            return Ok(None);
        };
        let object = resource.object(&what)?;
        if object.size > limit {
            let why = format!("larger than {limit} bytes");
            return Err(Error::new(ErrorKind::Invalid, what, why));
        }
        let opened = self.open(key, object.version.as_deref(), object.size).await;
        match opened {
            Ok(reader) => whole(&what, reader, limit).await.map(Some),
            // Deleted since it was looked at.
            Err(error) if error.kind == ErrorKind::Unavailable => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn keeping(&self) -> Keeping {
        let call = self.call("buckets.get", "");
        let asked = async {
            let url = self.api.bucket(&[("fields", KEEPING)])?;
            self.api.json::<Bucket>(&call, url).await
        };
        match asked.await {
            Ok(Some(bucket)) => bucket.keeping(),
            Ok(None) => Keeping::unread("there is no such bucket"),
            Err(error) => Keeping::unread(&error.to_string()),
        }
    }
}
