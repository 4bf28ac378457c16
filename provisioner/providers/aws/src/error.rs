//! From the SDK's errors to the executor's.

use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use executor::provider::{Error, ErrorKind};

/// The kind of an AWS error code with its HTTP status.
///
/// Source: "Error codes for the Amazon EC2 API", "Common errors" of IAM and STS, "Error responses" of S3.
pub fn classify(code: &str, status: u16) -> ErrorKind {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "SlowDown"
        | "RequestThrottled"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete" => ErrorKind::Throttled,
        "AuthFailure"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "MissingAuthenticationToken"
        | "IncompleteSignature" => ErrorKind::Unauthenticated,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "Blocked"
        | "OptInRequired" => ErrorKind::Denied,
        "IncorrectState"
        | "IncorrectInstanceState"
        | "DependencyViolation"
        | "VolumeInUse"
        | "InvalidIPAddress.InUse"
        | "DeleteConflict"
        | "EntityTemporarilyUnmodifiable"
        | "ConcurrentModification"
        | "OperationAborted"
        | "IncorrectModificationState" => ErrorKind::NotYet,
        // A wrong image never appears; waiting for it would only hide the mistake.
        "InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable" => ErrorKind::Invalid,
        "PreconditionFailed" | "ConditionalRequestConflict" => ErrorKind::Conflict,
        "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceFailure"
        | "Unavailable"
        | "InsufficientInstanceCapacity" => ErrorKind::Server,
        code if is_missing(code) => ErrorKind::NotYet,
        // A proxy or an S3 HEAD answers without a code.
        _ => match status {
            401 => ErrorKind::Unauthenticated,
            403 if code.is_empty() => ErrorKind::Denied,
            404 if code.is_empty() => ErrorKind::NotYet,
            409 if code.is_empty() => ErrorKind::Conflict,
            412 => ErrorKind::Conflict,
            429 => ErrorKind::Throttled,
            501 => ErrorKind::Invalid,
            500.. => ErrorKind::Server,
            _ => ErrorKind::Invalid,
        },
    }
}

/// Whether a code says that the object is not there: `InvalidVpcID.NotFound`, `NatGatewayNotFound`, `NoSuchEntity`.
pub fn is_missing(code: &str) -> bool {
    code.ends_with(".NotFound")
        || code.ends_with(".NotFoundException")
        || matches!(
            code,
            "NatGatewayNotFound"
                | "NoSuchEntity"
                | "NoSuchBucket"
                | "NoSuchKey"
                | "NoSuchVersion"
                | "NotFound"
                | "InvalidAssociationID.NotFound"
        )
}

/// The code of a service's answer; empty when there was none.
pub fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> &str {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default()
}

/// The executor's error for a call that failed; `what` names the call and its object.
pub fn failure<E>(what: impl Into<String>, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let what = what.into();
    match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            let status = context.raw().status().as_u16();
            let message = context.err().message().unwrap_or_default();
            let why = match (code, message) {
                ("", "") => format!("HTTP {status}"),
                ("", message) => format!("HTTP {status}: {message}"),
                (code, "") => code.to_owned(),
                (code, message) => format!("{code}: {message}"),
            };
            // A new instance profile takes seconds to reach EC2, which calls it invalid until then.
            if code == "InvalidParameterValue" && message.contains("IAM Instance Profile") {
                return Error::new(ErrorKind::NotYet, what, why);
            }
            Error::new(classify(code, status), what, why)
        }
        SdkError::TimeoutError(_) => Error::new(ErrorKind::Unreachable, what, "no answer in time"),
        SdkError::ConstructionFailure(_) => Error::new(ErrorKind::Invalid, what, chain(&error)),
        SdkError::ResponseError(context) if context.raw().status().as_u16() < 500 => {
            Error::new(ErrorKind::Invalid, what, chain(&error))
        }
        SdkError::ResponseError(_) => Error::new(ErrorKind::Server, what, chain(&error)),
        _ => {
            let why = chain(&error);
            // The SDK reports absent credentials as a dispatch failure of its identity resolver.
            let lower = why.to_lowercase();
            if lower.contains("credentials") || lower.contains("identity") {
                return Error::new(
                    ErrorKind::Unauthenticated,
                    what,
                    format!("no usable credentials: {why}"),
                );
            }
            Error::new(ErrorKind::Unreachable, what, why)
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_map_to_kinds() {
        for (code, status, kind) in [
            ("RequestLimitExceeded", 503, ErrorKind::Throttled),
            ("Throttling", 400, ErrorKind::Throttled),
            ("SlowDown", 503, ErrorKind::Throttled),
            ("AuthFailure", 401, ErrorKind::Unauthenticated),
            ("InvalidClientTokenId", 403, ErrorKind::Unauthenticated),
            ("ExpiredToken", 403, ErrorKind::Unauthenticated),
            ("UnauthorizedOperation", 403, ErrorKind::Denied),
            ("AccessDenied", 403, ErrorKind::Denied),
            ("InvalidVpcID.NotFound", 400, ErrorKind::NotYet),
            ("NatGatewayNotFound", 400, ErrorKind::NotYet),
            ("IncorrectState", 400, ErrorKind::NotYet),
            ("DependencyViolation", 400, ErrorKind::NotYet),
            ("InvalidAMIID.NotFound", 400, ErrorKind::Invalid),
            ("InternalError", 500, ErrorKind::Server),
            ("", 502, ErrorKind::Server),
            ("NotImplemented", 501, ErrorKind::Invalid),
            ("InvalidParameterValue", 400, ErrorKind::Invalid),
            ("PreconditionFailed", 412, ErrorKind::Conflict),
        ] {
            assert_eq!(classify(code, status), kind, "{code} {status}");
        }
    }
}
