//! Route 53: names in DNS, which lead users in.
//!
//! A name belongs to all generations of an environment, one after the other. Which one it leads to, and that it is ours at all, says a TXT
//! record beside it, since records carry no tags.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ec2::spec;
use crate::address::Address;
use crate::kind::{Kind, Layer, SpecError, through};
use crate::reference::Late;

/// Values of one record at most; Route 53 takes 400.
const MOST_VALUES: usize = 100;
/// Characters of a name at most: 255 (RFC 1035, 2.3.4) less what the name of the record beside it begins with.
const LONGEST_NAME: usize = 239;
/// Seconds that an answer may be kept at most: a week.
const LONGEST_TTL: u32 = 604_800;

/// Types of records that can lead somewhere.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name, one.
    Cname,
}

impl RecordType {
    /// As it stands in DNS.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }

    /// A value in its one form.
    ///
    /// # Errors
    /// Why it is no value of this type.
    pub fn value(self, text: &str) -> Result<String, String> {
        match self {
            Self::A => text
                .parse::<Ipv4Addr>()
                .map(|address| address.to_string())
                .map_err(|_| format!("`{}` is no IPv4 address", short(text))),
            Self::Aaaa => text
                .parse::<Ipv6Addr>()
                .map(|address| address.to_string())
                .map_err(|_| format!("`{}` is no IPv6 address", short(text))),
            Self::Cname => host(text),
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

spec! {
    /// `route53.record` (ChangeResourceRecordSets): a name with simple routing.
    Record {
        /// The hosted zone's id: `Z0123456789ABCDEFGHIJ`.
        zone: String,
        /// The whole name, without a dot at the end: `api.example.com`.
        name: String,
        /// `A`, `AAAA` or `CNAME`.
        record_type: RecordType,
        /// Seconds that resolvers may keep an answer. A switch takes so long to reach everybody.
        #[serde(default = "minute")] ttl: u32,
        /// Where it leads: addresses, or for a CNAME one name.
        values: Vec<Late<String>>,
    }
}

impl Record {
    /// Where it stands.
    pub fn place(&self) -> Place {
        Place {
            zone: self.zone.clone(),
            name: self.name.clone(),
            record_type: self.record_type,
        }
    }
}

/// Where a record stands: `ZONE/NAME/TYPE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The hosted zone's id.
    pub zone: String,
    /// The whole name, without a dot at the end.
    pub name: String,
    /// Its type.
    pub record_type: RecordType,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.zone, self.name, self.record_type)
    }
}

/// A text that is no place of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not ZONE/NAME/TYPE")]
pub struct NoPlace(String);

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let refused = || NoPlace(short(text).to_owned());
        let mut parts = text.split('/');
        let (Some(zone), Some(name), Some(kind), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let record_type = [RecordType::A, RecordType::Aaaa, RecordType::Cname]
            .into_iter()
            .find(|known| known.name() == kind)
            .ok_or_else(refused)?;
        Ok(Self {
            zone: zone.to_owned(),
            name: name.to_owned(),
            record_type,
        })
    }
}

/// Whether the object at an address is one for all generations, instead of one for each.
pub fn is_shared(address: &Address) -> bool {
    address.provider() == "route53"
}

fn minute() -> u32 {
    60
}

fn short(text: &str) -> &str {
    text.char_indices()
        .nth(80)
        .map_or(text, |(end, _)| &text[..end])
}

/// A host name in its one form: lower case, no dot at the end.
fn host(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let labels = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    if labels && name.contains('.') && name.len() <= LONGEST_NAME {
        Ok(name)
    } else {
        Err(format!(
            "`{}` is no host name: it needs labels of letters, digits, inner dashes and underscores, {LONGEST_NAME} characters at most",
            short(text)
        ))
    }
}

