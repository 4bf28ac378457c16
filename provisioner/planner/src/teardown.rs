//! In which order objects go, and when an old one must go before its replacement can come.

use serde_json::Value;

use crate::address::Address;
use crate::kinds;

/// Place in the order of deleting, smaller first: users before what they use (EC2 answers `DependencyViolation` otherwise).
pub(crate) fn rank(address: &Address) -> u8 {
    match address.provider() {
        // Ingress and webhooks first, the inventory after what it lists, the namespace after everything in it.
        "kubernetes" => 7_u8.saturating_sub(kinds::kubernetes::order(address)),
        "check" | "backup" => 0,
        "seed" => 8,
        _ => match address.qualified_kind().as_str() {
            // Users are led away before what serves them goes.
            "route53.record" => 0,
            "s3.generation" => 9,
            "ec2.instance" | "ec2.nat-gateway" => 11,
            "ec2.volume" | "ec2.elastic-ip" | "ec2.launch-template" => 12,
            "ec2.key-pair" | "iam.instance-profile" => 13,
            "iam.role" => 14,
            "iam.policy" | "ec2.subnet" => 15,
            "ec2.network-acl"
            | "ec2.route-table"
            | "ec2.security-group"
            | "ec2.internet-gateway" => 16,
            "ec2.vpc" => 17,
            "s3.bucket" => 18,
            "vault.secret" => 19,
            _ => 10,
        },
    }
}

/// Whether the old object takes what the new one needs: an address range, an elastic IP, a group's name in its VPC.
pub(crate) fn in_the_way(address: &Address, wanted: &Value, found: &Value) -> bool {
    let equal = |field: &str| {
        wanted
            .get(field)
            .is_some_and(|value| !value.is_null() && Some(value) == found.get(field))
    };
    match address.qualified_kind().as_str() {
        "ec2.subnet" => equal("vpc") && overlap(wanted.get("cidr"), found.get("cidr")),
        "ec2.nat-gateway" => equal("elastic_ip"),
        // A CNAME stands beside no other type.
        "route53.record" => equal("zone") && equal("name"),
        "ec2.security-group" => equal("vpc"),
        "ec2.instance" => equal("subnet") && equal("private_ip"),
        _ => false,
    }
}

/// Whether an object of this kind can't be deleted while others stand on it.
pub(crate) fn holds_on(address: &Address) -> bool {
    matches!(
        address.qualified_kind().as_str(),
        "ec2.subnet" | "ec2.security-group" | "ec2.vpc" | "s3.bucket"
    )
}

fn overlap(a: Option<&Value>, b: Option<&Value>) -> bool {
    let network = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<ipnet::Ipv4Net>().ok())
    };
    match (network(a), network(b)) {
        (Some(a), Some(b)) => a.contains(&b) || b.contains(&a),
        _ => false,
    }
}
