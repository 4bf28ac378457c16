//! Cuts networks off: a network ACL without rules on every subnet, a security group without rules on every interface.
//!
//! A security group alone leaves connections open that it tracks already ("Security group connection tracking"); a network ACL is stateless and
//! ends them. The groups with their rules stay as they are, as evidence.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{NetworkAcl, ResourceType, SecurityGroup};
use containment::{Barrier, Item, State, Survey};
use executor::provider::{Error, ErrorKind};
use planner::Generation;
use planner::identity::tags;
use provider_aws::failure;
use serde_json::json;
use tokio::sync::Mutex;

use crate::kinds::{PAGE, network_acl, security_group};
use crate::marks::{self, TagMap};
use crate::provider::or_missing;

/// Tag of what containment made; its value is the environment. [`tags::ENVIRONMENT`] is not used: these objects are no resources of a plan.
const CONTAINED: &str = "rebuild:contained";
/// Name of the security group without rules.
const QUARANTINE: &str = "rebuild-quarantine";

/// Which networks are the environment's.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose VPCs are found by our marks.
    pub environment: String,
    /// Generations that are left alone.
    pub except: BTreeSet<Generation>,
    /// Further VPCs by id.
    pub vpcs: Vec<String>,
}

/// EC2 of one region of one account as a place that can be closed.
#[derive(Debug)]
pub struct Ec2Barrier {
    client: Client,
    scope: Scope,
    /// Makes one quarantine per VPC, however many items need it, and asks for it once.
    made: Mutex<Made>,
}

/// Ids by VPC.
#[derive(Debug, Default)]
struct Made {
    isolations: BTreeMap<String, String>,
    quarantines: BTreeMap<String, String>,
}