fn normalize(spec: &Value) -> Result<Value, SpecError> {
    let refused = |path: &str, why: String| SpecError {
        path: path.to_owned(),
        why,
    };
    let value = through::<Record>(spec)?;
    let mut record: Record =
        serde_json::from_value(value).map_err(|error| refused("", error.to_string()))?;
    let zone = &record.zone;
    if zone.is_empty() || zone.len() > 32 || !zone.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let why = format!(
            "`{}` is no hosted zone's id: up to 32 letters and digits",
            short(zone)
        );
        return Err(refused("zone", why));
    }
    record.name = host(&record.name).map_err(|why| refused("name", why))?;
    if record.ttl > LONGEST_TTL {
        let why = format!("{} seconds are more than a week", record.ttl);
        return Err(refused("ttl", why));
    }
    if record.values.is_empty() || record.values.len() > MOST_VALUES {
        let why = format!("it needs 1 to {MOST_VALUES} values");
        return Err(refused("values", why));
    }
    if record.record_type == RecordType::Cname && record.values.len() > 1 {
        return Err(refused("values", "a CNAME has one value".to_owned()));
    }
    let mut known = BTreeSet::new();
    for (index, value) in record.values.iter_mut().enumerate() {
        let Late::Known(text) = value else { continue };
        let path = format!("values[{index}]");
        *text = record
            .record_type
            .value(text)
            .map_err(|why| refused(&path, why))?;
        if !known.insert(text.clone()) {
            return Err(refused(&path, format!("`{text}` is given twice")));
        }
    }
    serde_json::to_value(record).map_err(|error| refused("", error.to_string()))
}

/// The Route 53 part of the catalogue.
pub const KINDS: &[Kind] = &[Kind {
    name: "route53.record",
    layer: Layer::Exposure,
    normalize,
    in_place: &["ttl", "values"],
    sets: &["values"],
    opaque: &[],
    named: false,
    outputs: &["id", "name"],
    // Changes generally reach all servers of Route 53 within 60 seconds (API Reference, ChangeResourceRecordSets).
    seconds: 40,
    calls: 3,
}];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(with: Value) -> Value {
        let mut spec = json!({"zone": "Z1", "name": "api.example.com", "record_type": "A", "values": ["192.0.2.1"]});
        for (key, value) in with.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    }

    #[test]
    fn one_form_for_one_record() {
        let normal = normalize(&spec(
            json!({"name": "API.example.com.", "record_type": "AAAA",
            "values": ["2001:DB8:0::1", {"unknown": "ec2.instance.a/public-ip"}]}),
        ))
        .unwrap();
        assert_eq!(
            normal,
            json!({"zone": "Z1", "name": "api.example.com", "record_type": "AAAA", "ttl": 60,
                "values": ["2001:db8::1", {"unknown": "ec2.instance.a/public-ip"}]})
        );
        assert_eq!(normalize(&normal).unwrap(), normal);
        let record: Record = serde_json::from_value(normal).unwrap();
        assert_eq!(record.place().to_string(), "Z1/api.example.com/AAAA");
        assert_eq!(record.place().to_string().parse(), Ok(record.place()));
        for text in ["", "Z1/a", "Z1/a/TXT", "Z1/a/A/b"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_record() {
        for (with, path) in [
            (json!({"zone": "/hostedzone/Z1"}), "zone"),
            (json!({"name": "*.example.com"}), "name"),
            (json!({"name": "com"}), "name"),
            (
                json!({"name": format!("{}.example.com", "a".repeat(64))}),
                "name",
            ),
            (json!({"ttl": 604_801}), "ttl"),
            (json!({"values": []}), "values"),
            (json!({"values": ["2001:db8::1"]}), "values[0]"),
            (json!({"values": ["192.0.2.1", "192.0.2.1"]}), "values[1]"),
            (
                json!({"record_type": "CNAME", "values": ["a.b", "c.d"]}),
                "values",
            ),
            (json!({"record_type": "MX"}), "record_type"),
            (json!({"weight": 3}), "weight"),
        ] {
            assert_eq!(
                normalize(&spec(with.clone())).unwrap_err().path,
                path,
                "{with}"
            );
        }
    }
}
