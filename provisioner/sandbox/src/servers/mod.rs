//! The servers: how each is configured, started, checked and prepared.

pub(crate) mod control_plane;
pub(crate) mod moto;
pub(crate) mod openbao;
pub(crate) mod seaweedfs;

use std::time::Duration;

/// How long a server may take to become ready. On a busy machine with a cold disk that is long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
