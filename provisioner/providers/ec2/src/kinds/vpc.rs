//! `ec2.vpc`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, VpcAttributeName};
use executor::provider::Error;
use planner::identity::tags;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, PAGE, created, fields, outputs};
use crate::contain;
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct Vpcs;

async fn attribute(client: &Client, id: &str, name: VpcAttributeName) -> Result<bool, Error> {
    let answer = client
        .describe_vpc_attribute()
        .vpc_id(id)
        .attribute(name.clone())
        .send()
        .await
        .map_err(|error| failure(format!("DescribeVpcAttribute {id}"), error))?;
    let value = match name {
        VpcAttributeName::EnableDnsSupport => answer.enable_dns_support(),
        _ => answer.enable_dns_hostnames(),
    };
    Ok(value
        .and_then(AttributeBooleanValue::value)
        .unwrap_or(false))
}

#[async_trait]
impl Family for Vpcs {
    fn kind(&self) -> &'static str {
        "ec2.vpc"
    }

    fn id_filter(&self) -> &'static str {
        "vpc-id"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_vpcs()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let vpcs = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeVpcs", error))?;
        let mut list = Vec::new();
        for vpc in vpcs {
            let id = vpc.vpc_id().unwrap_or_default().to_owned();
            // DescribeVpcs does not give the attributes; an environment has few VPCs.
            let (support, hostnames) = futures::try_join!(
                attribute(client, &id, VpcAttributeName::EnableDnsSupport),
                attribute(client, &id, VpcAttributeName::EnableDnsHostnames),
            )?;
            let state = vpc
                .state()
                .map(|state| state.as_str().to_owned())
                .unwrap_or_default();
            list.push(Seen {
                tags: marks::from_sdk(vpc.tags()),
                spec: fields(json!({"cidr": vpc.cidr_block(), "dns_support": support, "dns_hostnames": hostnames})),
                outputs: outputs(&[("id", Some(&id))]),
                ready: state == "available",
                gone: false,
                state,
                id,
            });
        }
        Ok(list)
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::Vpc = wanted.spec()?;
        let call = client
            .create_vpc()
            .cidr_block(spec.cidr.to_string())
            .tag_specifications(marks::specification(ResourceType::Vpc, &wanted.tags));
        let answer = call
            .send()
            .await
            .map_err(|error| failure(format!("CreateVpc {}", wanted.address), error))?;
        created(
            answer.vpc().and_then(|vpc| vpc.vpc_id()),
            "CreateVpc",
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
        let spec: spec::Vpc = wanted.spec()?;
        let what = || format!("ModifyVpcAttribute {}", wanted.address);
        let value = |on: bool| AttributeBooleanValue::builder().value(on).build();
        // One attribute a call (ModifyVpcAttribute); host names need support first.
        if seen.spec.get("dns_support") != Some(&json!(spec.dns_support)) {
            client
                .modify_vpc_attribute()
                .vpc_id(&seen.id)
                .enable_dns_support(value(spec.dns_support))
                .send()
                .await
                .map_err(|error| failure(what(), error))?;
        }
        if seen.spec.get("dns_hostnames") != Some(&json!(spec.dns_hostnames)) {
            client
                .modify_vpc_attribute()
                .vpc_id(&seen.id)
                .enable_dns_hostnames(value(spec.dns_hostnames))
                .send()
                .await
                .map_err(|error| failure(what(), error))?;
        }
        Ok(())
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        if let Some(environment) = seen.tags.get(tags::ENVIRONMENT) {
            contain::clear(client, &seen.id, environment).await?;
        }
        or_missing(
            format!("DeleteVpc {}", seen.id),
            client.delete_vpc().vpc_id(&seen.id).send().await,
        )
        .map(drop)
    }
}
