//! The bytes of one object, request by request (`alt=media`).

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use executor::provider::{Error, ErrorKind};
use futures::{StreamExt, TryStreamExt};
use http::HeaderMap;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, RANGE,
};

use super::api::Api;
use crate::download::{Answer, Ask, Pin, Source};

/// An object of a bucket.
pub(super) struct Media {
    pub(super) api: Arc<Api>,
    pub(super) key: String,
}

#[async_trait]
impl Source for Media {
    fn what(&self) -> String {
        format!("objects.get gs://{}/{}", self.api.name(), self.key)
    }

    async fn get(&self, ask: &Ask) -> Result<Answer, Error> {
        let mut query = vec![("alt", "media")];
        if let Pin::Version(generation) = &ask.pin {
            query.push(("generation", generation));
        }
        // Without this header the service decompresses what is stored with `Content-Encoding: gzip` ("Transcoding of
        // gzip-compressed files").
        let mut request = self
            .api
            .get(self.api.object(&self.key, &query)?)
            .header(ACCEPT_ENCODING, "gzip");
        if let Some(range) = ask.range_header() {
            request = request.header(RANGE, range);
        }
        if let Pin::Etag(etag) = &ask.pin {
            request = request.header(IF_MATCH, etag);
        }
        let answer = self.api.send(&self.what(), request).await?;
        let headers = answer.headers();
        let stored = text(headers, "x-goog-stored-content-encoding");
        if stored.as_deref() == Some("gzip")
            && text(headers, CONTENT_ENCODING.as_str()).as_deref() != Some("gzip")
        {
            let why = "it is stored compressed, and was decompressed on its way";
            return Err(Error::new(ErrorKind::Invalid, self.what(), why));
        }
        Ok(Answer {
            status: answer.status().as_u16(),
            content_range: text(headers, CONTENT_RANGE.as_str()),
            length: text(headers, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok()),
            version: text(headers, "x-goog-generation"),
            etag: text(headers, ETAG.as_str()),
            body: answer.bytes_stream().map_err(io::Error::other).boxed(),
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}
