//! `ec2.subnet`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType};
use executor::provider::Error;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, PAGE, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct Subnets;

#[async_trait]
impl Family for Subnets {
    fn kind(&self) -> &'static str {
        "ec2.subnet"
    }

    fn id_filter(&self) -> &'static str {
        "subnet-id"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_subnets()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let subnets = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeSubnets", error))?;
        Ok(subnets
            .into_iter()
            .map(|subnet| {
                let state = subnet
                    .state()
                    .map(|state| state.as_str().to_owned())
                    .unwrap_or_default();
                Seen {
                    id: subnet.subnet_id().unwrap_or_default().to_owned(),
                    tags: marks::from_sdk(subnet.tags()),
                    spec: fields(json!({
                        "vpc": subnet.vpc_id(),
                        "cidr": subnet.cidr_block(),
                        "zone": subnet.availability_zone(),
                        "public": subnet.map_public_ip_on_launch().unwrap_or(false),
                    })),
                    outputs: outputs(&[("id", subnet.subnet_id())]),
                    ready: state == "available",
                    gone: false,
                    state,
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::Subnet = wanted.spec()?;
        let answer = client
            .create_subnet()
            .vpc_id(known(&spec.vpc, wanted, "vpc")?)
            .cidr_block(spec.cidr.to_string())
            .availability_zone(&spec.zone)
            .tag_specifications(marks::specification(ResourceType::Subnet, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("CreateSubnet {}", wanted.address), error))?;
        created(
            answer.subnet().and_then(|subnet| subnet.subnet_id()),
            "CreateSubnet",
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
        let spec: spec::Subnet = wanted.spec()?;
        if seen.spec.get("public") != Some(&json!(spec.public)) {
            let value = AttributeBooleanValue::builder().value(spec.public).build();
            let call = client
                .modify_subnet_attribute()
                .subnet_id(&seen.id)
                .map_public_ip_on_launch(value);
            call.send().await.map_err(|error| {
                failure(format!("ModifySubnetAttribute {}", wanted.address), error)
            })?;
        }
        Ok(())
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        or_missing(
            format!("DeleteSubnet {}", seen.id),
            client.delete_subnet().subnet_id(&seen.id).send().await,
        )
        .map(drop)
    }
}
