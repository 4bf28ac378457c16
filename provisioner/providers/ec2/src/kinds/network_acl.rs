//! `ec2.network-acl` with its entries and associations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, Filter, IcmpTypeCode, PortRange, ResourceType, RuleAction};
use executor::provider::{Error, ErrorKind};
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::{Value, json};

use super::{Family, PAGE, all_known, created, fields, known, outputs, split_ids};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct NetworkAcls;

/// The final deny that every ACL ends with (CreateNetworkAclEntry).
const FINAL: i32 = 32767;

/// Protocol numbers of the IANA registry, which is all that EC2 gives back.
fn number(protocol: &str) -> &str {
    match protocol {
        "tcp" => "6",
        "udp" => "17",
        "icmp" => "1",
        other => other,
    }
}

fn name(number: &str) -> &str {
    match number {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        other => other,
    }
}

fn entries(acl: &types::NetworkAcl) -> BTreeMap<(bool, i32), Value> {
    acl.entries()
        .iter()
        .filter(|entry| entry.rule_number() != Some(FINAL))
        .map(|entry| {
            let ports = entry.port_range();
            let (egress, number) = (
                entry.egress().unwrap_or(false),
                entry.rule_number().unwrap_or_default(),
            );
            let value = json!({
                "number": number,
                "egress": egress,
                "protocol": name(entry.protocol().unwrap_or("-1")),
                "from_port": ports.and_then(PortRange::from).unwrap_or(0),
                "to_port": ports.and_then(PortRange::to).unwrap_or(0),
                "cidr": entry.cidr_block().or(entry.ipv6_cidr_block()),
                "allow": entry.rule_action() == Some(&RuleAction::Allow),
            });
            ((egress, number), value)
        })
        .collect()
}

/// Association id by subnet.
fn associations(acl: &types::NetworkAcl) -> BTreeMap<String, String> {
    acl.associations()
        .iter()
        .filter_map(|one| {
            Some((
                one.subnet_id()?.to_owned(),
                one.network_acl_association_id()?.to_owned(),
            ))
        })
        .collect()
}

pub(crate) async fn describe(
    client: &Client,
    filters: Vec<Filter>,
) -> Result<Vec<types::NetworkAcl>, Error> {
    let (ids, filters) = split_ids(filters, "network-acl-id");
    if let Some(ids) = ids {
        // Ids and pages do not go together.
        let answer = client
            .describe_network_acls()
            .set_network_acl_ids(Some(ids))
            .send()
            .await;
        return Ok(or_missing("DescribeNetworkAcls", answer)?
            .and_then(|answer| answer.network_acls)
            .unwrap_or_default());
    }
    let call = client
        .describe_network_acls()
        .set_filters(Some(filters))
        .into_paginator()
        .page_size(PAGE)
        .items()
        .send();
    call.try_collect()
        .await
        .map_err(|error| failure("DescribeNetworkAcls", error))
}

async fn one(client: &Client, id: &str) -> Result<Option<types::NetworkAcl>, Error> {
    Ok(describe(client, vec![marks::filter("network-acl-id", id)])
        .await?
        .into_iter()
        .next())
}

/// Gives subnets back to the VPC's default ACL: a subnet is never without one.
async fn release(
    client: &Client,
    acl: &types::NetworkAcl,
    subnets: &BTreeMap<String, String>,
) -> Result<(), Error> {
    if subnets.is_empty() {
        return Ok(());
    }
    let id = acl.network_acl_id().unwrap_or_default();
    let filters = vec![
        marks::filter("vpc-id", acl.vpc_id().unwrap_or_default()),
        marks::filter("default", "true"),
    ];
    let Some(default) = describe(client, filters)
        .await?
        .into_iter()
        .find_map(|acl| acl.network_acl_id)
    else {
        return Err(Error::new(
            ErrorKind::Server,
            format!("release subnets of {id}"),
            "its VPC has no default network ACL",
        ));
    };
    for association in subnets.values() {
        let answer = client
            .replace_network_acl_association()
            .association_id(association)
            .network_acl_id(&default)
            .send()
            .await;
        or_missing(format!("ReplaceNetworkAclAssociation {id}"), answer)?;
    }
    Ok(())
}

