//! What the AWS providers share: configuration, identity, errors, waiting, answers kept as evidence.

pub mod answers;
pub mod connection;
pub mod error;
pub mod wait;

pub use answers::Answers;
pub use connection::{Connection, Keys};
pub use error::{classify, code, failure, is_missing};
pub use wait::Backoff;
