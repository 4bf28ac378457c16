//! `ec2.launch-template`: IMDSv2 required, every volume encrypted.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    EbsBlockDevice, Filter, InstanceType, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    RequestLaunchTemplateData, ResourceType, VolumeType,
};
use base64::Engine as _;
use executor::provider::{Error, ErrorKind};
use planner::kinds::ec2 as spec;
use provider_aws::failure;
use serde_json::json;

use super::{Family, PAGE, all_known, created, fields, known, outputs, split_ids};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct LaunchTemplates;

/// Devices that the image brings: each gets a mapping of ours, or its own setting would decide on encryption.
async fn image_devices(
    client: &Client,
    spec: &spec::LaunchTemplate,
    wanted: &Wanted<'_>,
) -> Result<Vec<(String, EbsBlockDevice)>, Error> {
    let what = || format!("DescribeImages {} ({})", spec.image, wanted.address);
    let answer = client
        .describe_images()
        .image_ids(&spec.image)
        .send()
        .await
        .map_err(|error| failure(what(), error))?;
    let image = answer.images().first().ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            what(),
            "there is no such image in this region",
        )
    })?;
    Ok(image
        .block_device_mappings()
        .iter()
        .filter_map(|mapping| Some((mapping.device_name()?.to_owned(), mapping.ebs()?.clone())))
        .collect())
}

fn mapping(
    device: &str,
    size: Option<i32>,
    volume_type: Option<VolumeType>,
) -> LaunchTemplateBlockDeviceMappingRequest {
    let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
        .encrypted(true)
        .delete_on_termination(true)
        .set_volume_size(size)
        .set_volume_type(volume_type)
        .build();
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(device)
        .ebs(ebs)
        .build()
}

#[async_trait]
impl Family for LaunchTemplates {
    fn kind(&self) -> &'static str {
        "ec2.launch-template"
    }

    fn id_filter(&self) -> &'static str {
        "launch-template-id"
    }

    fn name_filter(&self) -> Option<&'static str> {
        Some("launch-template-name")
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let (ids, filters) = split_ids(filters, self.id_filter());
        let templates = match ids {
            // Ids and pages do not go together.
            Some(ids) => {
                let answer = client
                    .describe_launch_templates()
                    .set_launch_template_ids(Some(ids))
                    .send()
                    .await;
                or_missing("DescribeLaunchTemplates", answer)?
                    .and_then(|answer| answer.launch_templates)
                    .unwrap_or_default()
            }
            None => {
                let call = client
                    .describe_launch_templates()
                    .set_filters(Some(filters))
                    .into_paginator()
                    .page_size(PAGE)
                    .items()
                    .send();
                call.try_collect()
                    .await
                    .map_err(|error| failure("DescribeLaunchTemplates", error))?
            }
        };
        Ok(templates
            .into_iter()
            .map(|template| Seen {
                id: template.launch_template_id().unwrap_or_default().to_owned(),
                tags: marks::from_sdk(template.tags()),
                spec: fields(json!({"name": template.launch_template_name()})),
                outputs: outputs(&[
                    ("id", template.launch_template_id()),
                    ("name", template.launch_template_name()),
                ]),
                ready: true,
                gone: false,
                state: "available".to_owned(),
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::LaunchTemplate = wanted.spec()?;
        let declared: BTreeSet<&str> = spec
            .block_devices
            .iter()
            .map(|device| device.device.as_str())
            .collect();
        let mut mappings: Vec<_> = spec
            .block_devices
            .iter()
            .map(|device| {
                mapping(
                    &device.device,
                    Some(device.size),
                    Some(VolumeType::from(device.volume_type.as_str())),
                )
            })
            .collect();
        for (device, ebs) in image_devices(client, &spec, wanted).await? {
            if !declared.contains(device.as_str()) {
                mappings.push(mapping(
                    &device,
                    ebs.volume_size(),
                    ebs.volume_type().cloned(),
                ));
            }
        }
        let key = spec
            .key_pair
            .as_ref()
            .map(|key| known(key, wanted, "key_pair").map(str::to_owned))
            .transpose()?;
        let profile = spec
            .instance_profile
            .as_ref()
            .map(|profile| known(profile, wanted, "instance_profile"))
            .transpose()?;
        let groups = all_known(&spec.security_groups, wanted, "security_groups")?;
        // One hop keeps the answer on the instance: a container behind a bridge does not get the role's keys.
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(1)
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
            .build();
        let data = RequestLaunchTemplateData::builder()
            .image_id(&spec.image)
            .instance_type(InstanceType::from(spec.instance_type.as_str()))
            .set_key_name(key)
            .set_iam_instance_profile(profile.map(|name| {
                LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
                    .name(name)
                    .build()
            }))
            .set_security_group_ids((!groups.is_empty()).then_some(groups))
            .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
            .set_user_data(
                (!spec.user_data.is_empty())
                    .then(|| base64::engine::general_purpose::STANDARD.encode(&spec.user_data)),
            )
            .metadata_options(metadata)
            .build();
        let answer = client
            .create_launch_template()
            .client_token(&wanted.token)
            .launch_template_name(&spec.name)
            .launch_template_data(data)
            .tag_specifications(marks::specification(
                ResourceType::LaunchTemplate,
                &wanted.tags,
            ))
            .send()
            .await
            .map_err(|error| failure(format!("CreateLaunchTemplate {}", wanted.address), error))?;
        created(
            answer
                .launch_template()
                .and_then(|template| template.launch_template_id()),
            "CreateLaunchTemplate",
            wanted,
        )
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        let answer = client
            .delete_launch_template()
            .launch_template_id(&seen.id)
            .send()
            .await;
        or_missing(format!("DeleteLaunchTemplate {}", seen.id), answer).map(drop)
    }
}