#[async_trait]
impl Family for NetworkAcls {
    fn kind(&self) -> &'static str {
        "ec2.network-acl"
    }

    fn id_filter(&self) -> &'static str {
        "network-acl-id"
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<(), Error> {
        let spec: spec::NetworkAcl = wanted.spec()?;
        for entry in &spec.entries {
            let ported = matches!(entry.protocol.as_str(), "tcp" | "udp");
            if !ported && (entry.from_port, entry.to_port) != (0, 0) {
                let why = format!(
                    "entry {}: `{}` has no ports, leave from_port and to_port out",
                    entry.number, entry.protocol
                );
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("spec of {}", wanted.address),
                    why,
                ));
            }
        }
        Ok(())
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        Ok(describe(client, filters)
            .await?
            .into_iter()
            .map(|acl| Seen {
                id: acl.network_acl_id().unwrap_or_default().to_owned(),
                tags: marks::from_sdk(acl.tags()),
                spec: fields(json!({
                    "vpc": acl.vpc_id(),
                    "entries": entries(&acl).into_values().collect::<Vec<_>>(),
                    "subnets": associations(&acl).into_keys().collect::<Vec<_>>(),
                })),
                outputs: outputs(&[("id", acl.network_acl_id())]),
                ready: true,
                gone: false,
                state: "available".to_owned(),
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::NetworkAcl = wanted.spec()?;
        let answer = client
            .create_network_acl()
            .client_token(&wanted.token)
            .vpc_id(known(&spec.vpc, wanted, "vpc")?)
            .tag_specifications(marks::specification(ResourceType::NetworkAcl, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("CreateNetworkAcl {}", wanted.address), error))?;
        created(
            answer.network_acl().and_then(|acl| acl.network_acl_id()),
            "CreateNetworkAcl",
            wanted,
        )
    }

    async fn settle(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        seen: &Seen,
        _patience: Duration,
    ) -> Result<(), Error> {
        let spec: spec::NetworkAcl = wanted.spec()?;
        let Some(acl) = one(client, &seen.id).await? else {
            return Ok(());
        };
        let what = |call: &str| format!("{call} {}", wanted.address);
        let present = entries(&acl);
        for entry in &spec.entries {
            let value = serde_json::to_value(entry).map_err(|error| {
                Error::new(ErrorKind::Invalid, what("entries of"), error.to_string())
            })?;
            let there = present.get(&(entry.egress, entry.number));
            if there == Some(&value) {
                continue;
            }
            let ports = matches!(entry.protocol.as_str(), "tcp" | "udp").then(|| {
                PortRange::builder()
                    .from(entry.from_port)
                    .to(entry.to_port)
                    .build()
            });
            // All types and codes: the catalogue has no finer ICMP rules.
            let icmp = (entry.protocol == "icmp")
                .then(|| IcmpTypeCode::builder().r#type(-1).code(-1).build());
            let action = if entry.allow {
                RuleAction::Allow
            } else {
                RuleAction::Deny
            };
            if there.is_some() {
                let call = client
                    .replace_network_acl_entry()
                    .network_acl_id(&seen.id)
                    .rule_number(entry.number)
                    .egress(entry.egress);
                let call = call
                    .protocol(number(&entry.protocol))
                    .cidr_block(entry.cidr.to_string())
                    .rule_action(action)
                    .set_port_range(ports)
                    .set_icmp_type_code(icmp);
                call.send()
                    .await
                    .map_err(|error| failure(what("ReplaceNetworkAclEntry"), error))?;
            } else {
                let call = client
                    .create_network_acl_entry()
                    .network_acl_id(&seen.id)
                    .rule_number(entry.number)
                    .egress(entry.egress);
                let call = call
                    .protocol(number(&entry.protocol))
                    .cidr_block(entry.cidr.to_string())
                    .rule_action(action)
                    .set_port_range(ports)
                    .set_icmp_type_code(icmp);
                call.send()
                    .await
                    .map_err(|error| failure(what("CreateNetworkAclEntry"), error))?;
            }
        }
        let declared: BTreeSet<(bool, i32)> = spec
            .entries
            .iter()
            .map(|entry| (entry.egress, entry.number))
            .collect();
        for (egress, number) in present.keys().filter(|key| !declared.contains(*key)) {
            let answer = client
                .delete_network_acl_entry()
                .network_acl_id(&seen.id)
                .rule_number(*number)
                .egress(*egress)
                .send()
                .await;
            or_missing(what("DeleteNetworkAclEntry"), answer)?;
        }
        let guarded = associations(&acl);
        let subnets: BTreeSet<String> = all_known(&spec.subnets, wanted, "subnets")?
            .into_iter()
            .collect();
        for subnet in subnets
            .iter()
            .filter(|subnet| !guarded.contains_key(*subnet))
        {
            let others =
                describe(client, vec![marks::filter("association.subnet-id", subnet)]).await?;
            let Some(association) = others
                .iter()
                .find_map(|acl| associations(acl).remove(subnet))
            else {
                return Err(Error::new(
                    ErrorKind::NotYet,
                    what("ReplaceNetworkAclAssociation"),
                    format!("`{subnet}` has no network ACL yet"),
                ));
            };
            let call = client
                .replace_network_acl_association()
                .association_id(association)
                .network_acl_id(&seen.id);
            call.send()
                .await
                .map_err(|error| failure(what("ReplaceNetworkAclAssociation"), error))?;
        }
        let extra = guarded
            .into_iter()
            .filter(|(subnet, _)| !subnets.contains(subnet))
            .collect();
        release(client, &acl, &extra).await
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        discard(client, &seen.id).await
    }
}

/// Deletes an ACL; its subnets go back to the VPC's default one.
pub(crate) async fn discard(client: &Client, id: &str) -> Result<(), Error> {
    let Some(acl) = one(client, id).await? else {
        return Ok(());
    };
    release(client, &acl, &associations(&acl)).await?;
    or_missing(
        format!("DeleteNetworkAcl {id}"),
        client.delete_network_acl().network_acl_id(id).send().await,
    )
    .map(drop)
}
