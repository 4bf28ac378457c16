//! `ec2.key-pair`: an imported public key.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType};
use executor::provider::Error;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};
pub(super) struct KeyPairs;

#[async_trait]
impl Family for KeyPairs {
    fn kind(&self) -> &'static str {
        "ec2.key-pair"
    }

    fn id_filter(&self) -> &'static str {
        "key-pair-id"
    }

    fn name_filter(&self) -> Option<&'static str> {
        Some("key-name")
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        // DescribeKeyPairs answers in one piece.
        let answer = client
            .describe_key_pairs()
            .set_filters(Some(filters))
            .send()
            .await
            .map_err(|error| failure("DescribeKeyPairs", error))?;
        Ok(answer
            .key_pairs()
            .iter()
            .map(|pair| Seen {
                id: pair.key_pair_id().unwrap_or_default().to_owned(),
                tags: marks::from_sdk(pair.tags()),
                spec: fields(json!({"name": pair.key_name()})),
                outputs: outputs(&[("id", pair.key_pair_id()), ("name", pair.key_name())]),
                ready: true,
                gone: false,
                state: "imported".to_owned(),
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::KeyPair = wanted.spec()?;
        let key = known(&spec.public_key, wanted, "public_key")?.trim();
        let answer = client
            .import_key_pair()
            .key_name(&spec.name)
            .public_key_material(aws_sdk_ec2::primitives::Blob::new(key.as_bytes()))
            .tag_specifications(marks::specification(ResourceType::KeyPair, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("ImportKeyPair {}", wanted.address), error))?;
        created(answer.key_pair_id(), "ImportKeyPair", wanted)
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        let name = seen
            .spec
            .get("name")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let answer = client.delete_key_pair().key_name(name).send().await;
        or_missing(format!("DeleteKeyPair {name}"), answer).map(drop)
    }
}
