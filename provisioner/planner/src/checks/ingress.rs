//! Ports open to the whole Internet that were not declared public.

use serde_json::Value;

use super::{CheckInput, finding, of_kind};
use crate::finding::{Finding, Severity};

/// Ranges at least this large count as the whole Internet: half of it twice is all of it.
const BROADEST_PREFIX: u8 = 7;

/// `ingress.world-open`.
pub fn check(input: &CheckInput<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in of_kind(input, "ec2.security-group") {
        for rule in group
            .spec
            .get("ingress")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |field: &str| rule.get(field).and_then(Value::as_str).unwrap_or("");
            let port = |field: &str| rule.get(field).and_then(Value::as_i64).unwrap_or(-1);
            let Some(net) = text("cidr")
                .parse::<ipnet::Ipv4Net>()
                .ok()
                .filter(|net| net.prefix_len() <= BROADEST_PREFIX)
            else {
                continue;
            };
            let (protocol, from, to) = (text("protocol"), port("from_port"), port("to_port"));
            let with_ports = matches!(protocol, "tcp" | "udp" | "6" | "17");
            let declared = with_ports && from >= 0 && to >= from && {
                let public = input
                    .policy
                    .public_ports
                    .iter()
                    .filter(|public| (from..=to).contains(&i64::from(**public)))
                    .count();
                i64::try_from(public).is_ok_and(|public| public == to - from + 1)
            };
            if declared {
                continue;
            }
            let ports = match (with_ports, from, to) {
                (false, _, _) => String::new(),
                (true, -1, _) => " on all ports".to_owned(),
                (true, from, to) if from == to => format!(" on port {from}"),
                (true, from, to) => format!(" on ports {from} to {to}"),
            };
            let protocol = if protocol == "-1" {
                "all protocols"
            } else {
                protocol
            };
            let severity = if protocol == "icmp" || protocol == "1" {
                Severity::Warning
            } else {
                Severity::Error
            };
            findings.push(finding(
                severity,
                "ingress.world-open",
                &group.address,
                format!("{protocol}{ports} is open to {net}"),
                "narrow the range, or declare the port public in the environment's policy",
            ));
        }
    }
    findings
}
