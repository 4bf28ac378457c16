//! Kubernetes objects by server-side apply, in waves, awaited.

mod connect;
mod error;
pub mod job;
pub mod kstatus;
mod normal;
mod provider;

pub use connect::ConnectError;
pub use provider::Kubernetes;
