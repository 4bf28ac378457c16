//! The bytes of one S3 object, request by request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{
    ConfigBag, Intercept, ResponseChecksumValidation, RuntimeComponents,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::BoxError;
use executor::provider::{Error, ErrorKind};
use futures::{StreamExt, stream};
use provider_aws::{code, failure, is_missing};

use crate::download::{Answer, Ask, Pin, Source};
use crate::store::{real_version, status};

/// An object of a bucket.
pub(crate) struct S3Object {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// Notes the status of an answer: the SDK's typed output has none.
#[derive(Clone, Debug, Default)]
struct Status(Arc<AtomicU16>);

impl Intercept for Status {
    fn name(&self) -> &'static str {
        "status"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().status().as_u16();
        self.0.store(status, Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Source for S3Object {
    fn what(&self) -> String {
        format!("GetObject s3://{}/{}", self.bucket, self.key)
    }

    async fn get(&self, ask: &Ask) -> Result<Answer, Error> {
        let (version, etag) = match &ask.pin {
            Pin::Latest => (None, None),
            Pin::Version(version) => (Some(version.clone()), None),
            Pin::Etag(etag) => (None, Some(etag.clone())),
        };
        let seen = Status::default();
        // What stalls is the download's to decide, by one rule for every store.
        let mut config = aws_sdk_s3::config::Builder::new()
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if ask.range.is_some() {
            // A checksum is of the whole object, or of a part that the range may only touch.
            config = config.response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_version_id(version)
            .set_if_match(etag)
            .set_range(ask.range_header())
            .customize()
            .config_override(config)
            .interceptor(seen.clone())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let (kind, why) = match (code(&error), status(&error)) {
                    ("NoSuchBucket", _) => (ErrorKind::Unavailable, "there is no such bucket"),
                    (code, status) if is_missing(code) || status == Some(404) => {
                        (ErrorKind::Unavailable, "there is no such object")
                    }
                    (_, Some(412)) => (ErrorKind::Conflict, "it was replaced while it was read"),
                    (_, Some(416)) => (ErrorKind::Conflict, "it ends before these bytes"),
                    _ => return Err(failure(self.what(), error)),
                };
                return Err(Error::new(kind, self.what(), why));
            }
        };
        Ok(Answer {
            status: seen.0.load(Ordering::Relaxed),
            content_range: answer.content_range,
            length: answer
                .content_length
                .and_then(|length| u64::try_from(length).ok()),
            version: real_version(answer.version_id.as_deref()),
            etag: answer.e_tag,
            body: stream::unfold(answer.body, |mut body| async {
                let chunk = body.next().await?;
                Some((chunk.map_err(std::io::Error::other), body))
            })
            .boxed(),
        })
    }
}
