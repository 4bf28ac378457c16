//! The form of `environment.yaml`. Unknown fields are refused everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use manifest::{Code, Version};
use planner::kinds::check::Expectation;
use planner::kinds::database::{Point, Server};
use planner::kinds::seed::SecretField;
use planner::kinds::vault::Generator;
use planner::{Scenario, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! form {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$doc])*
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    };
}

form! {
    /// An environment of `rebuild`.
    Document {
        /// The folder's name.
        name: String,
        /// What should exist.
        what: What,
        /// Where it is built.
        r#where: Where,
        /// Where its backups are.
        backups: Backups,
        /// Fresh secrets by name; each becomes `vault.secret.NAME`.
        #[serde(default)] secrets: BTreeMap<String, Generator>,
        /// How data comes in from the backup.
        #[serde(default, skip_serializing_if = "Option::is_none")] seed: Option<Seed>,
        /// How a database that is corrupted or lost comes back: the scenario `database`.
        #[serde(default, skip_serializing_if = "Option::is_none")] database: Option<Database>,
        /// How the result is checked.
        #[serde(default)] validation: Validation,
        /// How much time and data may be lost.
        objectives: Objectives,
        /// What a plan may do.
        #[serde(default)] policy: Policy,
        /// Who must agree before something is applied.
        #[serde(default)] approvals: Approvals,
        /// What is the environment's although it carries no marks of ours, and is cut off after a breach.
        #[serde(default)] containment: Containment,
        /// What a rebuild after a breach is told beforehand.
        #[serde(default)] breach: Breach,
        /// Where evidence of a breached generation is kept; without it none can be collected, and none of its generations destroyed.
        #[serde(default, skip_serializing_if = "Option::is_none")] evidence: Option<EvidenceBucket>,
        /// Who is told and asked.
        #[serde(default)] contacts: Vec<Contact>,
        /// Channels that are told what a run does; without them messages are only drafted.
        #[serde(default)] notices: Vec<Notice>,
        /// API budgets by provider, below the published limits.
        #[serde(default)] budgets: BTreeMap<String, Budget>,
    }
}
form! {
    /// How a database comes back, beside the old one: exactly one of `dump` and `rds`.
    Database {
        /// From a dump that `pg_dump -Fc` made.
        #[serde(default, skip_serializing_if = "Option::is_none")] dump: Option<DatabaseDump>,
        /// From RDS's own snapshots and logs.
        #[serde(default, skip_serializing_if = "Option::is_none")] rds: Option<DatabaseInstance>,
    }
}
form! {
    /// A dump, and where it goes.
    DatabaseDump {
        /// Bucket that holds it, in the account of the environment.
        bucket: String,
        /// Its key.
        key: String,
        /// SHA-256 of its bytes in lower-case hex, from where the dump's maker wrote it down and not from the bucket.
        sha256: String,
        /// Kinds of objects beyond tables and what belongs to them that it may hold, as `pg_restore --list` writes them: `FUNCTION`.
        #[serde(default)] allow: BTreeSet<String>,
        /// The server it goes to.
        server: Server,
        /// A role there that may make databases and roles.
        admin: String,
        /// That role's password in Vault.
        admin_password: SecretField,
        /// How the fresh database and its role begin: `NAME_GENERATION_DIGEST`.
        name: String,
        /// Name below `secrets` of the fresh role's password.
        password: String,
        /// A query that gives one block a row, as JSON, in the chain's order; the chain is verified from it.
        #[serde(default, skip_serializing_if = "Option::is_none")] chain: Option<String>,
        /// Hash of the chain's last block in the dump, from where the dump's maker wrote it down, or from a backup that is known good. Without
        /// it a chain that somebody mined anew is not told from the true one.
        #[serde(default, skip_serializing_if = "Option::is_none")] head: Option<String>,
    }
}
form! {
    /// An instance restored beside the old one.
    DatabaseInstance {
        /// How the new instance's identifier begins: `NAME-GENERATION-DIGEST`.
        name: String,
        /// What it is restored from.
        from: Point,
        /// Class of the new instance; the old one's without it.
        #[serde(default, skip_serializing_if = "Option::is_none")] class: Option<String>,
        /// Subnet group; RDS's default without it.
        #[serde(default, skip_serializing_if = "Option::is_none")] subnet_group: Option<String>,
        /// Security groups; the VPC's default without them.
        #[serde(default)] security_groups: BTreeSet<String>,
    }
}
form! {
    /// What should exist.
    What {
        /// Templates, as paths below `templates/infrastructure`.
        infrastructure: Vec<String>,
        /// Variables of the templates, beside `environment`, `generation`, `account`, `region` and `namespace`.
        #[serde(default)] variables: BTreeMap<String, Value>,
        /// What runs in Kubernetes.
        #[serde(default, skip_serializing_if = "Option::is_none")] overlay: Option<Overlay>,
    }
}
form! {
    /// What runs in Kubernetes.
    Overlay {
        /// Folder of the kustomize overlay, from the project's root.
        path: String,
        /// Namespace of the workloads.
        namespace: String,
        /// The namespace is called `NAMESPACE-GENERATION`, for clusters that hold several generations.
        #[serde(default)] namespace_suffix: bool,
        /// The Secret the workloads read.
        #[serde(default, skip_serializing_if = "Option::is_none")] secret: Option<DeliveredSecret>,
        /// Beginnings of the `https` URLs that kustomizations may take repositories, files and charts from, as
        /// `https://github.com/ORGANISATION/`. Without any they take nothing from elsewhere.
        #[serde(default, skip_serializing_if = "Vec::is_empty")] remotes: Vec<String>,
    }
}
form! {
    /// A Kubernetes Secret whose values come from Vault at apply.
    DeliveredSecret {
        /// Its name, in the workloads' namespace.
        name: String,
        /// Keys of the Secret and where their values are.
        data: BTreeMap<String, SecretValue>,
    }
}
form! {
    /// A field of one of the environment's secrets.
    SecretValue {
        /// Name below `secrets`.
        secret: String,
        /// Its field: `value`, `private-key`, `public-key`, `certificate`.
        #[serde(default = "value")] field: String,
    }
}
form! {
    /// Where the environment is built: the sandbox, or all of the others.
    Where {
        /// Servers that `rebuild` runs on this machine; the addresses come from them.
        #[serde(default)] sandbox: bool,
        /// AWS account.
        #[serde(default, skip_serializing_if = "Option::is_none")] aws: Option<AwsAccount>,
        /// Kubernetes cluster.
        #[serde(default, skip_serializing_if = "Option::is_none")] kubernetes: Option<ClusterAddress>,
        /// Vault.
        #[serde(default, skip_serializing_if = "Option::is_none")] vault: Option<Vault>,
        /// Bucket of the lock, best in another account.
        #[serde(default, skip_serializing_if = "Option::is_none")] control: Option<ControlBucket>,
    }
}
form! {
    /// An AWS account; another one is refused.
    AwsAccount {
        /// Twelve digits.
        account: String,
        /// `us-east-1`.
        region: String,
        /// Another endpoint than AWS's own.
        #[serde(default, skip_serializing_if = "Option::is_none")] endpoint: Option<String>,
        /// Profile of the AWS configuration.
        #[serde(default, skip_serializing_if = "Option::is_none")] profile: Option<String>,
    }
}

