//! What a generation does for the day it is lost itself: its first backup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ec2::spec;
use crate::kind::{Kind, Layer, through};

spec! {
    /// `backup.job`: a Job made from a CronJob of the generation, as `kubectl create job --from` makes one. Done when it is complete, and
    /// what it left in the environment's backup sources was verified, extends the seeded backup, and is remembered.
    ///
    /// It is made once for a generation: what its spec says later takes no second backup.
    Job {
        /// Namespace of both.
        namespace: String,
        /// Name of the CronJob.
        cron_job: String,
        /// Seconds to wait for the Job.
        deadline: u32,
        /// SHA-256 of the seeded backup's stored bytes.
        sha256: String,
        /// Head hash of the seeded chain; the new backup has it at the same height.
        head: String,
        /// Blocks of the seeded chain; the new backup has no fewer.
        blocks: u64,
    }
}

/// The part of the catalogue about backups.
pub const KINDS: &[Kind] = &[Kind {
    name: "backup.job",
    layer: Layer::Backup,
    normalize: through::<Job>,
    in_place: &[],
    sets: &[],
    opaque: &[],
    named: true,
    outputs: &[
        "backup",
        "location",
        "version",
        "sha256",
        "head",
        "blocks",
        "stored",
        "lock",
        "new_identities",
    ],
    seconds: 120,
    calls: 8,
}];
