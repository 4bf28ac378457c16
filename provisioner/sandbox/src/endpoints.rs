//! Where everything is, once the sandbox is up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The name of the Kubernetes context (and of its cluster).
pub const KUBE_CONTEXT: &str = "rebuild-sandbox";
/// The AWS profile of the environment.
pub const PROFILE: &str = "rebuild-sandbox";
/// The AWS profile that may read the source bucket and nothing else.
pub const READER_PROFILE: &str = "rebuild-sandbox-backups";

/// Addresses, and the files with the credentials for them. Holds no secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// OpenBao.
    pub vault: Vault,
    /// SeaweedFS.
    pub objects: Objects,
    /// The endpoint of EC2, IAM, STS and whatever else moto serves.
    pub aws: String,
    /// Every request to it, one a line: `read` or `change`, then the action's name.
    pub aws_request_log: PathBuf,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// An AWS config file with the profiles [`PROFILE`] and [`READER_PROFILE`] and each service's endpoint.
    pub aws_config_file: PathBuf,
    /// The AWS credentials file for those profiles.
    pub aws_credentials_file: PathBuf,
    /// The Kubernetes API server.
    pub kube_server: String,
    /// Every request that came from outside, as the API server wrote it down: JSON lines.
    pub kube_audit_log: PathBuf,
    /// A kubeconfig with the context [`KUBE_CONTEXT`].
    pub kubeconfig: PathBuf,
    /// Answers in the place of the first user's service, whose pods run no container: `http://127.0.0.1:…`. What it says
    /// is read from the newest generation's Secret and seeded object.
    pub standin: String,
    /// A folder with `kubectl` and `bao`.
    pub programs: PathBuf,
}

/// How to reach OpenBao.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vault {
    /// `https://127.0.0.1:…`
    pub address: String,
    /// The CA that signed its certificate.
    pub ca_file: PathBuf,
    /// The token of the environment, of a limited policy.
    pub token_file: PathBuf,
    /// Where KV v2 is mounted, without slashes.
    pub mount: String,
    /// Its audit log.
    pub audit_log: PathBuf,
}

/// How to reach SeaweedFS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// `http://127.0.0.1:…`; addressed by path.
    pub endpoint: String,
    /// Prometheus metrics, requests by kind among them: `http://127.0.0.1:…/metrics`.
    pub metrics: String,
    /// The bucket with the backups to restore from.
    pub source_bucket: String,
    /// An empty bucket for locks and other records that are no generation's.
    pub control_bucket: String,
    /// A bucket with Object Lock, for evidence.
    pub evidence_bucket: String,
}