/// How the cluster is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClusterAddress {
    /// A context of a kubeconfig.
    #[serde(rename_all = "kebab-case")]
    Kubeconfig {
        /// File; `$KUBECONFIG` or the user's own without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<PathBuf>,
        /// Name of the context.
        context: String,
    },
    /// A cluster that the same plan builds.
    KnownAfterApply {
        /// `ADDRESS/OUTPUT` of the resource.
        reference: String,
    },
}

form! {
    /// A Vault with a KV v2 mount.
    Vault {
        /// `https://vault.example.com:8200`.
        address: String,
        /// PEM file of the certificate authority.
        #[serde(default, skip_serializing_if = "Option::is_none")] ca: Option<PathBuf>,
        /// KV v2 mount.
        #[serde(default = "mount")] mount: String,
        /// Where the token is.
        token: Held,
    }
}

/// Where a secret that is given to us is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Held {
    /// In an environment variable of this name.
    Env(String),
    /// In this file.
    File(PathBuf),
}

form! {
    /// The bucket of the lock.
    ControlBucket {
        /// Name.
        bucket: String,
        /// Region.
        region: String,
        /// Another endpoint than AWS's own.
        #[serde(default, skip_serializing_if = "Option::is_none")] endpoint: Option<String>,
        /// Profile of the AWS configuration.
        #[serde(default, skip_serializing_if = "Option::is_none")] profile: Option<String>,
    }
}
form! {
    /// Where evidence is kept: a bucket with Object Lock, of another account than the environment's.
    EvidenceBucket {
        /// Name.
        bucket: String,
        /// Region.
        region: String,
        /// Another endpoint than AWS's own.
        #[serde(default, skip_serializing_if = "Option::is_none")] endpoint: Option<String>,
        /// Profile of the AWS configuration: of the account that the bucket is in.
        #[serde(default, skip_serializing_if = "Option::is_none")] profile: Option<String>,
        /// Keys begin with it.
        #[serde(default)] prefix: String,
        /// How long nothing of it can be deleted.
        retention: Span,
        /// Who may shorten that.
        #[serde(default)] lock: EvidenceLock,
    }
}

