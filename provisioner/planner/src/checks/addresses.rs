//! Fixed private addresses that clash, or that their subnet can't give.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{CheckInput, finding, of_kind};
use crate::address::Address;
use crate::finding::{Finding, Severity};
use crate::reference::as_unknown;

/// `address.duplicate`, `address.outside`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let subnets: BTreeMap<&Address, (Ipv4Net, String)> = of_kind(input, "ec2.subnet")
        .filter_map(|subnet| {
            Some((
                &subnet.address,
                (
                    subnet.spec.get("cidr")?.as_str()?.parse().ok()?,
                    subnet.spec.get("vpc")?.to_string(),
                ),
            ))
        })
        .collect();
    let mut taken: BTreeMap<(String, Ipv4Addr), &Address> = BTreeMap::new();
    let mut findings = Vec::new();
    for instance in of_kind(input, "ec2.instance") {
        let Some(ip) = instance
            .spec
            .get("private_ip")
            .and_then(|ip| ip.as_str())
            .and_then(|ip| ip.parse::<Ipv4Addr>().ok())
        else {
            continue;
        };
        let Some(subnet) = instance.spec.get("subnet") else {
            continue;
        };
        let known = as_unknown(subnet).and_then(|reference| {
            subnets
                .get(&reference.address)
                .cloned()
                .map(|found| (reference.address, found))
        });
        let scope = known
            .as_ref()
            .map_or_else(|| subnet.to_string(), |(_, (_, vpc))| vpc.clone());
        if let Some(first) = taken.insert((scope, ip), &instance.address) {
            findings.push(finding(
                Severity::Error,
                "address.duplicate",
                &instance.address,
                format!("its private address {ip} is also that of `{first}`"),
                "give each instance an address of its own, or none",
            ));
        }
        if let Some((address, (net, _))) = known.filter(|(_, (net, _))| !usable(*net, ip)) {
            findings.push(finding(
                Severity::Error,
                "address.outside",
                &instance.address,
                format!("its private address {ip} is not one that {net} of `{address}` can give"),
                "choose an address of the subnet other than its first four and its last",
            ));
        }
    }
    findings
}

/// AWS keeps the first four addresses and the last of every subnet (VPC User Guide, "Subnet sizing for IPv4").
fn usable(net: Ipv4Net, ip: Ipv4Addr) -> bool {
    net.contains(&ip) && u32::from(ip) - u32::from(net.network()) >= 4 && ip != net.broadcast()
}
