//! Reading a Terraform state into an [`OldInventory`].

use serde_json::Value;

use super::IdentifierKind::{
    self, Account, Address, Arn, Cidr, Digest, Fingerprint, Host, Id, Key, Name,
};
use super::OldInventory;
use super::identifier::{Collector, account_of, is_account, is_cloud_id};
use super::values;

/// Bytes a state may have.
pub const LARGEST: usize = 128 << 20;
/// Values a state may have. Each takes some hundred bytes of memory, however short its text is.
const VALUES: usize = 4_000_000;
/// Identifiers that are taken from a state.
const MOST: usize = 500_000;

/// Why a state can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Larger than [`LARGEST`].
    #[error("the Terraform state has {0} bytes; at most {LARGEST} are read")]
    TooLarge(usize),
    /// No JSON.
    #[error("the Terraform state is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// More values than are held in memory.
    #[error("the Terraform state has more than {VALUES} values")]
    TooMuch,
    /// Another version of the format.
    #[error("the Terraform state has version {0}; version 4 is read")]
    Version(String),
    /// JSON of something else.
    #[error("it is no Terraform state: it has no list `resources`")]
    Shape,
    /// More than are taken.
    #[error("the Terraform state has more than {MOST} identifiers")]
    TooMany,
}

/// What a state file of Terraform or OpenTofu (version 4) knows of what it manages. Only what names things is taken, never another value,
/// since a state is full of secrets. Of data sources, which are often other people's things, only accounts are.
///
/// # Errors
/// When it is too large, has too many values, is no JSON, of another version, or has too many identifiers.
pub fn read(bytes: &[u8]) -> Result<OldInventory, StateError> {
    if bytes.len() > LARGEST {
        return Err(StateError::TooLarge(bytes.len()));
    }
    if !values::at_most(VALUES, bytes).map_err(StateError::NotJson)? {
        return Err(StateError::TooMuch);
    }
    let state: Value = serde_json::from_slice(bytes).map_err(StateError::NotJson)?;
    let version = state.get("version").unwrap_or(&Value::Null);
    if version.as_u64() != Some(4) {
        return Err(StateError::Version(
            version.to_string().chars().take(40).collect(),
        ));
    }
    let resources = state
        .get("resources")
        .and_then(Value::as_array)
        .ok_or(StateError::Shape)?;
    let mut found = Collector::default();
    for resource in resources {
        let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or("");
        let (kind, data) = (text("type"), text("mode") == "data");
        let module = match text("module") {
            "" => String::new(),
            module => format!("{module}."),
        };
        let name: String = format!("{module}{kind}.{}", text("name"))
            .chars()
            .take(400)
            .collect();
        let instances = resource.get("instances").and_then(Value::as_array);
        for instance in instances.into_iter().flatten() {
            let index = instance
                .get("index_key")
                .map(|key| format!("[{key}]"))
                .unwrap_or_default();
            let origin: String = format!("terraform {name}{index}")
                .chars()
                .take(500)
                .collect();
            if let Some(attributes) = instance.get("attributes") {
                walk(attributes, kind, data, &origin, &mut found);
            }
            if found.len() > MOST {
                return Err(StateError::TooMany);
            }
        }
    }
    Ok(found.finish())
}

/// Types whose addresses are those of a thing of its own.
const ADDRESSED: [&str; 5] = [
    "aws_instance",
    "aws_spot_instance_request",
    "aws_network_interface",
    "aws_eip",
    "aws_nat_gateway",
];

/// Types that are known by a name they were given.
const NAMED: [&str; 9] = [
    "aws_key_pair",
    "aws_s3_bucket",
    "aws_iam_role",
    "aws_iam_user",
    "aws_iam_group",
    "aws_iam_instance_profile",
    "aws_ecr_repository",
    "aws_eks_cluster",
    "aws_db_instance",
];

fn walk(attributes: &Value, kind: &str, data: bool, origin: &str, found: &mut Collector) {
    // With the last key on the way, and whether it is an attribute of the resource itself. Without recursion.
    let mut stack = vec![(attributes, "", 0_usize)];
    while let Some((value, field, depth)) = stack.pop() {
        match value {
            Value::Object(map) => stack.extend(
                map.iter()
                    .map(|(key, item)| (item, key.as_str(), depth + 1)),
            ),
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, field, depth))),
            Value::String(text) => {
                let mut take = |as_kind: IdentifierKind, value: &str| {
                    if !data || as_kind == Account {
                        let field: String = field.chars().take(80).collect();
                        found.add(as_kind, value, &format!("{origin}: {field}"));
                    }
                };
                string(text, kind, field, depth == 1, &mut take);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn string(
    text: &str,
    kind: &str,
    field: &str,
    own: bool,
    take: &mut dyn FnMut(IdentifierKind, &str),
) {
    if text.is_empty() || text.len() > 2048 {
        return;
    }
    if text.starts_with("arn:") {
        // Policies that AWS itself manages belong to nobody.
        if !text.contains(":aws:policy/")
            && !text.contains(char::is_whitespace)
            && !text.contains('*')
        {
            take(Arn, text);
        }
        if let Some(account) = account_of(text) {
            take(Account, account);
        }
        return;
    }
    if is_cloud_id(text) {
        // An image is mostly someone else's, and used again.
        if !text.starts_with("ami-") || kind.starts_with("aws_ami") {
            take(Id, text);
        }
        return;
    }
    match field {
        "account_id" | "owner_id" | "owner" if is_account(text) => take(Account, text),
        "id" if own && kind == "aws_iam_access_key" => take(Key, text),
        "id" | "name" | "bucket" | "key_name" | "key_pair_id" if own && NAMED.contains(&kind) => {
            take(Name, text)
        }
        "id" if own && is_account(text) => take(Account, text),
        "key_name" => take(Name, text),
        "access_key_id" | "access_key" if text.starts_with("AKIA") => take(Key, text),
        "fingerprint" | "key_fingerprint" | "public_key_fingerprint_sha256" => {
            take(Fingerprint, text)
        }
        "image_digest" => take(Digest, text),
        "cidr_block" | "ipv6_cidr_block" if text.contains('/') => take(Cidr, text),
        "public_ip"
        | "private_ip"
        | "private_ips"
        | "ipv6_addresses"
        | "carrier_ip"
        | "association_public_ip"
            if ADDRESSED.contains(&kind) && text.parse::<std::net::IpAddr>().is_ok() =>
        {
            take(Address, text);
        }
        "public_dns"
        | "private_dns"
        | "private_dns_name"
        | "dns_name"
        | "fqdn"
        | "endpoint"
        | "address"
        | "reader_endpoint"
        | "configuration_endpoint"
        | "domain_name"
        | "bucket_domain_name"
        | "bucket_regional_domain_name" => {
            if let Some(host) = host(text) {
                take(Host, host);
            }
        }
        _ => {}
    }
}

/// The host of `https://HOST:PORT/…`, `HOST:PORT` or `HOST`, if it is a DNS name.
fn host(text: &str) -> Option<&str> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next()?.trim_end_matches('.');
    let fits = host.contains('.')
        && host.parse::<std::net::IpAddr>().is_err()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    fits.then_some(host)
}
