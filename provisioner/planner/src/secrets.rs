//! Who reads which secret. Readers name a place in Vault, not an address, since the value never passes through a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::address::Address;
use crate::resource::Resource;

type Declared<'a> = HashMap<(&'a str, &'a str), &'a Address>;

fn declared(desired: &BTreeMap<Address, Resource>) -> Declared<'_> {
    desired
        .values()
        .filter(|resource| resource.address.qualified_kind() == "vault.secret")
        .filter_map(|resource| {
            Some((
                (
                    resource.spec.get("mount")?.as_str()?,
                    resource.spec.get("path")?.as_str()?,
                ),
                &resource.address,
            ))
        })
        .collect()
}

/// The secrets each resource reads, among those declared.
pub(crate) fn readers(
    desired: &BTreeMap<Address, Resource>,
) -> BTreeMap<Address, BTreeSet<Address>> {
    let declared = declared(desired);
    let mut reads = BTreeMap::new();
    for resource in desired.values() {
        let mut found = BTreeSet::new();
        // What a Kubernetes object holds is the cluster's business; only `secrets` speaks of Vault.
        let spec = if resource.address.provider() == "kubernetes" {
            resource.spec.get("secrets")
        } else {
            Some(&resource.spec)
        };
        if let Some(spec) = spec {
            walk(spec, &declared, &mut found);
        }
        if !found.is_empty() {
            reads.insert(resource.address.clone(), found);
        }
    }
    reads
}

/// Secrets that seeded data is encrypted with, and the seed.
pub(crate) fn data_keys(desired: &BTreeMap<Address, Resource>) -> BTreeMap<Address, Address> {
    let declared = declared(desired);
    let mut keys = BTreeMap::new();
    for resource in desired
        .values()
        .filter(|resource| resource.address.provider() == "seed")
    {
        let mut found = BTreeSet::new();
        if let Some(field) = resource.spec.get("encrypt_with") {
            walk(field, &declared, &mut found);
        }
        keys.extend(found.into_iter().map(|key| (key, resource.address.clone())));
    }
    keys
}

/// The key of a value that a Kubernetes Secret holds itself. Plans are files, so no value may pass through one.
pub(crate) fn literal(resource: &Resource) -> Option<String> {
    if resource.address.provider() != "kubernetes" || resource.address.kind() != "Secret" {
        return None;
    }
    ["data", "stringData"].iter().find_map(|field| {
        let values = resource
            .spec
            .pointer(&format!("/object/{field}"))?
            .as_object()?;
        let filled = |value: &Value| {
            value
                .as_str()
                .map_or(!value.is_null(), |text| !text.is_empty())
        };
        let mut keys: Vec<&String> = values
            .iter()
            .filter(|(_, value)| filled(value))
            .map(|(key, _)| key)
            .collect();
        keys.sort_unstable();
        keys.first().map(|key| format!("{field}.{key}"))
    })
}

fn walk(value: &Value, declared: &Declared<'_>, found: &mut BTreeSet<Address>) {
    match value {
        Value::Object(map) => {
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            if let (Some(mount), Some(path), Some(_)) = (text("mount"), text("path"), text("field"))
                && let Some(address) = declared.get(&(mount, path))
            {
                found.insert((*address).clone());
            }
            map.values().for_each(|value| walk(value, declared, found));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, declared, found)),
        _ => {}
    }
}
