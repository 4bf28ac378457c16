//! The trait every provider implements.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use planner::reference::Outputs;
use planner::{Generation, Inventory, Observed, Step};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which objects are looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The environment's name; objects of another environment are never seen, let alone changed.
    pub environment: String,
    /// Only names that this generation would take count as [`planner::Foreign`]; objects of every generation are listed.
    pub generation: Generation,
    /// Kubernetes group-kinds (`apps/Deployment`) that the plan speaks of, so that one list per kind suffices.
    pub kinds: Vec<String>,
    /// Names the generation would take, by address: what stands there unmarked is foreign.
    pub names: BTreeMap<planner::Address, String>,
}

/// What a provider is to make true.
#[derive(Clone, Debug)]
pub struct Ensure<'a> {
    /// Environment and generation.
    pub scope: &'a Scope,
    /// The step, as planned.
    pub step: &'a Step,
    /// Its spec with every unknown replaced by the outputs of steps done before.
    pub spec: Value,
}

/// Who and where a provider finds itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Account, region, cluster, Vault: compared with [`planner::plan::Target::places`] by key.
    pub places: BTreeMap<String, String>,
    /// Principal: an ARN, a user, a token's display name.
    pub principal: String,
    /// Server's version, when it says one.
    pub version: Option<String>,
    /// Server's clock minus ours, seconds, when it says the time.
    pub clock_skew: Option<i64>,
}

/// How fast a provider may be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Steps under way at once.
    pub concurrency: usize,
    /// Mutating calls a second, sustained.
    pub rate: f64,
    /// Calls that may come at once.
    pub burst: u32,
}

/// What kind of failure it was; decides on retry, hint and exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Not reachable, or the connection broke. Retried.
    Unreachable,
    /// Too many calls. Retried.
    Throttled,
    /// The server failed. Retried.
    Server,
    /// Not there yet (eventual consistency). Retried.
    NotYet,
    /// No or wrong or expired credentials.
    Unauthenticated,
    /// Credentials that may not do this.
    Denied,
    /// There is nothing of that name.
    NotFound,
    /// The server refuses what was asked.
    Invalid,
    /// Something that is not ours stands in the way.
    Foreign,
    /// The object changed under us.
    Conflict,
    /// A wait ran into its deadline.
    Deadline,
    /// Vault is sealed, a bucket is missing: the place is not in order.
    Unavailable,
}

impl ErrorKind {
    /// Whether asking again may help.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Throttled | Self::Server | Self::NotYet
        )
    }
}

/// A provider's failure: what was tried, on what, why it failed. Hints are the command line's.
#[derive(Clone, Debug)]
pub struct Error {
    /// Kind of failure.
    pub kind: ErrorKind,
    /// What was tried, and on what: `CreateSubnet ec2.subnet.a`.
    pub what: String,
    /// Why it failed, in the server's words, without secrets.
    pub why: String,
}

impl Error {
    /// Builds an error.
    pub fn new(kind: ErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl std::error::Error for Error {}

/// One cloud, cluster or store.
///
/// # Guarantees asked of an implementation
/// `ensure` is idempotent by identity: called twice with the same step it makes one object and gives the same outputs. `remove` of what
/// is gone succeeds. Neither touches an object without our marks. `observe` changes nothing and costs calls per kind, not per object.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The first part of the addresses it serves: `ec2`.
    fn name(&self) -> &'static str;

    /// How fast it may be asked.
    fn budget(&self) -> Budget;

    /// Who and where we are there.
    async fn identity(&self) -> Result<Identity, Error>;

    /// Everything of ours in the environment, and what stands in our way.
    async fn observe(&self, scope: &Scope) -> Result<Inventory, Error>;

    /// Makes one step true (create, update, replace, rotate, seed, check) and returns the outputs others refer to.
    ///
    /// Returns when the object is ready, or fails with [`ErrorKind::Deadline`].
    async fn ensure(&self, request: Ensure<'_>) -> Result<Outputs, Error>;

    /// Removes an object of ours, and returns when it is gone.
    async fn remove(&self, object: &Observed) -> Result<(), Error>;
}

/// Where secret values are read at use.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The value of one field of one secret.
    async fn read(&self, mount: &str, path: &str, field: &str) -> Result<SecretString, Error>;
}
