//! `ec2.security-group` with all its rules.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, ResourceType, SecurityGroup, UserIdGroupPair,
};
use executor::provider::{Error, ErrorKind};
use planner::identity::tags;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::{Value, json};

use super::{Family, PAGE, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct SecurityGroups;

/// What makes two rules the same rule: all but the description.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    protocol: String,
    from: i32,
    to: i32,
    peer: Peer,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Cidr(String),
    Group(String),
    /// IPv6 networks and prefix lists, which can't be declared.
    Other(String),
}

type Rules = BTreeMap<Key, (String, IpPermission)>;

fn flatten(permissions: &[IpPermission]) -> Rules {
    let mut rules = Rules::new();
    for permission in permissions {
        let protocol = permission.ip_protocol().unwrap_or("-1").to_owned();
        let (from, to) = (
            permission.from_port().unwrap_or(-1),
            permission.to_port().unwrap_or(-1),
        );
        let base = || {
            IpPermission::builder()
                .ip_protocol(&protocol)
                .set_from_port(permission.from_port())
                .set_to_port(permission.to_port())
        };
        let mut add = |peer: Peer, description: Option<&str>, one: IpPermission| {
            rules.insert(
                Key {
                    protocol: protocol.clone(),
                    from,
                    to,
                    peer,
                },
                (description.unwrap_or_default().to_owned(), one),
            );
        };
        for range in permission.ip_ranges() {
            add(
                Peer::Cidr(range.cidr_ip().unwrap_or_default().to_owned()),
                range.description(),
                base().ip_ranges(range.clone()).build(),
            );
        }
        for pair in permission.user_id_group_pairs() {
            add(
                Peer::Group(pair.group_id().unwrap_or_default().to_owned()),
                pair.description(),
                base().user_id_group_pairs(pair.clone()).build(),
            );
        }
        for range in permission.ipv6_ranges() {
            add(
                Peer::Other(range.cidr_ipv6().unwrap_or_default().to_owned()),
                range.description(),
                base().ipv6_ranges(range.clone()).build(),
            );
        }
        for list in permission.prefix_list_ids() {
            add(
                Peer::Other(list.prefix_list_id().unwrap_or_default().to_owned()),
                list.description(),
                base().prefix_list_ids(list.clone()).build(),
            );
        }
    }
    rules
}

fn declared(rules: &[spec::Rule], wanted: &Wanted<'_>) -> Result<Rules, Error> {
    let mut map = Rules::new();
    for rule in rules {
        let description = (!rule.description.is_empty()).then(|| rule.description.clone());
        let base = IpPermission::builder()
            .ip_protocol(&rule.protocol)
            .from_port(rule.from_port)
            .to_port(rule.to_port);
        let (peer, permission) = match (&rule.cidr, &rule.group) {
            (Some(cidr), None) => {
                let range = IpRange::builder()
                    .cidr_ip(cidr.to_string())
                    .set_description(description)
                    .build();
                (Peer::Cidr(cidr.to_string()), base.ip_ranges(range).build())
            }
            (None, Some(group)) => {
                let group = known(group, wanted, "group")?.to_owned();
                let pair = UserIdGroupPair::builder()
                    .group_id(&group)
                    .set_description(description)
                    .build();
                (Peer::Group(group), base.user_id_group_pairs(pair).build())
            }
            _ => {
                return Err(invalid(
                    wanted,
                    "a rule needs exactly one of `cidr` and `group`",
                ));
            }
        };
        let key = Key {
            protocol: rule.protocol.clone(),
            from: rule.from_port,
            to: rule.to_port,
            peer,
        };
        map.insert(key, (rule.description.clone(), permission));
    }
    Ok(map)
}

fn invalid(wanted: &Wanted<'_>, why: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("spec of {}", wanted.address),
        why,
    )
}

fn to_json(rules: &Rules) -> Vec<Value> {
    rules
        .iter()
        .map(|(key, (description, _))| {
            let mut rule = json!({"protocol": key.protocol, "from_port": key.from, "to_port": key.to, "description": description});
            match &key.peer {
                Peer::Cidr(cidr) => rule["cidr"] = json!(cidr),
                Peer::Group(group) => rule["group"] = json!(group),
                // No rule of a spec looks like this, so it shows as a difference and goes.
                Peer::Other(other) => rule["description"] = json!(format!("{other} {description}").trim_end()),
            }
            rule
        })
        .collect()
}

pub(crate) async fn describe(
    client: &Client,
    filters: Vec<Filter>,
) -> Result<Vec<SecurityGroup>, Error> {
    let call = client
        .describe_security_groups()
        .set_filters(Some(filters))
        .into_paginator()
        .page_size(PAGE)
        .items()
        .send();
    call.try_collect()
        .await
        .map_err(|error| failure("DescribeSecurityGroups", error))
}

/// What to authorise, to re-describe and to revoke.
fn difference(present: &Rules, declared: &Rules) -> [Vec<IpPermission>; 3] {
    let pick = |rules: &Rules, keep: &dyn Fn(&Key, &str) -> bool| -> Vec<IpPermission> {
        rules
            .iter()
            .filter(|(key, (description, _))| keep(key, description))
            .map(|(_, (_, permission))| permission.clone())
            .collect()
    };
    [
        pick(declared, &|key, _| !present.contains_key(key)),
        pick(declared, &|key, description| {
            present
                .get(key)
                .is_some_and(|(there, _)| there != description)
        }),
        pick(present, &|key, _| !declared.contains_key(key)),
    ]
}

