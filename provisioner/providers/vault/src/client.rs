//! One authenticated client, and the few calls that are made with it.

use std::path::PathBuf;
use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use rustify::endpoint::Endpoint;
use rustify::enums::RequestMethod;
use rustify::errors::ClientError as RestError;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use vaultrs::client::{VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where Vault is and who asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://vault.example:8200`.
    pub address: String,
    /// A PEM file with the CA of its certificate; the system's roots otherwise.
    pub ca_file: Option<PathBuf>,
    /// The token.
    pub token: SecretString,
    /// KV v2 mounts whose secrets are observed.
    pub mounts: Vec<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address is no URL of a server.
    #[error("`{0}` is no http or https address")]
    Address(String),
    /// The token can't stand in a header.
    #[error("the token is empty or holds characters that no token has")]
    Token,
    /// The CA file can't be used.
    #[error("the CA file {path} can't be used: {why}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The HTTP client can't be built.
    #[error("the client can't be built: {0}")]
    Client(String),
}

/// The client. It has no `Debug`: that of the library prints the token.
pub(crate) struct Connection {
    client: VaultClient,
    pub address: String,
}

impl Connection {
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        // The library panics on what it can't parse, so both are looked at first.
        let url = url::Url::parse(&settings.address)
            .ok()
            .filter(|url| {
                matches!(url.scheme(), "http" | "https")
                    && url.has_host()
                    && url.username().is_empty()
                    && url.password().is_none()
            })
            .ok_or_else(|| SettingsError::Address(settings.address.chars().take(200).collect()))?;
        let token = settings.token.expose_secret();
        if token.is_empty() || token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SettingsError::Token);
        }
        let mut authorities = Vec::new();
        if let Some(path) = &settings.ca_file {
            let fail = |why: String| SettingsError::Authority {
                path: path.clone(),
                why,
            };
            std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
            authorities.push(
                path.to_str()
                    .ok_or_else(|| fail("its name is not UTF-8".to_owned()))?
                    .to_owned(),
            );
        }
        let address = url.as_str().trim_end_matches('/').to_owned();
        // Everything is set, so that no VAULT_ variable decides anything.
        let built = VaultClientSettingsBuilder::default()
            .address(&address)
            .ca_certs(authorities)
            .identity(None)
            .timeout(Some(TIMEOUT))
            .token(token)
            .verify(true)
            .namespace(None)
            .build()
            .map_err(|error| SettingsError::Client(error.to_string()))?;
        let client = VaultClient::new(built).map_err(|error| match (&settings.ca_file, error) {
            (Some(path), ClientError::ParseCertificateError { .. }) => SettingsError::Authority {
                path: path.clone(),
                why: "it holds no PEM certificate".to_owned(),
            },
            (_, error) => SettingsError::Client(error.to_string()),
        })?;
        Ok(Self { client, address })
    }

    /// A call whose answer is enveloped; `None` when the path is not there.
    pub async fn call(
        &self,
        what: &str,
        method: RequestMethod,
        path: String,
        body: Option<Value>,
    ) -> Result<Option<Value>, Error> {
        match vaultrs::api::exec_with_result(&self.client, Raw::new(method, path, body)).await {
            Ok(value) => Ok(Some(value)),
            Err(error) => match self.refine(what, error) {
                Failure::Missing => Ok(None),
                Failure::Error(error) => Err(error),
            },
        }
    }

    /// A call that answers nothing.
    pub async fn send(
        &self,
        what: &str,
        method: RequestMethod,
        path: String,
        body: Option<Value>,
    ) -> Result<(), Error> {
        match vaultrs::api::exec_with_empty(&self.client, Raw::new(method, path, body)).await {
            Ok(()) => Ok(()),
            Err(error) => match self.refine(what, error) {
                Failure::Missing => Err(Error::new(
                    ErrorKind::Unavailable,
                    what,
                    "there is no such path: is the mount there, and of KV version 2?",
                )),
                Failure::Error(error) => Err(error),
            },
        }
    }

    /// `sys/health`, which answers without a token and without an envelope (API: /system/health).
    pub async fn health(&self) -> Result<Value, Error> {
        // Any state answers 200, so that the body says which it is.
        let path = "sys/health".to_owned();
        let raw = Raw {
            query: Some("sealedcode=200&uninitcode=200&standbyok=true".to_owned()),
            ..Raw::new(RequestMethod::GET, path, None)
        };
        match vaultrs::api::exec_with_no_result(&self.client, raw).await {
            Ok(value) => Ok(value),
            Err(error) => match self.refine("look at Vault's health", error) {
                Failure::Missing => Err(Error::new(
                    ErrorKind::Unavailable,
                    "look at Vault's health",
                    format!("{} has no sys/health: it is no Vault", self.address),
                )),
                Failure::Error(error) => Err(error),
            },
        }
    }

    fn refine(&self, what: &str, error: ClientError) -> Failure {
        let (code, errors) = match error {
            ClientError::APIError { code, errors } => (code, errors),
            ClientError::RestClientError {
                source: RestError::ServerResponseError { code, .. },
            } => (code, Vec::new()),
            ClientError::RestClientError {
                source: RestError::RequestError { source, .. },
            } => {
                return Failure::Error(Error::new(
                    ErrorKind::Unreachable,
                    what,
                    format!("{}: {}", self.address, chain(source.as_ref())),
                ));
            }
            ClientError::RestClientError {
                source: RestError::ResponseError { source },
            } => {
                return Failure::Error(Error::new(
                    ErrorKind::Unreachable,
                    what,
                    format!("{}: {}", self.address, chain(source.as_ref())),
                ));
            }
            // These carry the answer, which may hold a value: only their kind is told.
            _ => {
                return Failure::Error(Error::new(
                    ErrorKind::Server,
                    what,
                    "the answer is not what Vault answers",
                ));
            }
        };
        let said = errors.join("; ");
        let kind = match code {
            404 if said.is_empty() => return Failure::Missing,
            400 if said.contains("check-and-set") => ErrorKind::Conflict,
            401 => ErrorKind::Unauthenticated,
            403 if said.contains("invalid token") || said.contains("bad token") => {
                ErrorKind::Unauthenticated
            }
            403 => ErrorKind::Denied,
            404 => ErrorKind::Unavailable,
            412 => ErrorKind::NotYet,
            429 => ErrorKind::Throttled,
            503 if said.contains("sealed") => ErrorKind::Unavailable,
            500.. => ErrorKind::Server,
            _ => ErrorKind::Invalid,
        };
        Failure::Error(Error::new(
            kind,
            what,
            if said.is_empty() {
                format!("HTTP {code}")
            } else {
                format!("{said} (HTTP {code})")
            },
        ))
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

enum Failure {
    Missing,
    Error(Error),
}

/// A request the library has no function for.
struct Raw {
    method: RequestMethod,
    path: String,
    query: Option<String>,
    body: Option<Vec<u8>>,
}

impl Raw {
    fn new(method: RequestMethod, path: String, body: Option<Value>) -> Self {
        Self {
            method,
            path,
            query: None,
            body: body.map(|body| body.to_string().into_bytes()),
        }
    }
}

impl Endpoint for Raw {
    type Response = Value;
    const REQUEST_BODY_TYPE: rustify::enums::RequestType = rustify::enums::RequestType::JSON;
    const RESPONSE_BODY_TYPE: rustify::enums::ResponseType = rustify::enums::ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn query(&self) -> Result<Option<String>, RestError> {
        Ok(self.query.clone())
    }

    fn body(&self) -> Result<Option<Vec<u8>>, RestError> {
        Ok(self.body.clone())
    }
}

/// A path or mount that can stand in a URL without changing its meaning.
pub(crate) fn plain_path(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 512
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~/@".contains(&b))
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
