//! `ec2.internet-gateway`, attached to its VPC.

use std::time::Duration;

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

pub(super) struct InternetGateways;

fn attached(seen: &Seen) -> Option<&str> {
    seen.spec
        .get("vpc")
        .and_then(|vpc| vpc.as_str())
        .filter(|vpc| !vpc.is_empty())
}

async fn detach(client: &Client, seen: &Seen) -> Result<(), Error> {
    let Some(vpc) = attached(seen) else {
        return Ok(());
    };
    let answer = client
        .detach_internet_gateway()
        .internet_gateway_id(&seen.id)
        .vpc_id(vpc)
        .send()
        .await;
    match answer {
        Err(error) if provider_aws::code(&error) == "Gateway.NotAttached" => Ok(()),
        answer => or_missing(format!("DetachInternetGateway {}", seen.id), answer).map(drop),
    }
}

#[async_trait]
impl Family for InternetGateways {
    fn kind(&self) -> &'static str {
        "ec2.internet-gateway"
    }

    fn id_filter(&self) -> &'static str {
        "internet-gateway-id"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_internet_gateways()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let gateways = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeInternetGateways", error))?;
        Ok(gateways
            .into_iter()
            .map(|gateway| {
                let attachment = gateway.attachments().first();
                let state = attachment
                    .and_then(|a| a.state())
                    .map(|state| state.as_str().to_owned())
                    .unwrap_or_default();
                Seen {
                    id: gateway.internet_gateway_id().unwrap_or_default().to_owned(),
                    tags: marks::from_sdk(gateway.tags()),
                    spec: fields(
                        json!({"vpc": attachment.and_then(|a| a.vpc_id()).unwrap_or_default()}),
                    ),
                    outputs: outputs(&[("id", gateway.internet_gateway_id())]),
                    // An unattached gateway is as ready as it gets; that it is unattached shows in `vpc`.
                    ready: !matches!(state.as_str(), "attaching" | "detaching"),
                    gone: false,
                    state,
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let call = client
            .create_internet_gateway()
            .tag_specifications(marks::specification(
                ResourceType::InternetGateway,
                &wanted.tags,
            ));
        let answer = call
            .send()
            .await
            .map_err(|error| failure(format!("CreateInternetGateway {}", wanted.address), error))?;
        created(
            answer
                .internet_gateway()
                .and_then(|gateway| gateway.internet_gateway_id()),
            "CreateInternetGateway",
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
        let spec: spec::InternetGateway = wanted.spec()?;
        let vpc = known(&spec.vpc, wanted, "vpc")?;
        if attached(seen) == Some(vpc) {
            return Ok(());
        }
        detach(client, seen).await?;
        let call = client
            .attach_internet_gateway()
            .internet_gateway_id(&seen.id)
            .vpc_id(vpc);
        call.send()
            .await
            .map_err(|error| failure(format!("AttachInternetGateway {}", wanted.address), error))
            .map(drop)
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        detach(client, seen).await?;
        let answer = client
            .delete_internet_gateway()
            .internet_gateway_id(&seen.id)
            .send()
            .await;
        or_missing(format!("DeleteInternetGateway {}", seen.id), answer).map(drop)
    }
}
