//! `ec2.elastic-ip`.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType};
use executor::provider::Error;
use provider_aws::failure;

use super::{Family, created, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};
pub(super) struct ElasticIps;

#[async_trait]
impl Family for ElasticIps {
    fn kind(&self) -> &'static str {
        "ec2.elastic-ip"
    }

    fn id_filter(&self) -> &'static str {
        "allocation-id"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        // DescribeAddresses answers in one piece.
        let answer = client
            .describe_addresses()
            .set_filters(Some(filters))
            .send()
            .await
            .map_err(|error| failure("DescribeAddresses", error))?;
        Ok(answer
            .addresses()
            .iter()
            .map(|address| Seen {
                id: address.allocation_id().unwrap_or_default().to_owned(),
                tags: marks::from_sdk(address.tags()),
                spec: serde_json::Map::new(),
                outputs: outputs(&[
                    ("id", address.allocation_id()),
                    ("public-ip", address.public_ip()),
                ]),
                ready: true,
                gone: false,
                state: "allocated".to_owned(),
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let call = client
            .allocate_address()
            .domain(aws_sdk_ec2::types::DomainType::Vpc)
            .tag_specifications(marks::specification(ResourceType::ElasticIp, &wanted.tags));
        let answer = call
            .send()
            .await
            .map_err(|error| failure(format!("AllocateAddress {}", wanted.address), error))?;
        created(answer.allocation_id(), "AllocateAddress", wanted)
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        or_missing(
            format!("ReleaseAddress {}", seen.id),
            client
                .release_address()
                .allocation_id(&seen.id)
                .send()
                .await,
        )
        .map(drop)
    }
}
