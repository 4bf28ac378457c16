//! What the AWS providers share: configuration, identity, errors, waiting.

pub mod connection;
pub mod error;
pub mod wait;

pub use connection::{Connection, Keys};
pub use error::{classify, code, failure, is_missing};
pub use wait::Backoff;
