//! How an AWS endpoint is reached, and as whom.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use executor::provider::{Error, Identity};
use secrecy::{ExposeSecret, SecretString};

use crate::error::failure;

/// Access keys given directly instead of through the SDK's chain of sources.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: SecretString,
    /// Session token of temporary keys.
    pub session: Option<SecretString>,
}

/// Where to connect and as whom. What is `None` follows the SDK's own order (environment variables, profile files, web identity, IMDS).
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Region: `us-east-1`.
    pub region: String,
    /// Another endpoint than AWS's: `http://127.0.0.1:5000`.
    pub endpoint_url: Option<String>,
    /// Profile in the configuration files.
    pub profile: Option<String>,
    /// Configuration file in place of `~/.aws/config`.
    pub config_file: Option<PathBuf>,
    /// Credentials file in place of `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
    /// Keys that win over every other source.
    pub keys: Option<Keys>,
}

impl Connection {
    /// The SDK's configuration.
    ///
    /// The SDK tries once: the executor retries, under its budget and with its journal.
    pub async fn load(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(60))
            .operation_attempt_timeout(Duration::from_secs(300))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if self.config_file.is_some() || self.credentials_file.is_some() {
            use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
            let mut files = EnvConfigFiles::builder();
            files = match &self.config_file {
                Some(path) => files.with_file(EnvConfigFileKind::Config, path),
                None => files.include_default_config_file(true),
            };
            files = match &self.credentials_file {
                Some(path) => files.with_file(EnvConfigFileKind::Credentials, path),
                None => files.include_default_credentials_file(true),
            };
            loader = loader.profile_files(files.build());
        }
        if let Some(keys) = &self.keys {
            let session = keys
                .session
                .as_ref()
                .map(|token| token.expose_secret().to_owned());
            loader = loader.credentials_provider(Credentials::new(
                &keys.id,
                keys.secret.expose_secret(),
                session,
                None,
                "rebuild",
            ));
        }
        loader.load().await
    }
}

/// Account, region and principal (STS GetCallerIdentity).
///
/// # Errors
/// [`executor::provider::ErrorKind::Unauthenticated`] without or with wrong credentials.
pub async fn identity(config: &SdkConfig) -> Result<Identity, Error> {
    let what = "GetCallerIdentity";
    let answer = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| failure(what, error))?;
    let mut places = BTreeMap::new();
    places.insert(
        "account".to_owned(),
        answer.account().unwrap_or_default().to_owned(),
    );
    if let Some(region) = config.region() {
        places.insert("region".to_owned(), region.to_string());
    }
    Ok(Identity {
        places,
        principal: answer.arn().unwrap_or_default().to_owned(),
        version: None,
        clock_skew: None,
    })
}
