//! API versions that the cluster will soon not serve, or no longer serves.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/deprecation-guide/> and the lifecycle that the types of `k8s.io/api` declare.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::finding::{Findings, Spot};
use crate::object::Object;
use crate::schema;

/// A release of Kubernetes, `1.37`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Version {
    /// Always 1 so far.
    pub major: u16,
    /// The release.
    pub minor: u16,
}

/// A text that is not a release of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a release of Kubernetes like `1.37`")]
pub struct VersionError;

/// The release whose schemas are built in.
impl Default for Version {
    fn default() -> Self {
        schema::VERSION
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// Takes what a server says of itself as well: `v1.37.2`, `1.37+`, `v1.37.2-eks-1`.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let (major, minor) = (parts.next(), parts.next());
        let digits = |part: Option<&str>| {
            let part = part.unwrap_or_default();
            part.strip_suffix('+')
                .unwrap_or(part)
                .parse()
                .map_err(|_| VersionError)
        };
        Ok(Self {
            major: digits(major)?,
            minor: digits(minor)?,
        })
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

struct Lifecycle {
    deprecated: Version,
    removed: Option<Version>,
    replacement: Option<&'static str>,
}

static TABLE: LazyLock<HashMap<(&str, &str), Lifecycle>> = LazyLock::new(|| {
    include_str!("../data/lifecycle.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let key = (words.next()?, words.next()?);
            Some((
                key,
                Lifecycle {
                    deprecated: words.next()?.parse().ok()?,
                    removed: words.next()?.parse().ok(),
                    replacement: words.next().filter(|word| *word != "-"),
                },
            ))
        })
        .collect()
});

/// Whether Kubernetes ever had the kind in that version and gave it up, or will.
pub(crate) fn is_listed(api_version: &str, kind: &str) -> bool {
    TABLE.contains_key(&(api_version, kind))
}

pub(super) fn check(object: &Object<'_>, cluster: Version, findings: &mut Findings<'_>) {
    let Some(lifecycle) = TABLE.get(&(object.api_version, object.kind)) else {
        return;
    };
    let what = format!("{} {}", object.api_version, object.kind);
    let (code, message) = match lifecycle.removed {
        Some(removed) if removed <= cluster => (
            Code::ApiRemoved,
            format!(
                "`{what}` is not served since Kubernetes {removed}, and the cluster's is {cluster}"
            ),
        ),
        removed if lifecycle.deprecated <= cluster => {
            let until = removed.map_or(String::new(), |removed| {
                format!(" and will be gone in {removed}")
            });
            (
                Code::ApiDeprecated,
                format!(
                    "`{what}` is deprecated since Kubernetes {}{until}",
                    lifecycle.deprecated
                ),
            )
        }
        _ => return,
    };
    let hint = lifecycle.replacement.map_or_else(
        || "there is no replacement; do without it".to_owned(),
        |replacement| format!("use `{replacement}`, and compare its fields"),
    );
    findings.advise(object, code, Spot::at("apiVersion"), message, hint);
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Version};

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("../data/lifecycle.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .count();
        assert_eq!(TABLE.len(), lines);
        for ((api_version, kind), lifecycle) in &*TABLE {
            if let Some(removed) = lifecycle.removed {
                assert!(lifecycle.deprecated < removed, "{api_version} {kind}");
            }
        }
    }

    #[test]
    fn versions_as_people_and_servers_write_them() {
        let wanted = Version {
            major: 1,
            minor: 29,
        };
        for text in ["1.29", "v1.29.3", "1.29+", "v1.29.3-eks-1"] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for text in ["", "1", "one.two", "1.", "1.-3", "1.999999"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
