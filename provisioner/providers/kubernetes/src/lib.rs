//! Kubernetes objects by server-side apply, in waves, awaited.

pub mod backup;
mod conflict;
mod connect;
mod contain;
mod error;
pub mod evidence;
pub mod job;
pub mod kstatus;
mod normal;
mod owned;
mod provider;
mod reading;
mod recover;
mod waiting;

pub use connect::ConnectError;
pub use contain::{KubernetesBarrier, Reach};
pub use provider::Kubernetes;
pub use recover::Recovery;
