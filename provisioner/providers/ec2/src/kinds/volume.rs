//! `ec2.volume`: an encrypted EBS volume, attached when an instance is given.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, ResourceType, VolumeAttachmentState, VolumeType};
use executor::provider::{Error, ErrorKind};
use planner::kinds::ec2 as spec;
use provider_aws::{Backoff, failure};
use serde_json::{Value, json};

use super::{Family, PAGE, created, fields, known, outputs};
use crate::marks;
use crate::provider::{Seen, Wanted, or_missing};

pub(super) struct Volumes;

fn text<'a>(seen: &'a Seen, field: &str) -> Option<&'a str> {
    seen.spec.get(field).and_then(Value::as_str)
}

async fn look(client: &Client, id: &str) -> Result<Option<Seen>, Error> {
    Ok(Volumes
        .list(client, vec![marks::filter("volume-id", id)])
        .await?
        .into_iter()
        .next())
}

async fn detach(client: &Client, seen: &Seen, limit: Duration) -> Result<(), Error> {
    let Some(instance) = text(seen, "instance") else {
        return Ok(());
    };
    let what = format!("DetachVolume {}", seen.id);
    or_missing(
        what.clone(),
        client
            .detach_volume()
            .volume_id(&seen.id)
            .instance_id(instance)
            .send()
            .await,
    )?;
    let mut backoff = Backoff::new(what, limit);
    while let Some(seen) = look(client, &seen.id).await? {
        if seen.gone || seen.state == "available" {
            break;
        }
        backoff.next(&seen.state).await?;
    }
    Ok(())
}

#[async_trait]
impl Family for Volumes {
    fn kind(&self) -> &'static str {
        "ec2.volume"
    }

    fn id_filter(&self) -> &'static str {
        "volume-id"
    }

    fn is_final(&self, seen: &Seen) -> bool {
        seen.state != "deleting"
    }

    fn check(&self, wanted: &Wanted<'_>) -> Result<(), Error> {
        let spec: spec::Volume = wanted.spec()?;
        if spec.instance.is_some() != spec.device.is_some() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("spec of {}", wanted.address),
                "`instance` and `device` go together",
            ));
        }
        Ok(())
    }

    async fn list(&self, client: &Client, filters: Vec<Filter>) -> Result<Vec<Seen>, Error> {
        let call = client
            .describe_volumes()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let volumes = call
            .try_collect()
            .await
            .map_err(|error| failure("DescribeVolumes", error))?;
        Ok(volumes
            .into_iter()
            .map(|volume| {
                let state = volume
                    .state()
                    .map(|state| state.as_str().to_owned())
                    .unwrap_or_default();
                let attachment = volume
                    .attachments()
                    .iter()
                    .find(|one| one.state() != Some(&VolumeAttachmentState::Detached));
                let mut spec = fields(json!({
                    "zone": volume.availability_zone(),
                    "size": volume.size(),
                    "volume_type": volume.volume_type().map(|kind| kind.as_str().to_owned()),
                }));
                if let Some(attachment) = attachment {
                    spec.insert("instance".to_owned(), json!(attachment.instance_id()));
                    spec.insert("device".to_owned(), json!(attachment.device()));
                }
                let settled = attachment.is_none_or(|one| {
                    one.state()
                        .is_none_or(|state| *state == VolumeAttachmentState::Attached)
                });
                Seen {
                    id: volume.volume_id().unwrap_or_default().to_owned(),
                    tags: marks::from_sdk(volume.tags()),
                    spec,
                    outputs: outputs(&[("id", volume.volume_id())]),
                    ready: settled && matches!(state.as_str(), "available" | "in-use"),
                    gone: matches!(state.as_str(), "deleting" | "deleted" | "error"),
                    state,
                }
            })
            .collect())
    }

    async fn create(&self, client: &Client, wanted: &Wanted<'_>) -> Result<String, Error> {
        let spec: spec::Volume = wanted.spec()?;
        let answer = client
            .create_volume()
            .client_token(&wanted.token)
            .availability_zone(&spec.zone)
            .size(spec.size)
            .volume_type(VolumeType::from(spec.volume_type.as_str()))
            .encrypted(true)
            .tag_specifications(marks::specification(ResourceType::Volume, &wanted.tags))
            .send()
            .await
            .map_err(|error| failure(format!("CreateVolume {}", wanted.address), error))?;
        created(answer.volume_id(), "CreateVolume", wanted)
    }

    async fn settle(
        &self,
        client: &Client,
        wanted: &Wanted<'_>,
        seen: &Seen,
        patience: Duration,
    ) -> Result<(), Error> {
        let spec: spec::Volume = wanted.spec()?;
        let differs = |seen: &Seen| {
            seen.spec.get("size") != Some(&json!(spec.size))
                || text(seen, "volume_type") != Some(&spec.volume_type)
        };
        if differs(seen) {
            let what = format!("ModifyVolume {}", wanted.address);
            let call = client
                .modify_volume()
                .volume_id(&seen.id)
                .size(spec.size)
                .volume_type(VolumeType::from(spec.volume_type.as_str()));
            call.send()
                .await
                .map_err(|error| failure(what.clone(), error))?;
            let mut backoff = Backoff::new(what, patience);
            while look(client, &seen.id)
                .await?
                .is_some_and(|seen| differs(&seen))
            {
                backoff.next("being modified").await?;
            }
        }
        let instance = spec
            .instance
            .as_ref()
            .map(|instance| known(instance, wanted, "instance"))
            .transpose()?;
        if text(seen, "instance") == instance && text(seen, "device") == spec.device.as_deref() {
            return Ok(());
        }
        detach(client, seen, patience).await?;
        if let (Some(instance), Some(device)) = (instance, &spec.device) {
            let call = client
                .attach_volume()
                .volume_id(&seen.id)
                .instance_id(instance)
                .device(device);
            call.send()
                .await
                .map_err(|error| failure(format!("AttachVolume {}", wanted.address), error))?;
        }
        Ok(())
    }

    async fn delete(&self, client: &Client, seen: &Seen) -> Result<(), Error> {
        detach(client, seen, Duration::from_secs(300)).await?;
        or_missing(
            format!("DeleteVolume {}", seen.id),
            client.delete_volume().volume_id(&seen.id).send().await,
        )
        .map(drop)
    }
}
