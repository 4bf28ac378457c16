//! The clean room: what is built after a breach neither reaches beyond private networks nor is reached from there until it is validated.
//!
//! Rules of security groups and of NetworkPolicies that lead outside are left out of what is made, and added by steps of their own,
//! [`Action::Open`](crate::Action::Open), once the generation is marked as validated. A run that is cut short in between leaves the room
//! closed, and the next one plans the same. Service meshes, network plugins' own policies and what a template opens by other kinds are not
//! looked at; where nothing that is looked at holds traffic back, the plan is refused (`clean-room.open`).

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::Address;
use crate::finding::{Finding, Severity};
use crate::observed::Observed;
use crate::plan::FieldChange;
use crate::resource::Resource;

/// Networks that lead nowhere outside: private (RFC 1918), shared (RFC 6598), link-local (RFC 3927, RFC 4291), loopback, unique local
/// (RFC 4193).
const INSIDE: &[&str] = &[
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// A network outside that may be reached, and may reach in, before the generation is validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The network: `198.51.100.0/24`.
    #[schemars(with = "String")]
    pub cidr: IpNet,
    /// Why it is needed that early.
    pub reason: String,
}

/// Which networks a generation may speak with before it is validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanRoom {
    openings: Vec<Opening>,
}

/// What a resource is until the generation is validated.
pub(crate) struct Closed {
    /// The resource without what leads outside.
    pub resource: Resource,
    /// What is added later.
    pub held: Vec<FieldChange>,
}

impl CleanRoom {
    /// A room with these openings.
    pub fn new(openings: &[Opening]) -> Self {
        Self {
            openings: openings.to_vec(),
        }
    }

    fn leads_outside(&self, cidr: &str) -> bool {
        let Ok(cidr) = cidr.parse::<IpNet>() else {
            return true;
        };
        let inside = INSIDE.iter().filter_map(|net| net.parse().ok());
        !inside
            .chain(self.openings.iter().map(|opening| opening.cidr))
            .any(|net: IpNet| net.contains(&cidr))
    }

    /// Everything that has to be held back, by address.
    pub(crate) fn close(&self, desired: &BTreeMap<Address, Resource>) -> BTreeMap<Address, Closed> {
        desired
            .values()
            .filter_map(|resource| {
                let closed = match resource.address.qualified_kind().as_str() {
                    "ec2.security-group" => self.group(resource),
                    "kubernetes.networking.k8s.io/NetworkPolicy" => self.policy(resource),
                    _ => None,
                }?;
                Some((resource.address.clone(), closed))
            })
            .collect()
    }

    fn group(&self, resource: &Resource) -> Option<Closed> {
        let mut closed = resource.clone();
        let mut held = Vec::new();
        for direction in ["ingress", "egress"] {
            let Some(rules) = closed.spec.get_mut(direction).and_then(Value::as_array_mut) else {
                continue;
            };
            rules.retain(|rule| {
                let outside = rule
                    .get("cidr")
                    .and_then(Value::as_str)
                    .is_some_and(|cidr| self.leads_outside(cidr));
                if outside {
                    held.push(added(direction, rule));
                }
                !outside
            });
        }
        (!held.is_empty()).then_some(Closed {
            resource: closed,
            held,
        })
    }

    /// Rules of a NetworkPolicy are about peers: one without any is about everybody.
    fn policy(&self, resource: &Resource) -> Option<Closed> {
        let rules = resource.spec.pointer("/object/spec/egress")?.as_array()?;
        let (mut kept, mut held) = (Vec::new(), Vec::new());
        for rule in rules {
            let Some(peers) = rule
                .get("to")
                .and_then(Value::as_array)
                .filter(|peers| !peers.is_empty())
            else {
                if self.opens_everything() {
                    kept.push(rule.clone());
                } else {
                    held.push(added("object.spec.egress", rule));
                }
                continue;
            };
            let (outside, inside): (Vec<&Value>, Vec<&Value>) = peers.iter().partition(|peer| {
                peer.get("ipBlock").is_some_and(|block| {
                    let cidr = block.get("cidr").and_then(Value::as_str);
                    self.leads_outside(cidr.unwrap_or_default())
                })
            });
            let with = |peers: Vec<&Value>| {
                let mut part = rule.clone();
                part["to"] = json!(peers);
                part
            };
            if !outside.is_empty() {
                held.push(added("object.spec.egress", &with(outside)));
            }
            if !inside.is_empty() {
                kept.push(with(inside));
            }
        }
        if held.is_empty() {
            return None;
        }
        let mut closed = resource.clone();
        let spec = closed.spec.pointer_mut("/object/spec")?.as_object_mut()?;
        // Left out, the types follow from the rules: one without rules for egress would not be about egress.
        if !spec.contains_key("policyTypes") {
            spec.insert("policyTypes".to_owned(), json!(["Ingress", "Egress"]));
        }
        spec.insert("egress".to_owned(), Value::Array(kept));
        Some(Closed {
            resource: closed,
            held,
        })
    }

