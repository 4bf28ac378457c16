//! `ec2.instance`, launched from a launch template.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, LaunchTemplateSpecification, ResourceType};
use executor::provider::Error;
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, PAGE, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct Instances;

/// The launch template's id: DescribeInstances gives it only in a tag, so one of ours stands beside AWS's.
const TEMPLATE: &str = "rebuild:launch-template";
const AWS_TEMPLATE: &str = "aws:ec2launchtemplate:id";
/// Present when the private address was declared; one that EC2 chose is no part of the spec.
const FIXED_IP: &str = "rebuild:fixed-ip";

#[async_trait]
impl Family for Instances {
    fn kind(&self) -> &'static str {
        "ec2.instance"
    }

    fn id_filter(&self) -> &'static str {
        "instance-id"
    }

    fn is_final(&self, seen: &Seen) -> bool {
        // While `shutting-down` it still holds its interface and its volumes.
        seen.state == "terminated"
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_instances()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let reservations = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeInstances", error))?;
        Ok(reservations
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default())
            .map(|instance| {
                let tags = marks::from_sdk(instance.tags());
                let state = instance
                    .state()
                    .and_then(|state| state.name())
                    .map(|name| name.as_str().to_owned())
                    .unwrap_or_default();
                let template = tags.get(AWS_TEMPLATE).or(tags.get(TEMPLATE));
                let mut spec =
                    fields(json!({"launch_template": template, "subnet": instance.subnet_id()}));
                if tags.contains_key(FIXED_IP) {
                    spec.insert(
                        "private_ip".to_owned(),
                        json!(instance.private_ip_address()),
                    );
                }
                Seen {
                    id: instance.instance_id().unwrap_or_default().to_owned(),
                    spec,
                    outputs: outputs(&[
                        ("id", instance.instance_id()),
                        ("private-ip", instance.private_ip_address()),
                        (
                            "public-ip",
                            instance.public_ip_address().filter(|ip| !ip.is_empty()),
                        ),
                    ]),
                    ready: state == "running",
                    gone: matches!(state.as_str(), "shutting-down" | "terminated"),
                    tags,
                    state,
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::Instance = wanted.spec()?;
        let template = known(&spec.launch_template, wanted, "launch_template")?;
        let mut tags = wanted.tags.clone();
        tags.insert(TEMPLATE.to_owned(), template.to_owned());
        if spec.private_ip.is_some() {
            tags.insert(FIXED_IP.to_owned(), "yes".to_owned());
        }
        let answer = client
            .run_instances()
            .client_token(&wanted.token)
            .min_count(1)
            .max_count(1)
            .launch_template(
                LaunchTemplateSpecification::builder()
                    .launch_template_id(template)
                    .version("$Latest")
                    .build(),
            )
            .subnet_id(known(&spec.subnet, wanted, "subnet")?)
            .set_private_ip_address(spec.private_ip.map(|ip| ip.to_string()))
            .tag_specifications(marks::specification(ResourceType::Instance, &tags))
            // Volumes made at launch carry the marks too, so that one left behind is provably ours.
            .tag_specifications(marks::specification(ResourceType::Volume, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("RunInstances {}", wanted.address), error))?;
        created(
            answer
                .instances()
                .first()
                .and_then(|instance| instance.instance_id()),
            "RunInstances",
            wanted,
        )
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        or_missing(
            format!("TerminateInstances {}", seen.id),
            client
                .terminate_instances()
                .instance_ids(&seen.id)
                .send()
                .await,
        )
        .map(drop)
    }
}
