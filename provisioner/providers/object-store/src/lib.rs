//! S3 buckets, backup sources in S3 and Google Cloud Storage, and the environment's lock.
//!
//! - [`provider`]: the kinds `s3.bucket` and `s3.generation`.
//! - [`store`]: one bucket's objects: list, head, get, put, all streaming.
//! - [`archive`]: what is asked of a place that holds backups, whichever cloud it is in.
//! - [`gcs`]: Google Cloud Storage, as such a place.
//! - [`keeping`]: how a bucket keeps what is put into it.
//! - [`evidence`]: reads what buckets are set to and hold, before they are destroyed.
//! - [`lock`]: the lock of an environment, by conditional writes.

pub mod archive;
mod bucket;
mod causes;
mod download;
pub mod evidence;
#[cfg(test)]
mod faults;
pub mod gcs;
pub mod keeping;
pub mod lock;
mod object;
pub mod provider;
mod retry;
pub mod store;

pub use archive::{Archive, Lock};
pub use download::provider_error;
pub use gcs::{Gcs, GcsSettings};
pub use keeping::{BucketLock, HeldFor, Keeping};
pub use lock::S3Lock;
pub use provider::S3;
pub use store::{Head, Object, Put, Retain, Store, Stored};

/// A client for a configuration from [`provider_aws::Connection::load`].
///
/// Another endpoint than AWS's is spoken to in path style: it has no DNS name per bucket.
pub fn client(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let path_style = config.endpoint_url().is_some();
    aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(config)
            .force_path_style(path_style)
            .build(),
    )
}
