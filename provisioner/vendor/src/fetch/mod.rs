//! Fetching: the only part that talks to servers.

pub(crate) mod chart;
pub(crate) mod git;
pub(crate) mod http;

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("rebuild/", env!("CARGO_PKG_VERSION"));

/// When fetching something must be over.
fn deadline(limits: &Limits) -> Instant {
    let now = Instant::now();
    now.checked_add(limits.time).unwrap_or(now)
}
