//! What may be fetched and kept.

use std::time::Duration;

/// Bounds on one thing that is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files of a repository or chart.
    pub files: usize,
    /// Size of a file, in bytes. Larger files of a repository are left out; no rendering reads them.
    pub file_bytes: u64,
    /// Size of all files of a repository or chart, in bytes.
    pub total_bytes: u64,
    /// Folders within folders.
    pub depth: usize,
    /// What a server may send for it, in bytes.
    pub transfer_bytes: u64,
    /// How long fetching it may take.
    pub time: Duration,
    /// How long `helm` may take to render a chart.
    pub helm_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            files: 20_000,
            file_bytes: 8 << 20,
            total_bytes: 256 << 20,
            depth: 64,
            transfer_bytes: 256 << 20,
            time: Duration::from_secs(300),
            helm_time: Duration::from_secs(60),
        }
    }
}
