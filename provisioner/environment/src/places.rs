//! Where an environment is built, with every address known: from its file, or from the sandbox that runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::load::Environment;
use crate::schema::{BackupSource, ClusterAddress, EvidenceLock, Held};

/// Addresses of a running sandbox, as whoever runs it knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxEndpoints {
    /// Vault's URL.
    pub vault_address: String,
    /// PEM file of Vault's certificate authority.
    pub vault_ca: Option<PathBuf>,
    /// File with Vault's token.
    pub vault_token_file: PathBuf,
    /// KV v2 mount.
    pub vault_mount: String,
    /// URL of the object store.
    pub s3_endpoint: String,
    /// Profile that may write to the object store.
    pub s3_profile: String,
    /// Profile that may only read backups.
    pub backup_profile: String,
    /// URL of EC2, IAM and STS.
    pub aws_endpoint: String,
    /// Profile for them.
    pub aws_profile: String,
    /// AWS account.
    pub account: String,
    /// AWS region.
    pub region: String,
    /// AWS configuration file.
    pub aws_config_file: PathBuf,
    /// AWS credentials file.
    pub aws_credentials_file: PathBuf,
    /// Kubeconfig file.
    pub kubeconfig: PathBuf,
    /// Context in it.
    pub context: String,
    /// Bucket of the lock.
    pub control_bucket: String,
    /// Bucket of evidence, with Object Lock.
    pub evidence_bucket: String,
    /// URL of the stand-in for the application.
    pub standin_url: String,
}

/// AWS as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    /// Account expected.
    pub account: String,
    /// Region.
    pub region: String,
    /// Another endpoint for EC2, IAM and STS.
    pub endpoint: Option<String>,
    /// Another endpoint for S3.
    pub s3_endpoint: Option<String>,
    /// Profile for EC2, IAM and STS.
    pub profile: Option<String>,
    /// Profile for S3.
    pub s3_profile: Option<String>,
    /// Configuration and credentials files, when not the user's own.
    pub files: Option<(PathBuf, PathBuf)>,
}

/// A cluster as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Kubeconfig file, when not the user's own.
    pub kubeconfig: Option<PathBuf>,
    /// Context in it.
    pub context: String,
}

/// Vault as it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultPlace {
    /// URL.
    pub address: String,
    /// PEM file of its certificate authority.
    pub ca: Option<PathBuf>,
    /// KV v2 mount.
    pub mount: String,
    /// Where the token is.
    pub token: Held,
}

/// The bucket of the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Name.
    pub bucket: String,
    /// Region.
    pub region: String,
    /// Another endpoint than AWS's own.
    pub endpoint: Option<String>,
    /// Profile.
    pub profile: Option<String>,
}

/// Where evidence is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePlace {
    /// The bucket.
    pub bucket: Control,
    /// Keys begin with it.
    pub prefix: String,
    /// Seconds for which nothing of it can be deleted.
    pub retention: u32,
    /// Who may shorten that.
    pub lock: EvidenceLock,
}

/// Seconds that evidence is held in the sandbox, whose buckets end with it.
const SANDBOX_RETENTION: u32 = 3600;

/// Where an environment is built, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// AWS.
    pub aws: Aws,
    /// Kubernetes; absent when nothing runs there.
    pub cluster: Option<Cluster>,
    /// Vault.
    pub vault: VaultPlace,
    /// The lock's bucket.
    pub control: Control,
    /// Where evidence is kept, when the environment says it.
    pub evidence: Option<EvidencePlace>,
    /// Places with backups, endpoints and profiles filled in.
    pub backups: Vec<BackupSource>,
    /// URL of the application's stand-in, in the sandbox.
    pub standin: Option<String>,
}

impl Resolved {
    /// What a plan expects to find itself at, by the keys `account`, `region`, `cluster`, `vault`.
    pub fn expected(&self) -> BTreeMap<String, String> {
        let mut places = BTreeMap::from([
            ("account".to_owned(), self.aws.account.clone()),
            ("region".to_owned(), self.aws.region.clone()),
            ("vault".to_owned(), self.vault.address.clone()),
        ]);
        if let Some(cluster) = &self.cluster {
            places.insert("cluster".to_owned(), cluster.context.clone());
        }
        places
    }
}

/// Why the addresses are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is built in the sandbox, which does not run.
    #[error("the environment `{0}` is built in the sandbox, and no sandbox runs")]
    NoSandbox(String),
    /// The cluster is made by the plan itself.
    #[error("the cluster is `{0}`, which is known only after apply: that is not supported")]
    LateCluster(String),
    /// A part of `where` is not said.
    #[error("`where.{0}` is missing")]
    Missing(&'static str),
}

