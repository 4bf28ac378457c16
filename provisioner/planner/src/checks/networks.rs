//! Networks that overlap, and subnets outside their VPC.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::{CheckInput, finding, of_kind};
use crate::address::Address;
use crate::finding::{Finding, Severity};
use crate::reference::as_unknown;
use crate::resource::Resource;

/// `network.overlap`, `network.outside`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let vpcs: BTreeMap<&Address, Ipv4Net> = of_kind(input, "ec2.vpc")
        .filter_map(|vpc| Some((&vpc.address, cidr(vpc)?)))
        .collect();
    let mut findings = overlaps(
        vpcs.iter().map(|(address, net)| (*address, *net)).collect(),
        "give each VPC a range of its own",
    );
    let mut by_vpc: BTreeMap<String, Vec<(&Address, Ipv4Net)>> = BTreeMap::new();
    for subnet in of_kind(input, "ec2.subnet") {
        let (Some(net), Some(vpc)) = (cidr(subnet), subnet.spec.get("vpc")) else {
            continue;
        };
        by_vpc
            .entry(vpc.to_string())
            .or_default()
            .push((&subnet.address, net));
        let outer = as_unknown(vpc).and_then(|reference| {
            vpcs.get(&reference.address)
                .map(|outer| (reference.address.clone(), *outer))
        });
        if let Some((address, outer)) = outer.filter(|(_, outer)| !outer.contains(&net)) {
            findings.push(finding(
                Severity::Error,
                "network.outside",
                &subnet.address,
                format!("its range {net} is not inside {outer} of `{address}`"),
                "choose a range inside the VPC's",
            ));
        }
    }
    for subnets in by_vpc.into_values() {
        findings.extend(overlaps(
            subnets,
            "give each subnet of a VPC a range of its own",
        ));
    }
    findings
}

fn cidr(resource: &Resource) -> Option<Ipv4Net> {
    resource
        .spec
        .get("cidr")?
        .as_str()?
        .parse()
        .ok()
        .map(|net: Ipv4Net| net.trunc())
}

/// Each network against the one that reaches farthest among those that begin before it: every overlapping network is named once.
fn overlaps(mut networks: Vec<(&Address, Ipv4Net)>, hint: &str) -> Vec<Finding> {
    networks.sort_by_key(|(address, net)| (net.network(), net.prefix_len(), *address));
    let mut findings = Vec::new();
    let mut farthest: Option<(&Address, Ipv4Net)> = None;
    for (address, net) in networks {
        match farthest {
            Some((other, outer)) if net.network() <= outer.broadcast() => {
                findings.push(finding(
                    Severity::Error,
                    "network.overlap",
                    address,
                    format!("its range {net} overlaps {outer} of `{other}`"),
                    hint,
                ));
                if net.broadcast() > outer.broadcast() {
                    farthest = Some((address, net));
                }
            }
            _ => farthest = Some((address, net)),
        }
    }
    findings
}
