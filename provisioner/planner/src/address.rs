//! The address of a resource: who provides it, its kind, its name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `PROVIDER.KIND.NAME`, unique within one generation of an environment.
///
/// `ec2.subnet.private-a`, `vault.secret.api-key`, `kubernetes.apps/Deployment.natlangchain/api`, `seed.object.chain`. A Kubernetes
/// kind carries its group (dots and all) before the slash; its name is `NAMESPACE/NAME`, or `NAME` for a cluster-scoped object.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Address {
    provider: String,
    kind: String,
    name: String,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address: {why}")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

const LONGEST: usize = 512;

impl Address {
    /// Builds an address from its three parts.
    ///
    /// # Errors
    /// When a part is empty, has white space or control characters, or the whole is longer than 512 bytes.
    pub fn new(provider: &str, kind: &str, name: &str) -> Result<Self, AddressError> {
        format!("{provider}.{kind}.{name}").parse()
    }

    /// The provider: `ec2`, `iam`, `s3`, `vault`, `kubernetes`, `seed`, `check`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The kind within the provider: `subnet`, `apps/Deployment`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name within the kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Provider and kind together, as the catalogue of kinds is keyed: `ec2.subnet`.
    pub fn qualified_kind(&self) -> String {
        format!("{}.{}", self.provider, self.kind)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.provider, self.kind, self.name)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let fail = |why| {
            Err(AddressError {
                text: text.chars().take(80).collect(),
                why,
            })
        };
        if text.len() > LONGEST {
            return fail("longer than 512 bytes");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return fail("it holds white space or a control character");
        }
        let Some((provider, rest)) = text.split_once('.') else {
            return fail("it needs PROVIDER.KIND.NAME");
        };
        // A Kubernetes group holds dots; the kind proper begins with the only upper-case letter before it.
        let kind_from = if provider == "kubernetes" {
            rest.find(|c: char| c.is_ascii_uppercase()).unwrap_or(0)
        } else {
            0
        };
        let Some(dot) = rest[kind_from..].find('.') else {
            return fail("it needs PROVIDER.KIND.NAME");
        };
        let (kind, name) = (&rest[..kind_from + dot], &rest[kind_from + dot + 1..]);
        if provider.is_empty() || kind.is_empty() || name.is_empty() {
            return fail("a part of it is empty");
        }
        Ok(Self {
            provider: provider.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (text, provider, kind, name) in [
            ("ec2.subnet.private-a", "ec2", "subnet", "private-a"),
            ("vault.secret.api-key", "vault", "secret", "api-key"),
            (
                "kubernetes.apps/Deployment.natlangchain/api",
                "kubernetes",
                "apps/Deployment",
                "natlangchain/api",
            ),
            (
                "kubernetes.networking.k8s.io/Ingress.ns/a.b",
                "kubernetes",
                "networking.k8s.io/Ingress",
                "ns/a.b",
            ),
            (
                "kubernetes.Service.ns/api",
                "kubernetes",
                "Service",
                "ns/api",
            ),
            (
                "kubernetes.rbac.authorization.k8s.io/ClusterRole.system:x",
                "kubernetes",
                "rbac.authorization.k8s.io/ClusterRole",
                "system:x",
            ),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(
                (address.provider(), address.kind(), address.name()),
                (provider, kind, name)
            );
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "ec2",
            "ec2.vpc",
            "ec2..x",
            ".vpc.x",
            "ec2.vpc.",
            "ec2.vpc.a b",
            "kubernetes.apps/Deployment",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