/// Modes of S3 Object Lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceLock {
    /// Nobody.
    #[default]
    Compliance,
    /// Whoever holds `s3:BypassGovernanceRetention`.
    Governance,
}

form! {
    /// Where backups are, and what they are.
    Backups {
        /// Their format.
        format: Format,
        /// Every place that has them; each is asked.
        sources: Vec<BackupSource>,
        /// Passphrase of encrypted backups; read at use and dropped.
        #[serde(default, skip_serializing_if = "Option::is_none")] key: Option<Held>,
        /// How strong the lock of a known-good backup has to be.
        #[serde(default)] lock: LockNeed,
        /// For how long the places hold a backup at least; a rebuild after a breach says where one holds it for less.
        #[serde(default, skip_serializing_if = "Option::is_none")] retention: Option<Span>,
        /// How a new generation takes its first backup; without it none is taken, and the report says that it is open.
        #[serde(default, skip_serializing_if = "Option::is_none")] first: Option<FirstBackup>,
    }
}
form! {
    /// How a new generation takes its first backup: a Job made from one of its CronJobs once everything else is done. What it left in the
    /// sources is verified and must extend the seeded backup.
    FirstBackup {
        /// Name of a CronJob of the overlay.
        cron_job: String,
        /// How long to wait for the Job.
        #[serde(default = "half_an_hour")] deadline: Span,
    }
}

/// How a backup has to be held to count as known good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LockNeed {
    /// Not at all.
    None,
    /// By any lock that holds now.
    Any,
    /// By one that even its owner can't shorten.
    #[default]
    Unshortenable,
}

/// Formats of backups that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// NatLangChain's chain files, plain, gzip or `ENC:1`.
    Natlangchain,
}

/// One place with backups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum BackupSource {
    /// Amazon S3, or a store that speaks its protocol.
    S3 {
        /// Bucket.
        bucket: String,
        /// Keys begin with it.
        #[serde(default)]
        prefix: String,
        /// Region.
        #[serde(default = "region")]
        region: String,
        /// Another endpoint than AWS's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// Profile of the AWS configuration; read access is enough.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile: Option<String>,
    },
    /// Google Cloud Storage.
    Gcs {
        /// Bucket.
        bucket: String,
        /// Names begin with it.
        #[serde(default)]
        prefix: String,
        /// Another endpoint than Google's own, asked without credentials: an emulator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
    },
}

form! {
    /// How data comes in from the backup.
    Seed {
        /// The way.
        strategy: Strategy,
        /// Name of the `s3.bucket` it goes to.
        bucket: String,
        /// Key of the object.
        key: String,
        /// Secret it is encrypted with.
        encrypt_with: String,
    }
}

/// Ways of seeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// An object in the generation's bucket.
    Object,
    /// A Kubernetes Job next to the volume.
    Job,
    /// A PostgreSQL database.
    Postgres,
    /// A ConfigMap, at most 1 MiB.
    Configmap,
    /// A local file.
    File,
}