    fn opens_everything(&self) -> bool {
        self.openings
            .iter()
            .any(|opening| opening.cidr.prefix_len() == 0 && opening.cidr.addr().is_ipv4())
    }

    /// What nothing holds back, which an opening of `0.0.0.0/0` allows, and the openings with their reasons.
    pub(crate) fn findings(&self, desired: &BTreeMap<Address, Resource>) -> Vec<Finding> {
        let mut found: Vec<Finding> = self
            .openings
            .iter()
            .map(|opening| Finding {
                severity: Severity::Note,
                code: "clean-room.opening".to_owned(),
                subject: opening.cidr.to_string(),
                message: format!(
                    "it is open before anything is validated: {}",
                    opening.reason
                ),
                hint: "`breach.open_networks` in the environment says so".to_owned(),
            })
            .collect();
        if !self.opens_everything() {
            found.extend(gaps(desired));
        }
        found
    }
}

const DEFAULT_GROUP: &str = "its instances get the VPC's default security group, which lets everything out before anything is validated";
const UNCONFINED: &str = "its pods may send anywhere before anything is validated: no NetworkPolicy about egress selects them, or they \
                          use the node's network";

/// What nothing holds back.
fn gaps(desired: &BTreeMap<Address, Resource>) -> Vec<Finding> {
    let finding = |resource: &Resource, message: &str, hint: &str| Finding {
        severity: Severity::Error,
        code: "clean-room.open".to_owned(),
        subject: resource.address.to_string(),
        message: message.to_owned(),
        hint: format!(
            "{hint}, or allow it with its reason: `breach.open_networks: [{{cidr: 0.0.0.0/0, reason: …}}]`"
        ),
    };
    let without_group = |resource: &&Resource| {
        let groups = resource.spec.get("security_groups");
        resource.address.qualified_kind() == "ec2.launch-template"
            && groups.and_then(Value::as_array).is_none_or(Vec::is_empty)
    };
    let mut found: Vec<Finding> = desired
        .values()
        .filter(without_group)
        .map(|resource| {
            finding(
                resource,
                DEFAULT_GROUP,
                "name a security group of the environment",
            )
        })
        .collect();
    let objects: Vec<&Resource> = desired
        .values()
        .filter(|resource| resource.address.provider() == "kubernetes")
        .collect();
    let values: Vec<&Value> = objects
        .iter()
        .map(|resource| &resource.spec["object"])
        .collect();
    let unconfined = manifest::unconfined(&values);
    let hint =
        "add a NetworkPolicy whose `podSelector` is empty and whose `policyTypes` has Egress";
    found.extend(
        unconfined
            .into_iter()
            .filter_map(|at| Some(finding(objects.get(at)?, UNCONFINED, hint))),
    );
    found
}

/// Whether the room may be opened: the generation says of itself that it is validated. One that has nothing to say so with counts as open as
/// soon as there is anything of it, or a second run would close what is in use.
pub(crate) fn is_over(
    desired: &BTreeMap<Address, Resource>,
    ours: &BTreeMap<&Address, Vec<&Observed>>,
) -> bool {
    let mut marks = desired
        .keys()
        .filter(|address| address.qualified_kind() == "s3.generation")
        .peekable();
    if marks.peek().is_none() {
        return !ours.is_empty();
    }
    marks
        .filter_map(|address| ours.get(address))
        .flatten()
        .any(|mark| {
            let state = mark.spec.get("state").and_then(Value::as_str);
            matches!(state, Some("validated" | "live"))
        })
}

fn added(path: &str, rule: &Value) -> FieldChange {
    FieldChange {
        path: path.to_owned(),
        before: None,
        after: Some(rule.clone()),
        forces_replacement: false,
    }
}
