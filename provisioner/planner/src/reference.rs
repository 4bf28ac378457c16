//! How one resource speaks of another's value before that value exists.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::{Address, AddressError};

/// `ADDRESS/ATTRIBUTE`: an output of a resource, `ec2.vpc.main/id`.
///
/// The attribute follows the last slash, since a Kubernetes address holds slashes itself.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Reference {
    /// The resource spoken of.
    pub address: Address,
    /// The output of it: `id`, `arn`, `public-ip`…
    pub attribute: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.attribute)
    }
}

impl FromStr for Reference {
    type Err = AddressError;

    /// Without a slash the attribute is `id`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (address, attribute) = text.rsplit_once('/').unwrap_or((text, "id"));
        Ok(Self {
            address: address.parse()?,
            attribute: attribute.to_owned(),
        })
    }
}

impl TryFrom<String> for Reference {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

/// A field whose value may be known only after another resource was applied.
///
/// In JSON either the value itself or `{"unknown": "ec2.vpc.main/id"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Late<T> {
    /// Known only after apply.
    Unknown(Unknown),
    /// Known now.
    Known(T),
}

/// The JSON form of a value known only after apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Which output it will be.
    pub unknown: Reference,
}

impl<T> Late<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// The outputs of resources, by address and attribute.
pub type Outputs = BTreeMap<String, Value>;

/// The reference a value stands for, if it is one.
pub fn as_unknown(value: &Value) -> Option<Reference> {
    let object = value.as_object()?;
    if object.len() != 1 {
        return None;
    }
    object.get("unknown")?.as_str()?.parse().ok()
}

/// Every reference inside a value.
pub fn references(value: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    walk(value, &mut found);
    found
}

fn walk(value: &Value, found: &mut Vec<Reference>) {
    if let Some(reference) = as_unknown(value) {
        found.push(reference);
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(map) => map.values().for_each(|item| walk(item, found)),
        _ => {}
    }
}

/// The same value with every reference that `lookup` knows replaced by its value; the others stay as they are.
pub fn resolve(value: &Value, lookup: &impl Fn(&Reference) -> Option<Value>) -> Value {
    if let Some(reference) = as_unknown(value) {
        return lookup(&reference).unwrap_or_else(|| value.clone());
    }
    match value {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| resolve(item, lookup)).collect())
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, item)| (key.clone(), resolve(item, lookup)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resolves_what_it_knows() {
        let spec =
            json!({"vpc": {"unknown": "ec2.vpc.main/id"}, "list": [{"unknown": "ec2.subnet.a"}]});
        assert_eq!(references(&spec).len(), 2);
        let resolved = resolve(&spec, &|r| {
            (r.address.kind() == "vpc").then(|| json!("vpc-1"))
        });
        assert_eq!(
            resolved,
            json!({"vpc": "vpc-1", "list": [{"unknown": "ec2.subnet.a"}]})
        );
    }
}
