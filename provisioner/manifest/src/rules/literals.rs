//! Secrets written down where everybody reads them.

use serde_json::Value;

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::{Object, list, text};
use crate::text::quoted;
use crate::workload::Pod;

pub(super) fn check(object: &Object<'_>, pod: &Pod<'_>, findings: &mut Findings<'_>) {
    for container in pod.containers() {
        for (at, variable) in list(container.value, "env") {
            let Some(name) = text(variable, "name") else {
                continue;
            };
            if !is_written_down(&variable["value"]) || !is_secret(name) {
                continue;
            }
            let spot = Spot {
                path: container.at(&format!("env[{at}].value")),
                container: Some(container.name),
            };
            // Of the value nothing is told, not even its length.
            let message = format!(
                "`{}` of container `{}` is named like a secret and has a literal value",
                quoted(name),
                quoted(container.name)
            );
            findings.add(object, Code::SecretLiteral, spot, message);
        }
    }
}

/// Not a switch, and not merely the value of another variable.
fn is_written_down(value: &Value) -> bool {
    let Some(value) = value.as_str() else {
        return false;
    };
    let is_reference = value.starts_with("$(") && value.ends_with(')');
    !value.is_empty() && !is_reference && !matches!(value, "true" | "false")
}

/// Whether the name is that of a secret, rather than of where it is, how long it holds, or what it is called.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // A path, whatever it sounds like: https://cloud.google.com/docs/authentication/application-default-credentials
    if name == "GOOGLE_APPLICATION_CREDENTIALS" {
        return false;
    }
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    let about = [
        "FILE",
        "PATH",
        "DIR",
        "NAME",
        "URL",
        "URI",
        "ENDPOINT",
        "HEADER",
        "TTL",
        "EXPIRY",
        "EXPIRATION",
        "SECONDS",
        "MINUTES",
        "HOURS",
        "DAYS",
        "LENGTH",
        "TYPE",
        "ENABLED",
        "ISSUER",
        "AUDIENCE",
        "ALGORITHM",
        "REF",
    ];
    let last = words.last().copied().unwrap_or_default();
    if about.contains(&last) || words.contains(&"PUBLIC") || words.contains(&"ALLOW") {
        return false;
    }
    let telling = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "CREDENTIAL",
        "APIKEY",
    ];
    telling.iter().any(|part| name.contains(part))
        || words.contains(&"TOKEN")
        || (words.len() > 1 && last == "KEY")
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn names_of_secrets_and_of_what_is_about_them() {
        for name in [
            "PASSWORD",
            "PGPASSWORD",
            "DB_PASSWORD",
            "db.password",
            "GITHUB_TOKEN",
            "TOKEN",
            "CLIENT_SECRET",
            "SECRET_ID",
            "API_KEY",
            "apiKey",
            "PRIVATE_KEY",
            "SSH_PASSPHRASE",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "PASSWORD_FILE",
            "SECRET_NAME",
            "TOKEN_TTL",
            "PUBLIC_KEY",
            "TOKENIZERS_PARALLELISM",
            "ALLOW_EMPTY_PASSWORD",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "KEY",
            "KEYBOARD",
            "LOG_LEVEL",
            "API_KEY_HEADER",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
