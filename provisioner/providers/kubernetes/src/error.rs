//! The API's failures as the executor's.

use std::error::Error as _;

use executor::provider::{Error, ErrorKind};

/// What an API call's failure means.
pub(crate) fn failure(what: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => {
            let kind = match (status.code, status.reason.as_str()) {
                (401, _) => ErrorKind::Unauthenticated,
                // A namespace that ends takes nothing new until it is gone.
                (403, _) if status.message.contains("being terminated") => ErrorKind::NotYet,
                (403, _) => ErrorKind::Denied,
                (404, _) => ErrorKind::NotYet,
                (409, _) => ErrorKind::Conflict,
                (429, _) => ErrorKind::Throttled,
                (504, _) | (500.., _) => ErrorKind::Server,
                _ => ErrorKind::Invalid,
            };
            Error::new(kind, what, status.message.clone())
        }
        kube::Error::SerdeError(_) => Error::new(
            ErrorKind::Server,
            what,
            "the answer is not what the API answers",
        ),
        kube::Error::Auth(error) => Error::new(ErrorKind::Unauthenticated, what, error.to_string()),
        error => {
            let mut why = error.to_string();
            let mut next = error.source();
            while let Some(cause) = next {
                let text = cause.to_string();
                if !why.contains(&text) {
                    why = format!("{why}: {text}");
                }
                next = cause.source();
            }
            Error::new(ErrorKind::Unreachable, what, why)
        }
    }
}

/// Whether the API says that it is not there.
pub(crate) fn missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
