//! Why something could not be checked, as opposed to what a check found.

use thiserror::Error;

/// A backup could not be checked at all. What is wrong *with* a backup is a finding of its verdict.
#[derive(Debug, Error)]
pub enum Error {
    /// The object is encrypted and there is no key.
    #[error("the backup is encrypted and no key was given")]
    KeyNeeded,
    /// The bytes could not be read.
    #[error("the backup can't be read after {offset} bytes")]
    Read {
        /// Bytes read before.
        offset: u64,
        /// What the source said.
        #[source]
        source: std::io::Error,
    },
    /// The checking thread ended early, which is a fault of this program.
    #[error("the checking thread ended early")]
    Worker,
    /// No format of that name is known.
    #[error("no backup format is called {0:?}")]
    UnknownApplication(String),
}
