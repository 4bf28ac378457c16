//! A light HTTP client for the servers on this machine.

use std::time::Duration;

use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// No answer that the sandbox itself reads is larger.
const LIMIT: usize = 8 << 20;
/// Enough of an unwanted answer to tell what it was about.
const EXCERPT: usize = 400;

/// A client that talks to this machine only: no proxy, no redirect, and over TLS to holders of `ca`'s certificates only.
pub(crate) fn client(ca: Option<&str>) -> Result<Client> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(30));
    if let Some(ca) = ca {
        let ca = Certificate::from_pem(ca.as_bytes()).map_err(|source| Error::Request {
            what: "could not read the sandbox's CA certificate".to_owned(),
            source,
        })?;
        builder = builder.tls_certs_only([ca]);
    }
    builder.build().map_err(|source| Error::Request {
        what: "could not make an HTTP client".to_owned(),
        source,
    })
}

/// What a server answered.
pub(crate) struct Answer {
    pub what: String,
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|_| self.unwanted())
    }

    /// The error that says this answer was not wanted.
    pub(crate) fn unwanted(&self) -> Error {
        let body: String = self.text().chars().take(EXCERPT).collect();
        Error::Answer {
            what: self.what.clone(),
            status: self.status.as_u16(),
            body: body.trim().to_owned(),
        }
    }

    /// This answer if its status is a success or one of `also`.
    pub(crate) fn expect(self, also: &[u16]) -> Result<Self> {
        if self.status.is_success() || also.contains(&self.status.as_u16()) {
            Ok(self)
        } else {
            Err(self.unwanted())
        }
    }
}

/// Sends a request. `what` names it in errors; it must hold no secret.
pub(crate) async fn send(what: String, request: RequestBuilder) -> Result<Answer> {
    let failed = |what: &String| {
        let what = what.clone();
        // The address may be a signed one.
        move |source: reqwest::Error| Error::Request {
            what,
            source: source.without_url(),
        }
    };
    let mut response = request.send().await.map_err(failed(&what))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed(&what))? {
        if body.len() + chunk.len() > LIMIT {
            return Err(Error::Answer {
                what,
                status: status.as_u16(),
                body: format!("more than {LIMIT} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { what, status, body })
}

/// A server with JSON in and out, and a token in a header.
#[derive(Clone)]
pub(crate) struct Api {
    pub client: Client,
    pub base: String,
    pub name: &'static str,
    /// Header and value. Never shown.
    pub token: Option<(&'static str, String)>,
}

impl Api {
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Answer> {
        let what = format!("{}: {method} {path}", self.name);
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some((header, value)) = &self.token {
            request = request.header(*header, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        send(what, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, None::<&()>).await
    }
}

/// Whether a plain GET is answered with success; what is missing otherwise.
pub(crate) async fn answers(client: &Client, url: &str) -> std::result::Result<(), String> {
    match client.get(url).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("{url} answers {}", response.status().as_u16())),
        Err(error) => Err(cause(&error)),
    }
}

/// The innermost cause of an error: the others only say that there is one.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