impl Environment {
    /// Fills in where the environment is built. The sandbox's endpoints are used only by an environment that asks for the sandbox.
    ///
    /// # Errors
    /// When an address is not known.
    pub fn resolve(&self, sandbox: Option<&SandboxEndpoints>) -> Result<Resolved, ResolveError> {
        let place = &self.document.r#where;
        if place.sandbox {
            return sandbox
                .map(|sandbox| self.in_sandbox(sandbox))
                .ok_or_else(|| ResolveError::NoSandbox(self.name().to_owned()));
        }
        let aws = place.aws.as_ref().ok_or(ResolveError::Missing("aws"))?;
        let vault = place.vault.as_ref().ok_or(ResolveError::Missing("vault"))?;
        let control = place
            .control
            .as_ref()
            .ok_or(ResolveError::Missing("control"))?;
        let cluster = match &place.kubernetes {
            None => None,
            Some(ClusterAddress::Kubeconfig { path, context }) => Some(Cluster {
                kubeconfig: path.clone(),
                context: context.clone(),
            }),
            Some(ClusterAddress::KnownAfterApply { reference }) => {
                return Err(ResolveError::LateCluster(reference.clone()));
            }
        };
        Ok(Resolved {
            aws: Aws {
                account: aws.account.clone(),
                region: aws.region.clone(),
                endpoint: aws.endpoint.clone(),
                s3_endpoint: aws.endpoint.clone(),
                profile: aws.profile.clone(),
                s3_profile: aws.profile.clone(),
                files: None,
            },
            cluster,
            vault: VaultPlace {
                address: vault.address.clone(),
                ca: vault.ca.clone(),
                mount: vault.mount.clone(),
                token: vault.token.clone(),
            },
            control: Control {
                bucket: control.bucket.clone(),
                region: control.region.clone(),
                endpoint: control.endpoint.clone(),
                profile: control.profile.clone(),
            },
            evidence: self.document.evidence.as_ref().map(|kept| EvidencePlace {
                bucket: Control {
                    bucket: kept.bucket.clone(),
                    region: kept.region.clone(),
                    endpoint: kept.endpoint.clone(),
                    profile: kept.profile.clone(),
                },
                prefix: kept.prefix.clone(),
                retention: kept.retention.seconds(),
                lock: kept.lock,
            }),
            backups: self.document.backups.sources.clone(),
            standin: None,
        })
    }

    fn in_sandbox(&self, sandbox: &SandboxEndpoints) -> Resolved {
        let backups = self
            .document
            .backups
            .sources
            .iter()
            .cloned()
            .map(|source| match source {
                BackupSource::S3 {
                    bucket,
                    prefix,
                    endpoint: None,
                    profile,
                    ..
                } => BackupSource::S3 {
                    bucket,
                    prefix,
                    region: sandbox.region.clone(),
                    endpoint: Some(sandbox.s3_endpoint.clone()),
                    profile: profile.or_else(|| Some(sandbox.backup_profile.clone())),
                },
                other => other,
            });
        Resolved {
            aws: Aws {
                account: sandbox.account.clone(),
                region: sandbox.region.clone(),
                endpoint: Some(sandbox.aws_endpoint.clone()),
                s3_endpoint: Some(sandbox.s3_endpoint.clone()),
                profile: Some(sandbox.aws_profile.clone()),
                s3_profile: Some(sandbox.s3_profile.clone()),
                files: Some((
                    sandbox.aws_config_file.clone(),
                    sandbox.aws_credentials_file.clone(),
                )),
            },
            cluster: Some(Cluster {
                kubeconfig: Some(sandbox.kubeconfig.clone()),
                context: sandbox.context.clone(),
            }),
            vault: VaultPlace {
                address: sandbox.vault_address.clone(),
                ca: sandbox.vault_ca.clone(),
                mount: sandbox.vault_mount.clone(),
                token: Held::File(sandbox.vault_token_file.clone()),
            },
            control: Control {
                bucket: sandbox.control_bucket.clone(),
                region: sandbox.region.clone(),
                endpoint: Some(sandbox.s3_endpoint.clone()),
                profile: Some(sandbox.s3_profile.clone()),
            },
            evidence: Some(EvidencePlace {
                bucket: Control {
                    bucket: sandbox.evidence_bucket.clone(),
                    region: sandbox.region.clone(),
                    endpoint: Some(sandbox.s3_endpoint.clone()),
                    profile: Some(sandbox.s3_profile.clone()),
                },
                prefix: String::new(),
                retention: SANDBOX_RETENTION,
                lock: EvidenceLock::Compliance,
            }),
            backups: backups.collect(),
            standin: Some(sandbox.standin_url.clone()),
        }
    }
}
