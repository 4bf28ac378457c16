//! Requests to the JSON API: addresses, credentials, bounds.

use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};
use http::{Extensions, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::Url;

use super::GcsSettings;
use super::errors;
use crate::causes::{cause, chain};
use crate::retry::{Attempts, Retry};

const GOOGLE: &str = "https://storage.googleapis.com";
/// All that is asked for: nothing here writes.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";
/// The longest answer in JSON. A page of 1000 objects with names of 1 KiB, every character escaped, has 7 MiB.
const ANSWER: usize = 8 << 20;
/// The longest answer that is read of a refusal.
const REFUSAL: usize = 64 << 10;
/// How long an answer in JSON, or a token, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked, for errors, and how often.
pub(super) struct Call {
    pub(super) what: String,
    pub(super) retry: Retry,
}

/// A bucket's side of the API.
pub(super) struct Api {
    client: Client,
    base: Url,
    bucket: String,
    /// `None`: it is asked without. Found when first needed, for the library asks for a token as soon as it has any.
    pub(super) credentials: Option<OnceCell<Credentials>>,
}

impl Api {
    pub(super) fn new(settings: &GcsSettings) -> Result<Self, Error> {
        let what = format!("gs://{}", settings.bucket);
        let invalid = |why: String| Error::new(ErrorKind::Invalid, what.clone(), why);
        if !is_bucket_name(&settings.bucket) {
            return Err(invalid(
                "that is no name of a bucket: 3 to 222 of a-z, 0-9, '-', '_' and '.'".to_owned(),
            ));
        }
        let endpoint = settings.endpoint.as_deref();
        let base = Url::parse(endpoint.unwrap_or(GOOGLE))
            .map_err(|error| invalid(format!("the endpoint is no address: {error}")))?;
        let plain = base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() || !plain {
            return Err(invalid(
                "an endpoint is http:// or https://, a host, and perhaps a port and a path"
                    .to_owned(),
            ));
        }
        // What is stored compressed must stay so: sizes and hashes are of the stored bytes.
        let client = Client::builder()
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| invalid(format!("no HTTP client: {}", cause(&error))))?;
        Ok(Self {
            client,
            base,
            bucket: settings.bucket.clone(),
            credentials: endpoint.is_none().then(OnceCell::new),
        })
    }

    /// The bucket's name.
    pub(super) fn name(&self) -> &str {
        &self.bucket
    }

    /// The address of the bucket.
    pub(super) fn bucket(&self, query: &[(&str, &str)]) -> Result<Url, Error> {
        self.address(&[], query)
    }

    /// The address of its objects.
    pub(super) fn objects(&self, query: &[(&str, &str)]) -> Result<Url, Error> {
        self.address(&["o"], query)
    }

    /// The address of one object.
    pub(super) fn object(&self, key: &str, query: &[(&str, &str)]) -> Result<Url, Error> {
        // Such segments would vanish from the path ("Object naming requirements" forbid them as well).
        if matches!(key, "" | "." | "..") {
            let what = format!("gs://{}/{key}", self.bucket);
            let why = "that is no name of an object";
            return Err(Error::new(ErrorKind::Invalid, what, why));
        }
        self.address(&["o", key], query)
    }

    fn address(&self, below: &[&str], query: &[(&str, &str)]) -> Result<Url, Error> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments
                    .pop_if_empty()
                    .extend(["storage", "v1", "b", &self.bucket])
                    .extend(below);
            }
            Err(()) => {
                let why = "nothing can be below this endpoint";
                return Err(Error::new(ErrorKind::Invalid, self.base.to_string(), why));
            }
        }
        url.query_pairs_mut().extend_pairs(query);
        Ok(url)
    }

    /// A GET request that is yet to be sent.
    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Sends a request with credentials, and returns the answer if it is none that refuses.
    pub(super) async fn send(
        &self,
        what: &str,
        request: RequestBuilder,
    ) -> Result<Response, Error> {
        let headers = self.authorization(what).await?;
        let answer = request.headers(headers).send().await;
        let answer = answer.map_err(|error| errors::unreachable(what, error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let body = bounded(answer, REFUSAL).await.ok().flatten();
        Err(errors::refusal(what, status, &body.unwrap_or_default()))
    }

    /// The answer to a GET, asked for until it comes; `None` when there is nothing at this address.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        call: &Call,
        url: Url,
    ) -> Result<Option<T>, Error> {
        let mut attempts = Attempts::new(call.retry);
        loop {
            let error = match self.json_once(&call.what, url.clone()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) if error.kind == ErrorKind::Unavailable => return Ok(None),
                Err(error) => error,
            };
            attempts.again(error).await?;
        }
    }

    async fn json_once<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<T, Error> {
        let request = self.get(url).timeout(PATIENCE);
        let answer = self.send(what, request).await?;
        let body = bounded(answer, ANSWER).await;
        let body = body.map_err(|error| errors::unreachable(what, error))?;
        let Some(body) = body else {
            let why = format!("the answer has more than {ANSWER} bytes");
            return Err(Error::new(ErrorKind::Invalid, what, why));
        };
        serde_json::from_slice(&body).map_err(|error| {
            let why = format!("the answer is not what it should be: {error}");
            Error::new(ErrorKind::Server, what, why)
        })
    }

    async fn authorization(&self, what: &str) -> Result<HeaderMap, Error> {
        let Some(cell) = &self.credentials else {
            return Ok(HeaderMap::new());
        };
        let credentials = cell
            .get_or_try_init(|| async {
                let builder = Builder::default().with_scopes([SCOPE]);
                builder.build().map_err(|error| {
                    let why = format!("no usable credentials: {}", chain(&error));
                    Error::new(ErrorKind::Unauthenticated, what, why)
                })
            })
            .await?;
        match timeout(PATIENCE, credentials.headers(Extensions::new())).await {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
            // Only said to who names the headers that it has.
            Ok(Ok(CacheableResource::NotModified)) => Ok(HeaderMap::new()),
            Ok(Err(error)) => {
                let kind = if error.is_transient() {
                    ErrorKind::Unreachable
                } else {
                    ErrorKind::Unauthenticated
                };
                let why = format!("no token for the credentials: {}", chain(&error));
                Err(Error::new(kind, what, why))
            }
            Err(_) => {
                let why = format!("no token for the credentials in {PATIENCE:?}");
                Err(Error::new(ErrorKind::Unreachable, what, why))
            }
        }
    }
}

/// All of a body; `None` when it is longer than `limit` bytes.
async fn bounded(mut answer: Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// "Bucket name requirements", as far as it takes for an address.
fn is_bucket_name(name: &str) -> bool {
    (3..=222).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}
