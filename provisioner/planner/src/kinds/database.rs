//! Bringing a database back: always beside the old one, never over it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::spec;
use super::seed::SecretField;
use crate::kind::{Kind, Layer, through};
use crate::plan::Action;

spec! {
    /// Where a PostgreSQL server is, and how it is spoken to (libpq, "Connection Strings").
    Server {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// libpq's `sslmode`.
        #[serde(default = "verified")] sslmode: String,
    }
}
spec! {
    /// `database.dump`: a dump of `pg_dump -Fc` into a fresh database that a fresh role owns.
    Dump {
        /// Key of the dump in its bucket.
        key: String,
        /// Its version, where the bucket has versions.
        #[serde(default, skip_serializing_if = "Option::is_none")] version: Option<String>,
        /// Its bytes.
        size: u64,
        /// SHA-256 of its bytes, lower-case hex.
        sha256: String,
        /// The server.
        server: Server,
        /// A role that may make databases and roles.
        admin: String,
        /// That role's password.
        admin_password: SecretField,
        /// Name of the fresh database, and of the fresh role that owns it.
        name: String,
        /// The fresh role's password.
        password: SecretField,
        /// Kinds of objects beyond tables and what belongs to them that the dump may hold: `FUNCTION`, `EXTENSION`, as `pg_restore --list`
        /// writes them. What runs code could be an intruder's.
        #[serde(default)] allow: BTreeSet<String>,
        /// Whether `database.chain` decides if the database stays; until then it is only restored, and not complete.
        #[serde(default)] judged: bool,
    }
}
spec! {
    /// `database.chain`: reads the chain from the restored tables and verifies it as a backup is.
    Chain {
        /// The server.
        server: Server,
        /// The database, and the role that owns it.
        name: String,
        /// That role's password.
        password: SecretField,
        /// A query that gives one block a row, as JSON, in the chain's order.
        query: String,
        /// Head hash wanted of what the dump held; not asked for once that was judged, since blocks are added to a database in use.
        #[serde(default, skip_serializing_if = "Option::is_none")] head: Option<String>,
        /// Who judges what was restored: a refused database is dropped with its role. Without, whatever is found stays.
        #[serde(default, skip_serializing_if = "Option::is_none")] judge: Option<Judge>,
    }
}
spec! {
    /// A role that may drop what it restored.
    Judge {
        /// The role.
        admin: String,
        /// Its password.
        admin_password: SecretField,
    }
}
spec! {
    /// `rds.instance`: an RDS instance restored under a new name (RestoreDBInstanceFromDBSnapshot, RestoreDBInstanceToPointInTime).
    Rds {
        /// The new instance's identifier.
        name: String,
        /// What it is restored from.
        from: Point,
        /// Class of the new instance; the old one's without it.
        #[serde(default, skip_serializing_if = "Option::is_none")] class: Option<String>,
        /// Subnet group; RDS's default without it.
        #[serde(default, skip_serializing_if = "Option::is_none")] subnet_group: Option<String>,
        /// Security groups; the VPC's default without them.
        #[serde(default)] security_groups: BTreeSet<String>,
        /// Seconds until it must be available.
        #[serde(default = "hour")] deadline: u32,
    }
}

/// What an instance is restored from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Point {
    /// A snapshot's identifier or ARN.
    Snapshot(String),
    /// An instance as it was.
    Time {
        /// The instance's identifier.
        instance: String,
        /// When; the latest restorable time without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        at: Option<jiff::Timestamp>,
    },
}

fn verified() -> String {
    "verify-full".to_owned()
}

fn hour() -> u32 {
    3600
}

/// What a step of such a kind does, in the plan's words.
pub(crate) fn action(kind: &str) -> Action {
    match kind {
        "chain" => Action::Check,
        "dump" => Action::Seed,
        _ => Action::Create,
    }
}

const BASE: Kind = Kind {
    name: "database.dump",
    layer: Layer::Seed,
    normalize: through::<Dump>,
    in_place: &[],
    sets: &[],
    opaque: &[],
    named: true,
    outputs: &["name", "entries"],
    seconds: 300,
    calls: 6,
};

/// The databases' part of the catalogue.
pub const KINDS: &[Kind] = &[
    BASE,
    Kind {
        name: "database.chain",
        layer: Layer::Validation,
        normalize: through::<Chain>,
        outputs: &["head", "blocks"],
        seconds: 60,
        calls: 1,
        ..BASE
    },
    Kind {
        name: "rds.instance",
        layer: Layer::Storage,
        normalize: through::<Rds>,
        outputs: &["id", "address", "port"],
        seconds: 900,
        calls: 20,
        ..BASE
    },
];
