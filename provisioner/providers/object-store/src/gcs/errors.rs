//! From the JSON API's refusals to the executor's errors.

use executor::provider::{Error, ErrorKind};
use serde::Deserialize;

use crate::causes::cause;

/// Enough of a refusal to tell what it is about.
const EXCERPT: usize = 400;

/// The body of a refusal ("HTTP status and error codes for JSON").
#[derive(Debug, Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Details,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
struct Cause {
    #[serde(default)]
    reason: String,
}

/// The error for an answer that refuses.
pub(super) fn refusal(what: &str, status: u16, body: &[u8]) -> Error {
    let details = serde_json::from_slice::<Body>(body)
        .unwrap_or_default()
        .error;
    let reason = details.errors.first().map(|cause| cause.reason.as_str());
    let reason = reason.unwrap_or_default();
    let kind = classify(status, reason);
    let message: String = details.message.chars().take(EXCERPT).collect();
    let mut why = format!("HTTP {status}");
    for part in [reason, message.as_str()] {
        if !part.is_empty() {
            why.push_str(": ");
            why.push_str(part);
        }
    }
    Error::new(kind, what, why)
}

/// The kind of a status with its reason ("HTTP status and error codes for JSON").
fn classify(status: u16, reason: &str) -> ErrorKind {
    match (status, reason) {
        (403, "rateLimitExceeded" | "userRateLimitExceeded") | (429, _) => ErrorKind::Throttled,
        (401, _) => ErrorKind::Unauthenticated,
        (403, _) => ErrorKind::Denied,
        (404 | 410, _) => ErrorKind::Unavailable,
        // 416: the object ends before the range that its size had in it.
        (409 | 412 | 416, _) => ErrorKind::Conflict,
        (408, _) => ErrorKind::Unreachable,
        (501, _) => ErrorKind::Invalid,
        (500.., _) => ErrorKind::Server,
        _ => ErrorKind::Invalid,
    }
}

/// The error for a request that got no answer, or only a part of one.
pub(super) fn unreachable(what: &str, error: reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::new(ErrorKind::Invalid, what, cause(&error));
    }
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        cause(&error)
    };
    Error::new(ErrorKind::Unreachable, what, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_reasons_map_to_kinds() {
        for (status, reason, kind) in [
            (400, "invalid", ErrorKind::Invalid),
            (401, "authError", ErrorKind::Unauthenticated),
            (403, "forbidden", ErrorKind::Denied),
            (403, "rateLimitExceeded", ErrorKind::Throttled),
            (403, "userRateLimitExceeded", ErrorKind::Throttled),
            (404, "notFound", ErrorKind::Unavailable),
            (408, "", ErrorKind::Unreachable),
            (412, "conditionNotMet", ErrorKind::Conflict),
            (416, "requestedRangeNotSatisfiable", ErrorKind::Conflict),
            (429, "rateLimitExceeded", ErrorKind::Throttled),
            (500, "backendError", ErrorKind::Server),
            (501, "", ErrorKind::Invalid),
            (503, "", ErrorKind::Server),
            (302, "", ErrorKind::Invalid),
        ] {
            assert_eq!(classify(status, reason), kind, "{status} {reason}");
        }
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let body = r#"{"error": {"code": 403, "message": "x does not have storage.objects.list access",
            "errors": [{"reason": "forbidden"}]}}"#;
        let error = refusal("objects.list gs://b/", 403, body.as_bytes());
        assert_eq!(
            error.to_string(),
            "objects.list gs://b/: HTTP 403: forbidden: x does not have storage.objects.list access"
        );
        let error = refusal("objects.list gs://b/", 502, b"<html>");
        assert_eq!(error.to_string(), "objects.list gs://b/: HTTP 502");
    }
}