impl Ec2Barrier {
    /// EC2 behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig, scope: Scope) -> Self {
        Self::with_client(Client::new(config), scope)
    }

    /// EC2 through a client of the caller's, with interceptors say.
    pub fn with_client(client: Client, scope: Scope) -> Self {
        Self {
            client,
            scope,
            made: Mutex::default(),
        }
    }

    /// The environment's VPCs: marked ones that are not excepted, and those named.
    async fn vpcs(&self) -> Result<BTreeSet<String>, Error> {
        let call = self
            .client
            .describe_vpcs()
            .filters(marks::tag_filter(
                tags::ENVIRONMENT,
                &self.scope.environment,
            ))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let found = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeVpcs", error))?;
        let ours = found.into_iter().filter_map(|vpc| {
            let tags = marks::from_sdk(vpc.tags());
            self.mine(&tags).then_some(vpc.vpc_id).flatten()
        });
        Ok(ours.collect())
    }

    fn mine(&self, marks: &TagMap) -> bool {
        let excepted = marks
            .get(tags::GENERATION)
            .and_then(|text| text.parse().ok())
            .is_some_and(|generation: Generation| self.scope.except.contains(&generation));
        marks.get(tags::ENVIRONMENT) == Some(&self.scope.environment) && !excepted
    }

    fn is_isolation(&self, acl: &NetworkAcl) -> bool {
        marks::from_sdk(acl.tags()).get(CONTAINED) == Some(&self.scope.environment)
    }

    fn is_quarantine(&self, group: &SecurityGroup) -> bool {
        marks::from_sdk(group.tags()).get(CONTAINED) == Some(&self.scope.environment)
    }

    async fn acls(&self, vpc: &str) -> Result<Vec<NetworkAcl>, Error> {
        let filters = vec![marks::filter("vpc-id", vpc)];
        let mut found = network_acl::describe(&self.client, filters).await?;
        found.retain(|acl| acl.vpc_id() == Some(vpc));
        Ok(found)
    }

    async fn groups(&self, vpc: &str) -> Result<Vec<SecurityGroup>, Error> {
        let filters = vec![marks::filter("vpc-id", vpc)];
        let mut found = security_group::describe(&self.client, filters).await?;
        found.retain(|group| group.vpc_id() == Some(vpc));
        Ok(found)
    }

    /// Every subnet of the VPC, by the network ACL it has.
    async fn subnets(&self, vpc: &str) -> Result<Vec<Item>, Error> {
        let acls = self.acls(vpc).await?;
        let mut items = BTreeMap::new();
        for acl in &acls {
            let isolated = self.is_isolation(acl) && acl.entries().iter().all(is_deny);
            for association in acl.associations() {
                let (Some(subnet), Some(acl)) = (association.subnet_id(), acl.network_acl_id())
                else {
                    continue;
                };
                items.insert(
                    subnet.to_owned(),
                    Item {
                        id: format!("ec2.subnet/{vpc}/{subnet}"),
                        what: format!("subnet {subnet} of {vpc}"),
                        action: "isolate with a network ACL that lets nothing through".to_owned(),
                        wave: 0,
                        state: if isolated { State::Closed } else { State::Open },
                        before: json!({ "network_acl": acl }),
                        undo: format!(
                            "aws ec2 replace-network-acl-association --network-acl-id {acl} --association-id \"$(aws ec2 describe-network-acls --filters Name=association.subnet-id,Values={subnet} --query \"NetworkAcls[].Associations[?SubnetId=='{subnet}'].NetworkAclAssociationId\" --output text)\""
                        ),
                    },
                );
            }
        }
        Ok(items.into_values().collect())
    }

    /// Every network interface of the VPC, by the groups it has.
    async fn interfaces(&self, vpc: &str) -> Result<Vec<Item>, Error> {
        let quarantine: BTreeSet<String> = self
            .groups(vpc)
            .await?
            .iter()
            .filter(|group| {
                self.is_quarantine(group)
                    && group.ip_permissions().is_empty()
                    && group.ip_permissions_egress().is_empty()
            })
            .filter_map(|group| group.group_id().map(str::to_owned))
            .collect();
        let call = self
            .client
            .describe_network_interfaces()
            .filters(marks::filter("vpc-id", vpc))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let found = call
            .try_collect()
            .await
            .map_err(|error| failure(format!("DescribeNetworkInterfaces {vpc}"), error))?;
        let items = found
            .into_iter()
            .filter(|interface| interface.vpc_id() == Some(vpc))
            .filter_map(|interface| {
                let id = interface.network_interface_id()?;
                let groups: Vec<&str> = interface
                    .groups()
                    .iter()
                    .filter_map(|group| group.group_id())
                    .collect();
                let closed =
                    !groups.is_empty() && groups.iter().all(|group| quarantine.contains(*group));
                let of = interface
                    .attachment()
                    .and_then(|attachment| attachment.instance_id())
                    .map_or(String::new(), |instance| format!(" of the instance {instance}"));
                // A NAT gateway's interface takes no groups; its subnet's ACL cuts it off.
                let takes_groups = !groups.is_empty();
                takes_groups.then(|| Item {
                    id: format!("ec2.network-interface/{vpc}/{id}"),
                    what: format!("network interface {id}{of}"),
                    action: "move to a security group without rules".to_owned(),
                    wave: 1,
                    state: if closed { State::Closed } else { State::Open },
                    before: json!({ "groups": groups }),
                    undo: format!(
                        "aws ec2 modify-network-interface-attribute --network-interface-id {id} --groups {}",
                        groups.join(" ")
                    ),
                })
            });
        Ok(items.collect())
    }

    /// The VPC's network ACL without rules; made when it is not there.
    async fn isolation(&self, vpc: &str) -> Result<String, Error> {
        let mut made = self.made.lock().await;
        if let Some(id) = made.isolations.get(vpc) {
            return Ok(id.clone());
        }
        let id = self.find_or_make_isolation(vpc).await?;
        made.isolations.insert(vpc.to_owned(), id.clone());
        Ok(id)
    }

    async fn find_or_make_isolation(&self, vpc: &str) -> Result<String, Error> {
        let there = self
            .acls(vpc)
            .await?
            .into_iter()
            .find(|acl| self.is_isolation(acl) && acl.entries().iter().all(is_deny));
        if let Some(id) = there.and_then(|acl| acl.network_acl_id) {
            return Ok(id);
        }
        // A new network ACL has no rules but the last one, which denies ("Custom network ACLs").
        let made = self
            .client
            .create_network_acl()
            .vpc_id(vpc)
            .tag_specifications(marks::specification(
                ResourceType::NetworkAcl,
                &self.tags("rebuild-isolation"),
            ))
            .send()
            .await
            .map_err(|error| failure(format!("CreateNetworkAcl {vpc}"), error))?;
        made.network_acl
            .and_then(|acl| acl.network_acl_id)
            .ok_or_else(|| nameless("CreateNetworkAcl", vpc))
    }

    /// The VPC's security group without rules; made when it is not there.
    async fn quarantine(&self, vpc: &str) -> Result<String, Error> {
        let mut made = self.made.lock().await;
        if let Some(id) = made.quarantines.get(vpc) {
            return Ok(id.clone());
        }
        let id = self.find_or_make_quarantine(vpc).await?;
        made.quarantines.insert(vpc.to_owned(), id.clone());
        Ok(id)
    }

    async fn find_or_make_quarantine(&self, vpc: &str) -> Result<String, Error> {
        let there = self
            .groups(vpc)
            .await?
            .into_iter()
            .find(|group| self.is_quarantine(group));
        let (id, egress) = match there {
            Some(group) => {
                let ingress = group.ip_permissions().to_vec();
                let id = group
                    .group_id
                    .ok_or_else(|| nameless("DescribeSecurityGroups", vpc))?;
                if !ingress.is_empty() {
                    self.client
                        .revoke_security_group_ingress()
                        .group_id(&id)
                        .set_ip_permissions(Some(ingress))
                        .send()
                        .await
                        .map_err(|error| {
                            failure(format!("RevokeSecurityGroupIngress {id}"), error)
                        })?;
                }
                (id, group.ip_permissions_egress.unwrap_or_default())
            }
            None => {
                let made = self
                    .client
                    .create_security_group()
                    .group_name(QUARANTINE)
                    .description("Lets nothing in or out: contained by rebuild")
                    .vpc_id(vpc)
                    .tag_specifications(marks::specification(
                        ResourceType::SecurityGroup,
                        &self.tags(QUARANTINE),
                    ))
                    .send()
                    .await
                    .map_err(|error| failure(format!("CreateSecurityGroup {vpc}"), error))?;
                let id = made
                    .group_id
                    .ok_or_else(|| nameless("CreateSecurityGroup", vpc))?;
                // A new group lets everything out ("Default rules for security groups").
                let group = self
                    .groups(vpc)
                    .await?
                    .into_iter()
                    .find(|group| group.group_id() == Some(&id));
                let egress = group.and_then(|group| group.ip_permissions_egress);
                (id, egress.unwrap_or_default())
            }
        };
        if !egress.is_empty() {
            self.client
                .revoke_security_group_egress()
                .group_id(&id)
                .set_ip_permissions(Some(egress))
                .send()
                .await
                .map_err(|error| failure(format!("RevokeSecurityGroupEgress {id}"), error))?;
        }
        Ok(id)
    }

    fn tags(&self, name: &str) -> TagMap {
        TagMap::from([
            (CONTAINED.to_owned(), self.scope.environment.clone()),
            ("Name".to_owned(), name.to_owned()),
        ])
    }

    async fn isolate(&self, vpc: &str, subnet: &str) -> Result<(), Error> {
        let isolation = self.isolation(vpc).await?;
        let acls = self.acls(vpc).await?;
        let association = acls.iter().find_map(|acl| {
            let mut all = acl.associations().iter();
            let found = all.find(|association| association.subnet_id() == Some(subnet))?;
            Some((acl.network_acl_id()?, found.network_acl_association_id()?))
        });
        match association {
            // The subnet is gone.
            None => Ok(()),
            Some((acl, _)) if acl == isolation => Ok(()),
            Some((_, association)) => or_missing(
                format!("ReplaceNetworkAclAssociation {subnet}"),
                self.client
                    .replace_network_acl_association()
                    .association_id(association)
                    .network_acl_id(&isolation)
                    .send()
                    .await,
            )
            .map(drop),
        }
    }
}

