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
                // Admission says 403 as well, though no other credentials would help.
                (403, _) if refused_by_admission(&status.message) => ErrorKind::Invalid,
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

/// Webhooks and policies (Kubernetes, "Dynamic Admission Control"), Pod Security, quotas and limit ranges.
fn refused_by_admission(message: &str) -> bool {
    [
        "denied the request",
        "denied request",
        "violates PodSecurity",
        "exceeded quota",
        "usage per",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether the API says that it is not there.
pub(crate) fn missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, message: &str) -> ErrorKind {
        let mut status = kube::core::Status::failure(message, "Reason");
        status.code = code;
        failure("apply x", kube::Error::Api(status.boxed())).kind
    }

    #[test]
    fn codes_and_words() {
        for (code, message, wanted) in [
            (401, "Unauthorized", ErrorKind::Unauthenticated),
            (
                403,
                r#"configmaps "api" is forbidden: User "x" cannot patch resource "configmaps""#,
                ErrorKind::Denied,
            ),
            (
                403,
                r#"configmaps "api" is forbidden: unable to create new content in namespace x because it is being terminated"#,
                ErrorKind::NotYet,
            ),
            (
                403,
                r#"admission webhook "x.example.com" denied the request: no"#,
                ErrorKind::Invalid,
            ),
            (
                403,
                r#"pods "api" is forbidden: violates PodSecurity "restricted:latest": privileged"#,
                ErrorKind::Invalid,
            ),
            (
                403,
                r#"pods "api" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3"#,
                ErrorKind::Invalid,
            ),
            (404, "not found", ErrorKind::NotYet),
            (409, "conflict", ErrorKind::Conflict),
            (422, "invalid", ErrorKind::Invalid),
            (429, "Too many requests", ErrorKind::Throttled),
            (500, "Internal error", ErrorKind::Server),
            (503, "apiserver is shutting down", ErrorKind::Server),
        ] {
            assert_eq!(kind(code, message), wanted, "{code} {message}");
        }
    }
}
