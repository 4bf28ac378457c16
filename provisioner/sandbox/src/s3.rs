//! The few S3 calls that the sandbox itself makes, signed (AWS Signature Version 4).

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::{Client, Method, RequestBuilder, Response};

use crate::REGION;
use crate::error::{Error, Result};
use crate::http::{self, Answer};
use crate::secrets::AccessKey;

/// An S3 server and who asks it.
pub(crate) struct S3 {
    pub client: Client,
    pub endpoint: String,
    pub key: AccessKey,
}

impl S3 {
    /// Sends one request. `target` is the path with its query, already encoded.
    pub(crate) async fn call(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let what = format!("SeaweedFS: {method} {target}");
        http::send(what, self.signed(method, target, headers, body)?).await
    }

    /// Begins to read an object of any size.
    pub(crate) async fn open(&self, target: &str) -> Result<Response> {
        let what = format!("SeaweedFS: GET {target}");
        let request = self.signed(Method::GET, target, &[], Vec::new())?;
        let response = request.send().await.map_err(|source| Error::Request {
            what: what.clone(),
            source: source.without_url(),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Error::Answer {
            what,
            status: response.status().as_u16(),
            body: String::new(),
        })
    }

    fn signed(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<RequestBuilder> {
        let url = format!("{}{target}", self.endpoint);
        let identity =
            Credentials::new(&self.key.id, &self.key.secret, None, None, "sandbox").into();
        let mut settings = SigningSettings::default();
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let unsigned = |error: &dyn std::fmt::Display| Error::Signing(error.to_string());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unsigned(&error))?
            .into();
        let signable = SignableRequest::new(
            method.as_str(),
            &url,
            headers.iter().copied(),
            SignableBody::Bytes(&body),
        )
        .map_err(|error| unsigned(&error))?;
        let (instructions, _) = sign(signable, &params)
            .map_err(|error| unsigned(&error))?
            .into_parts();
        let mut request = self.client.request(method, &url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in instructions.headers() {
            request = request.header(name, value);
        }
        Ok(request)
    }

    pub(crate) async fn get(&self, target: &str) -> Result<Answer> {
        self.call(Method::GET, target, &[], Vec::new()).await
    }
}