/// The last rule of every network ACL denies; one that allows makes it no isolation.
fn is_deny(entry: &aws_sdk_ec2::types::NetworkAclEntry) -> bool {
    entry.rule_action() == Some(&aws_sdk_ec2::types::RuleAction::Deny)
}

fn nameless(call: &str, vpc: &str) -> Error {
    Error::new(
        ErrorKind::Server,
        format!("{call} {vpc}"),
        "the answer names no object",
    )
}

#[async_trait]
impl Barrier for Ec2Barrier {
    fn name(&self) -> &'static str {
        "ec2"
    }

    async fn survey(&self) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let marked = self.vpcs().await.unwrap_or_else(|error| {
            survey.unread.push(error);
            BTreeSet::new()
        });
        let vpcs: BTreeSet<String> = marked
            .into_iter()
            .chain(self.scope.vpcs.iter().cloned())
            .collect();
        for vpc in &vpcs {
            let (subnets, interfaces) = futures::join!(self.subnets(vpc), self.interfaces(vpc));
            for found in [subnets, interfaces] {
                match found {
                    Ok(items) => survey.items.extend(items),
                    Err(error) => survey.unread.push(error),
                }
            }
        }
        Ok(survey)
    }

    async fn close(&self, item: &Item) -> Result<(), Error> {
        let mut parts = item.id.splitn(3, '/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("ec2.subnet"), Some(vpc), Some(subnet)) => self.isolate(vpc, subnet).await,
            (Some("ec2.network-interface"), Some(vpc), Some(interface)) => {
                let quarantine = self.quarantine(vpc).await?;
                or_missing(
                    format!("ModifyNetworkInterfaceAttribute {interface}"),
                    self.client
                        .modify_network_interface_attribute()
                        .network_interface_id(interface)
                        .groups(quarantine)
                        .send()
                        .await,
                )
                .map(drop)
            }
            _ => Err(Error::new(
                ErrorKind::Invalid,
                &item.id,
                "is no item of EC2",
            )),
        }
    }
}

/// Removes what containment made in a VPC of ours that is about to be deleted, and would hold that back.
pub(crate) async fn clear(client: &Client, vpc: &str, environment: &str) -> Result<(), Error> {
    let scope = Scope {
        environment: environment.to_owned(),
        ..Scope::default()
    };
    let barrier = Ec2Barrier::with_client(client.clone(), scope);
    for acl in barrier.acls(vpc).await? {
        if barrier.is_isolation(&acl) {
            network_acl::discard(client, acl.network_acl_id().unwrap_or_default()).await?;
        }
    }
    for group in barrier.groups(vpc).await? {
        if barrier.is_quarantine(&group) {
            let id = group.group_id.unwrap_or_default();
            or_missing(
                format!("DeleteSecurityGroup {id}"),
                client.delete_security_group().group_id(&id).send().await,
            )?;
        }
    }
    Ok(())
}
