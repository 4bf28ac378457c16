//! What can go wrong.

use std::path::{Path, PathBuf};

use overlay::RemoteError;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why something is not vendored, or not given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It may not be fetched or used.
    #[error("'{what}' is refused: {reason}")]
    Refused {
        /// The URL, repository or chart.
        what: String,
        /// Which rule says so.
        reason: String,
    },
    /// The lock file does not list it.
    #[error("'{what}' is not vendored: {reason}")]
    NotVendored {
        /// The URL, repository or chart, as written.
        what: String,
        /// What the lock file lacks.
        reason: String,
    },
    /// It is not what the lock file pins.
    #[error("'{what}' is not what the lock file pins: {reason}")]
    Differs {
        /// The URL, repository, chart or folder.
        what: String,
        /// What differs.
        reason: String,
    },
    /// A server does not give it.
    #[error("'{what}' can't be fetched: {reason}")]
    Fetch {
        /// What was asked for.
        what: String,
        /// What happened.
        reason: String,
    },
    /// It has more than the limits allow.
    #[error("'{what}' is too large: {reason}")]
    TooLarge {
        /// The URL, repository or chart.
        what: String,
        /// Which limit it exceeds.
        reason: String,
    },
    /// It is not what it should be.
    #[error("'{what}' can't be used: {reason}")]
    Malformed {
        /// The URL, repository, chart or file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `helm` failed.
    #[error("chart '{chart}' can't be rendered: {reason}")]
    Helm {
        /// The chart.
        chart: String,
        /// What `helm` said, or why it was stopped.
        reason: String,
    },
    /// The file system failed.
    #[error("can't {action} '{path}'")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File {
            action,
            path,
            source,
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

impl From<Error> for RemoteError {
    fn from(error: Error) -> RemoteError {
        let text = told(&error);
        match error {
            Error::Refused { .. } | Error::NotVendored { .. } => RemoteError::Unlisted(text),
            _ => RemoteError::Failed(text),
        }
    }
}
