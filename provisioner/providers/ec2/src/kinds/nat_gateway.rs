//! `ec2.nat-gateway`, public.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType};
use executor::provider::Error;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, PAGE, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};
pub(super) struct NatGateways;

#[async_trait]
impl Family for NatGateways {
    fn kind(&self) -> &'static str {
        "ec2.nat-gateway"
    }

    fn id_filter(&self) -> &'static str {
        "nat-gateway-id"
    }

    fn is_final(&self, seen: &Seen) -> bool {
        // While `deleting` it still holds its address and its interface in the subnet.
        seen.state != "deleting"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_nat_gateways()
            .set_filter(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let gateways = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeNatGateways", error))?;
        Ok(gateways
            .into_iter()
            .map(|gateway| {
                let state = gateway
                    .state()
                    .map(|state| state.as_str().to_owned())
                    .unwrap_or_default();
                let allocation = gateway
                    .nat_gateway_addresses()
                    .iter()
                    .find_map(|address| address.allocation_id());
                Seen {
                    id: gateway.nat_gateway_id().unwrap_or_default().to_owned(),
                    tags: marks::from_sdk(gateway.tags()),
                    spec: fields(json!({"subnet": gateway.subnet_id(), "elastic_ip": allocation})),
                    outputs: outputs(&[("id", gateway.nat_gateway_id())]),
                    ready: state == "available",
                    // EC2 deletes a failed gateway by itself.
                    gone: matches!(state.as_str(), "deleting" | "deleted" | "failed"),
                    state,
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::NatGateway = wanted.spec()?;
        let answer = client
            .create_nat_gateway()
            .client_token(&wanted.token)
            .subnet_id(known(&spec.subnet, wanted, "subnet")?)
            .allocation_id(known(&spec.elastic_ip, wanted, "elastic_ip")?)
            .tag_specifications(marks::specification(ResourceType::Natgateway, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("CreateNatGateway {}", wanted.address), error))?;
        created(
            answer
                .nat_gateway()
                .and_then(|gateway| gateway.nat_gateway_id()),
            "CreateNatGateway",
            wanted,
        )
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        or_missing(
            format!("DeleteNatGateway {}", seen.id),
            client
                .delete_nat_gateway()
                .nat_gateway_id(&seen.id)
                .send()
                .await,
        )
        .map(drop)
    }
}
