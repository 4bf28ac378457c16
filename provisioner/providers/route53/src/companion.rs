//! The TXT record beside a name: record sets carry no tags, so it says whose the name is. ExternalDNS proves ownership the same way
//! (its documentation, "TXT registry").

use std::collections::BTreeMap;
use std::fmt;

use planner::kinds::route53::Place;
use planner::{Address, Generation};

/// What the first of its strings says.
const HERITAGE: &str = "rebuild";
/// Characters of one string of a TXT record at most (RFC 1035, 3.3.14).
const LONGEST: usize = 255;

/// Whose a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The environment's name.
    pub environment: String,
    /// The generation it leads to.
    pub generation: Generation,
    /// The address of the name in that generation.
    pub address: Address,
    /// Digest of the record as it was written; absent where a person wrote the TXT record to have the name adopted.
    pub digest: Option<String>,
}

impl Owner {
    /// Name of the TXT record beside a name, one for each type: `_rebuild-a.api.example.com`.
    pub fn name(place: &Place) -> String {
        format!(
            "_rebuild-{}.{}",
            place.record_type.name().to_lowercase(),
            place.name
        )
    }

    /// Reads the value of a TXT record; `None` when it is none of ours.
    pub fn read(value: &str) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for text in strings(value)? {
            let (key, value) = text.split_once('=')?;
            if fields.insert(key, value).is_some() {
                return None;
            }
        }
        if fields.remove("heritage") != Some(HERITAGE) {
            return None;
        }
        let owner = Self {
            environment: fields.remove("environment")?.to_owned(),
            generation: fields.remove("generation")?.parse().ok()?,
            address: fields.remove("address")?.parse().ok()?,
            digest: fields.remove("digest").map(str::to_owned),
        };
        fields.is_empty().then_some(owner)
    }

    /// Whether all of it can be written: printable ASCII without quotes, in strings that are not too long.
    pub fn fits(&self) -> bool {
        self.fields().iter().all(|field| {
            field.len() <= LONGEST
                && field
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        })
    }

    fn fields(&self) -> Vec<String> {
        let mut fields = vec![
            format!("heritage={HERITAGE}"),
            format!("environment={}", self.environment),
            format!("generation={}", self.generation),
            format!("address={}", self.address),
        ];
        fields.extend(self.digest.iter().map(|digest| format!("digest={digest}")));
        fields
    }
}

/// As the value of a TXT record: each field a string of its own.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.fields().iter().enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}\"{field}\"")?;
        }
        Ok(())
    }
}

/// The quoted strings of a value; none of ours holds a quote or an escape.
fn strings(value: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (text, after) = rest.strip_prefix('"')?.split_once('"')?;
        found.push(text);
        rest = after.trim_start();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut owner = Owner {
            environment: "demo".to_owned(),
            generation: "20261128-9dc4".parse().unwrap(),
            address: "route53.record.api".parse().unwrap(),
            digest: Some("ab".repeat(32)),
        };
        assert_eq!(Owner::read(&owner.to_string()), Some(owner.clone()));
        owner.digest = None;
        assert_eq!(
            owner.to_string(),
            r#""heritage=rebuild" "environment=demo" "generation=20261128-9dc4" "address=route53.record.api""#
        );
        assert_eq!(Owner::read(&owner.to_string()), Some(owner.clone()));
        assert!(owner.fits());
        owner.address = "route53.record.a\"b".parse().unwrap();
        assert!(!owner.fits());
    }

    #[test]
    fn what_is_none_of_ours() {
        let whole =
            r#""heritage=rebuild" "environment=e" "generation=g" "address=route53.record.a""#;
        assert!(Owner::read(whole).is_some());
        for value in [
            "",
            "\"",
            "heritage=rebuild",
            r#""heritage=external-dns,external-dns/owner=x""#,
            &whole.replace("heritage=rebuild", "heritage=other"),
            &whole.replace(r#""generation=g" "#, ""),
            &whole.replace("generation=g", "generation=G!"),
            &format!(r#"{whole} "environment=f""#),
            &format!(r#"{whole} "more=1""#),
            &format!("{whole} \""),
        ] {
            assert_eq!(Owner::read(value), None, "{value}");
        }
        let place = "Z1/api.example.com/AAAA".parse().unwrap();
        assert_eq!(Owner::name(&place), "_rebuild-aaaa.api.example.com");
    }
}