#[async_trait]
impl Family for SecurityGroups {
    fn kind(&self) -> &'static str {
        "ec2.security-group"
    }

    fn id_filter(&self) -> &'static str {
        "group-id"
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<(), Error> {
        let spec: spec::SecurityGroup = wanted.spec()?;
        for rule in spec.ingress.iter().chain(&spec.egress) {
            if rule.protocol == "-1" && (rule.from_port, rule.to_port) != (-1, -1) {
                return Err(invalid(
                    wanted,
                    "a rule for every protocol has every port: from_port and to_port must be -1",
                ));
            }
        }
        Ok(())
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        Ok(describe(client, filters)
            .await?
            .into_iter()
            .map(|group| Seen {
                id: group.group_id().unwrap_or_default().to_owned(),
                tags: marks::from_sdk(group.tags()),
                spec: fields(json!({
                    "vpc": group.vpc_id(),
                    "description": group.description(),
                    "ingress": to_json(&flatten(group.ip_permissions())),
                    "egress": to_json(&flatten(group.ip_permissions_egress())),
                })),
                outputs: outputs(&[("id", group.group_id())]),
                ready: true,
                gone: false,
                state: "available".to_owned(),
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::SecurityGroup = wanted.spec()?;
        // A group's name is unique in its VPC; the token tells a replacement from the group it replaces.
        let short = wanted.token.get(..8).unwrap_or(&wanted.token);
        let generation = wanted
            .tags
            .get(tags::GENERATION)
            .map(String::as_str)
            .unwrap_or_default();
        let name = format!("{generation}-{}-{short}", wanted.address.name());
        let answer = client
            .create_security_group()
            .group_name(name.chars().take(255).collect::<String>())
            .description(&spec.description)
            .vpc_id(known(&spec.vpc, wanted, "vpc")?)
            .tag_specifications(marks::specification(
                ResourceType::SecurityGroup,
                &wanted.tags,
            ))
            .send()
            .await
            .map_err(|error| failure(format!("CreateSecurityGroup {}", wanted.address), error))?;
        created(answer.group_id(), "CreateSecurityGroup", wanted)
    }

    async fn settle(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        seen: &Seen,
        _patience: Duration,
    ) -> Result<(), Error> {
        let spec: spec::SecurityGroup = wanted.spec()?;
        let Some(group) = describe(client, vec![marks::filter("group-id", &seen.id)])
            .await?
            .into_iter()
            .next()
        else {
            return Ok(());
        };
        let what = |call: &str| format!("{call} {}", wanted.address);
        let [add, describe_anew, revoke] = difference(
            &flatten(group.ip_permissions()),
            &declared(&spec.ingress, wanted)?,
        );
        if !add.is_empty() {
            let call = client
                .authorize_security_group_ingress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(add));
            call.send()
                .await
                .map_err(|error| failure(what("AuthorizeSecurityGroupIngress"), error))?;
        }
        if !describe_anew.is_empty() {
            let call = client
                .update_security_group_rule_descriptions_ingress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(describe_anew));
            call.send().await.map_err(|error| {
                failure(what("UpdateSecurityGroupRuleDescriptionsIngress"), error)
            })?;
        }
        if !revoke.is_empty() {
            let answer = client
                .revoke_security_group_ingress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(revoke))
                .send()
                .await;
            or_missing(what("RevokeSecurityGroupIngress"), answer)?;
        }
        let [add, describe_anew, revoke] = difference(
            &flatten(group.ip_permissions_egress()),
            &declared(&spec.egress, wanted)?,
        );
        if !add.is_empty() {
            let call = client
                .authorize_security_group_egress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(add));
            call.send()
                .await
                .map_err(|error| failure(what("AuthorizeSecurityGroupEgress"), error))?;
        }
        if !describe_anew.is_empty() {
            let call = client
                .update_security_group_rule_descriptions_egress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(describe_anew));
            call.send().await.map_err(|error| {
                failure(what("UpdateSecurityGroupRuleDescriptionsEgress"), error)
            })?;
        }
        if !revoke.is_empty() {
            let answer = client
                .revoke_security_group_egress()
                .group_id(&seen.id)
                .set_ip_permissions(Some(revoke))
                .send()
                .await;
            or_missing(what("RevokeSecurityGroupEgress"), answer)?;
        }
        Ok(())
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        // Rules of our own groups that speak of this one hold it back; rules of others are not ours to take away.
        let environment = seen
            .tags
            .get(tags::ENVIRONMENT)
            .map(String::as_str)
            .unwrap_or_default();
        let ours = |filter| {
            vec![
                marks::filter(filter, &seen.id),
                marks::tag_filter(tags::ENVIRONMENT, environment),
            ]
        };
        let about_us = |permissions: &[IpPermission]| -> Vec<IpPermission> {
            let rules = flatten(permissions);
            rules
                .into_iter()
                .filter(|(key, _)| key.peer == Peer::Group(seen.id.clone()))
                .map(|(_, (_, permission))| permission)
                .collect()
        };
        for group in describe(client, ours("ip-permission.group-id")).await? {
            let call = client
                .revoke_security_group_ingress()
                .set_group_id(group.group_id)
                .set_ip_permissions(Some(about_us(
                    group.ip_permissions.as_deref().unwrap_or_default(),
                )));
            or_missing(
                format!("RevokeSecurityGroupIngress {}", seen.id),
                call.send().await,
            )?;
        }
        for group in describe(client, ours("egress.ip-permission.group-id")).await? {
            let call = client
                .revoke_security_group_egress()
                .set_group_id(group.group_id)
                .set_ip_permissions(Some(about_us(
                    group.ip_permissions_egress.as_deref().unwrap_or_default(),
                )));
            or_missing(
                format!("RevokeSecurityGroupEgress {}", seen.id),
                call.send().await,
            )?;
        }
        or_missing(
            format!("DeleteSecurityGroup {}", seen.id),
            client
                .delete_security_group()
                .group_id(&seen.id)
                .send()
                .await,
        )
        .map(drop)
    }
}