form! {
    /// How the result is checked.
    #[derive(Default)]
    Validation {
        /// Whether every workload becomes current.
        #[serde(default, skip_serializing_if = "Option::is_none")] workloads: Option<Workloads>,
        /// Requests.
        #[serde(default)] http: Vec<HttpCheck>,
    }
}
form! {
    /// Every workload of the namespace becomes current (kstatus).
    Workloads {
        /// How long to wait.
        #[serde(default = "minute")] deadline: Span,
    }
}
form! {
    /// A request and what must be answered.
    HttpCheck {
        /// Unique name.
        name: String,
        /// URL, or `kubernetes://NAMESPACE/SERVICE:PORT/PATH` for a Service that is asked through the API server. May use
        /// `{{ generation }}`, `{{ namespace }}` and, in the sandbox, `{{ sandbox.standin }}`.
        url: String,
        /// Status wanted.
        #[serde(default = "ok")] status: u16,
        /// A header whose value comes from Vault.
        #[serde(default, skip_serializing_if = "Option::is_none")] header: Option<Header>,
        /// Values in the JSON answer; a text may use `{{ backup.head }}` and what else the plan pins.
        #[serde(default)] expect: Vec<Expectation>,
        /// How long to keep trying.
        #[serde(default = "minute")] deadline: Span,
    }
}
form! {
    /// A header whose value comes from Vault.
    Header {
        /// `X-API-Key`.
        name: String,
        /// Name below `secrets`.
        secret: String,
        /// Its field.
        #[serde(default = "value")] field: String,
    }
}
form! {
    /// How much may be lost.
    Objectives {
        /// Recovery point objective: age of the backup.
        rpo: Span,
        /// Recovery time objective.
        rto: Span,
    }
}
form! {
    /// What a plan may do.
    #[serde(default)]
    Policy {
        /// Ports that may be open to the whole Internet.
        public_ports: Vec<u16>,
        /// How much an image without digest weighs.
        image_digests: Severity,
        /// How the overlay's objects are checked.
        manifests: Manifests,
        /// A backup older than the objective is only a warning.
        allow_old_backup: bool,
        /// Kubernetes objects that are no longer wanted are deleted.
        prune: bool,
        /// For how long logs are kept at least; a rebuild after a breach says where a rule deletes them earlier.
        #[serde(skip_serializing_if = "Option::is_none")] log_retention: Option<Span>,
    }
}
form! {
    /// How the overlay's objects are checked.
    #[derive(Default)]
    #[serde(default)]
    Manifests {
        /// The cluster's release of Kubernetes, `1.37`.
        kubernetes: Version,
        /// Severities of findings other than the defaults in `docs/policy.md`; that of `image.without-digest` is `image_digests`.
        #[schemars(extend("propertyNames" = serde_json::json!({ "enum": Code::ALL })))]
        severities: BTreeMap<Code, Severity>,
    }
}
form! {
    /// Who must agree before something is applied: so many of these people sign the plan's hash with `rebuild approve`.
    #[serde(default)]
    Approvals {
        /// Keys with the names of those who hold them; a person with two keys stands there twice, and counts once.
        approvers: Vec<approval::Approver>,
        /// Fingerprints of keys that count no more.
        revoked: Vec<approval::Fingerprint>,
        /// How long an approval holds at most.
        valid_for: Span,
        /// How many people are needed, for what; nobody where it is not said.
        needed: BTreeMap<Scenario, u8>,
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            approvers: Vec::new(),
            revoked: Vec::new(),
            valid_for: Span(86_400),
            needed: BTreeMap::new(),
        }
    }
}

impl Approvals {
    /// Who must approve a plan made for this; `None` when nobody must.
    pub fn policy(&self, scenario: Scenario) -> Option<approval::Policy> {
        let needed = self
            .needed
            .get(&scenario)
            .copied()
            .filter(|needed| *needed > 0)?;
        Some(self.of(needed))
    }

    /// The same where one person must approve even if the environment asks for nobody.
    pub fn policy_of_one(&self, scenario: Scenario) -> approval::Policy {
        self.policy(scenario).unwrap_or_else(|| self.of(1))
    }

    fn of(&self, needed: u8) -> approval::Policy {
        approval::Policy {
            approvers: self.approvers.clone(),
            revoked: self.revoked.clone(),
            needed,
            valid_for: jiff::SignedDuration::from_secs(i64::from(self.valid_for.seconds())),
        }
    }
}
form! {
    /// What `rebuild contain` cuts off beside what carries our marks.
    #[derive(Default)]
    #[serde(default)]
    Containment {
        /// VPCs by id.
        vpcs: Vec<String>,
        /// IAM users by name.
        iam_users: Vec<String>,
        /// IAM roles by name.
        iam_roles: Vec<String>,
        /// Kubernetes namespaces.
        namespaces: Vec<String>,
        /// Leases and tokens of Vault.
        vault: VaultContainment,
    }
}
form! {
    /// Leases and tokens that `rebuild contain` revokes.
    #[derive(Default)]
    #[serde(default)]
    VaultContainment {
        /// Leases below one of these whole paths: `database/creds/natlangchain`.
        leases: Vec<String>,
        /// Tokens made by paths that begin with one of these: `auth/kubernetes/login`.
        tokens: Vec<String>,
        /// Tokens with one of these policies are left alone.
        keep_policies: Vec<String>,
    }
}
form! {
    /// What a rebuild after a breach is told beforehand.
    #[derive(Default)]
    #[serde(default)]
    Breach {
        /// Terraform states that know the old environment: `s3://BUCKET/KEY`. They are only read.
        terraform_states: Vec<String>,
        /// References to the old environment that are wanted, each with its reason.
        allowed_references: Vec<planner::taint::Allowed>,
        /// Networks outside that the new generation may reach, and be reached from, before it is validated. Nothing else is.
        open_networks: Vec<planner::clean_room::Opening>,
        /// Identities in the backup's data that an older backup does not have and that may come back all the same.
        accepted_identities: Vec<AcceptedIdentity>,
    }
}
form! {
    /// Somebody or something in a backup's data that was looked at and may come back.
    AcceptedIdentity {
        /// What it is.
        kind: IdentityKind,
        /// How it is called, as `rebuild backups identities` shows it.
        name: String,
        /// Why; it stands in the plan.
        reason: String,
    }
}

