//! A client for one named context of one kubeconfig, and for nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The file can't be read as a kubeconfig.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The context is not in it.
    Context {
        /// The file.
        path: PathBuf,
        /// The context asked for.
        context: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// What the context names is of no use.
    Client {
        /// The context.
        context: String,
        /// Why.
        why: String,
    },
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, why } => {
                write!(f, "the kubeconfig {} can't be used: {why}", path.display())
            }
            Self::Context {
                path,
                context,
                known,
            } => write!(
                f,
                "the kubeconfig {} has no context `{context}`; it has: {}",
                path.display(),
                known.join(", ")
            ),
            Self::Client { context, why } => {
                write!(f, "the context `{context}` can't be used: {why}")
            }
        }
    }
}

impl std::error::Error for ConnectError {}

/// The client and the server's URL.
pub(crate) async fn client(path: &Path, context: &str) -> Result<(Client, String), ConnectError> {
    let kubeconfig = Kubeconfig::read_from(path).map_err(|error| ConnectError::File {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    if !kubeconfig
        .contexts
        .iter()
        .any(|named| named.name == context)
    {
        let known = kubeconfig
            .contexts
            .iter()
            .map(|named| named.name.clone())
            .collect();
        return Err(ConnectError::Context {
            path: path.to_owned(),
            context: context.to_owned(),
            known,
        });
    }
    let fail = |why: String| ConnectError::Client {
        context: context.to_owned(),
        why,
    };
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| fail(error.to_string()))?;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(Duration::from_secs(60));
    config.write_timeout = Some(Duration::from_secs(60));
    // The client's own retries are told to nobody, count against no budget, and wait for as long as a server says.
    config.default_retry = false;
    let server = config
        .cluster_url
        .to_string()
        .trim_end_matches('/')
        .to_owned();
    let client = Client::try_from(config).map_err(|error| fail(error.to_string()))?;
    Ok((client, server))
}