/// Kinds of identities in a backup's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// Wrote an entry.
    Author,
    /// A public key that entries are signed with.
    Signer,
    /// Is given something.
    Recipient,
    /// Has a role: `validator=NAME`.
    Party,
    /// Is told of events.
    Webhook,
    /// An API key, a token, a password, by its fingerprint.
    Credential,
}

impl IdentityKind {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Signer => "signer",
            Self::Recipient => "recipient",
            Self::Party => "party",
            Self::Webhook => "webhook",
            Self::Credential => "credential",
        }
    }
}
form! {
    /// A person or a place to reach.
    Contact {
        /// Who.
        name: String,
        /// `incident commander`, `security`, `customers`.
        role: String,
        /// Address, number or channel.
        reach: String,
    }
}
form! {
    /// A channel that is told what a run does.
    Notice {
        /// Which kind.
        to: NoticeTo,
        /// Where its address is held, which may carry a token; PagerDuty's own without it.
        #[serde(default, skip_serializing_if = "Option::is_none")] url: Option<Held>,
        /// PagerDuty's integration key.
        #[serde(default, skip_serializing_if = "Option::is_none")] routing_key: Option<Held>,
        /// Stages it is told of; all of them when it is empty.
        #[serde(default)] at: Vec<notice::Stage>,
    }
}

/// Kinds of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoticeTo {
    /// A POST of JSON.
    Webhook,
    /// Slack's incoming webhook.
    Slack,
    /// PagerDuty's Events API v2.
    Pagerduty,
}
form! {
    /// Calls a provider may be sent.
    Budget {
        /// Calls per second.
        per_second: u32,
        /// Calls at once.
        burst: u32,
    }
}

/// A span of time as `24h`, `90s`, `1h 30m` (jiff's friendly format; units up to hours). Whole seconds count.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Span(u32);

impl Span {
    /// Its length in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |_| {
            format!(
                "`{}` is not a span of time like `24h` or `90s`",
                text.chars().take(40).collect::<String>()
            )
        };
        let duration: jiff::SignedDuration = text.parse().map_err(|_| refuse(()))?;
        u32::try_from(duration.as_secs())
            .map(Self)
            .map_err(|_| refuse(()))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        format!("{:#}", jiff::SignedDuration::from_secs(i64::from(span.0)))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            public_ports: Vec::new(),
            image_digests: Severity::Error,
            manifests: Manifests::default(),
            allow_old_backup: false,
            prune: false,
            log_retention: None,
        }
    }
}

impl Document {
    /// The planner's view of policy and objectives.
    pub fn planner_policy(&self) -> planner::Policy {
        let manifests = &self.policy.manifests;
        let mut severities = manifests.severities.clone();
        severities.insert(Code::ImageWithoutDigest, self.policy.image_digests);
        planner::Policy {
            public_ports: self.policy.public_ports.iter().copied().collect(),
            manifests: manifest::Policy {
                kubernetes: manifests.kubernetes,
                severities,
            },
            allow_old_backup: self.policy.allow_old_backup,
            prune: self.policy.prune,
            rto_seconds: u64::from(self.objectives.rto.seconds()),
            rpo_seconds: u64::from(self.objectives.rpo.seconds()),
        }
    }
}

/// JSON Schema of `environment.yaml`. Checked in as `environments/environment.schema.json`.
pub fn schema() -> Value {
    schemars::schema_for!(Document).to_value()
}

fn value() -> String {
    "value".to_owned()
}

fn mount() -> String {
    "secret".to_owned()
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn ok() -> u16 {
    200
}

fn half_an_hour() -> Span {
    Span(1_800)
}

fn minute() -> Span {
    Span(60)
}
