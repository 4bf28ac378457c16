//! What EC2 holds of an environment, as evidence: every answer as the service gave it.
//!
//! Reading only, but for snapshots of volumes where they are asked for: those only add. User data, which may hold secrets, is kept as its digest.

use std::collections::BTreeSet;

use ::evidence::collect::{Collector, Mask, Shelf};
use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::types::{Filter, InstanceAttributeName, ResourceType, Snapshot};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use executor::provider::{Error, ErrorKind};
use planner::Generation;
use planner::identity::tags;
use provider_aws::{Answers, failure};
use serde_json::json;

use crate::kinds::PAGE;
use crate::marks::{self, TagMap};

/// Tag of snapshots made as evidence; its value is `ENVIRONMENT/VOLUME`. [`tags::ENVIRONMENT`] is not used, so that they don't go with the
/// generation.
pub const SNAPSHOT: &str = "rebuild:evidence";
/// Values that one filter takes ("Filtering", EC2 API).
const VALUES: usize = 200;

/// Of what evidence is collected.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose VPCs are found by our marks.
    pub environment: String,
    /// Its generations; every one of them when empty.
    pub generations: BTreeSet<Generation>,
    /// Further VPCs by id.
    pub vpcs: Vec<String>,
    /// Make a snapshot of every volume that has none of ours.
    pub snapshots: bool,
}

/// EC2 of one region of one account as a place that evidence comes from.
#[derive(Debug)]
pub struct Ec2Evidence {
    client: Client,
    answers: Answers,
    service: String,
    scope: Scope,
    mask: Mask,
}

/// Pages of a listing onto the shelf, and its items; an empty list where it failed.
macro_rules! list {
    ($self:ident, $shelf:ident, $name:literal, $call:literal, $request:expr) => {{
        let items = $request
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failure($call, error));
        $self
            .answers
            .shelve($shelf, $name, $call, &$self.service, items)
            .await
            .unwrap_or_default()
    }};
}

impl Ec2Evidence {
    /// EC2 behind a configuration from [`provider_aws::Connection::load`]. Fingerprints of user data are under `mask`.
    pub fn new(config: &aws_config::SdkConfig, scope: Scope, mask: Mask) -> Self {
        Self::with_builder(Builder::from(config), scope, mask)
    }

    /// EC2 through a configuration of the caller's, with interceptors say.
    pub fn with_builder(builder: Builder, scope: Scope, mask: Mask) -> Self {
        let answers = Answers::default();
        let config = builder.interceptor(answers.clone()).build();
        let region = config
            .region()
            .map_or_else(String::new, |region| format!(".{region}"));
        Self {
            client: Client::from_conf(config),
            answers,
            service: format!("ec2{region}"),
            scope,
            mask,
        }
    }

    fn mine(&self, found: &TagMap) -> bool {
        found.get(tags::ENVIRONMENT) == Some(&self.scope.environment)
            && (self.scope.generations.is_empty()
                || found
                    .get(tags::GENERATION)
                    .and_then(|text| text.parse().ok())
                    .is_some_and(|found: Generation| self.scope.generations.contains(&found)))
    }

    fn marked(&self) -> Filter {
        marks::tag_filter(tags::ENVIRONMENT, &self.scope.environment)
    }

    async fn vpcs(&self, shelf: &Shelf) -> BTreeSet<String> {
        let marked = list!(
            self,
            shelf,
            "vpcs",
            "DescribeVpcs",
            self.client.describe_vpcs().filters(self.marked())
        );
        let mut ids: BTreeSet<String> = marked
            .into_iter()
            .filter(|vpc| self.mine(&marks::from_sdk(vpc.tags())))
            .filter_map(|vpc| vpc.vpc_id)
            .collect();
        for vpc in &self.scope.vpcs {
            let found = self
                .client
                .describe_vpcs()
                .filters(marks::filter("vpc-id", vpc));
            let found = found
                .send()
                .await
                .map_err(|error| failure(format!("DescribeVpcs {vpc}"), error));
            let name = format!("vpcs/{}", ::evidence::collect::part(vpc));
            self.answers
                .shelve(shelf, &name, "DescribeVpcs", &self.service, found)
                .await;
            ids.insert(vpc.clone());
        }
        ids
    }

    async fn networks(&self, shelf: &Shelf, vpcs: &BTreeSet<String>) {
        for within in filters("vpc-id", vpcs) {
            let client = &self.client;
            list!(
                self,
                shelf,
                "subnets",
                "DescribeSubnets",
                client.describe_subnets().filters(within.clone())
            );
            list!(
                self,
                shelf,
                "security-groups",
                "DescribeSecurityGroups",
                client.describe_security_groups().filters(within.clone())
            );
            list!(
                self,
                shelf,
                "network-acls",
                "DescribeNetworkAcls",
                client.describe_network_acls().filters(within.clone())
            );
            list!(
                self,
                shelf,
                "network-interfaces",
                "DescribeNetworkInterfaces",
                client.describe_network_interfaces().filters(within.clone())
            );
            list!(
                self,
                shelf,
                "route-tables",
                "DescribeRouteTables",
                client.describe_route_tables().filters(within)
            );
        }
    }

    /// Instances of the VPCs, what they run from, and their volumes; ids of the volumes and names of the key pairs.
    async fn instances(
        &self,
        shelf: &Shelf,
        vpcs: &BTreeSet<String>,
    ) -> (BTreeSet<String>, BTreeSet<String>) {
        let [mut volumes, mut images, mut keys, mut ids] = [const { BTreeSet::new() }; 4];
        for within in filters("vpc-id", vpcs) {
            let found: Vec<aws_sdk_ec2::types::Reservation> = list!(
                self,
                shelf,
                "instances",
                "DescribeInstances",
                self.client.describe_instances().filters(within)
            );
            for instance in found.iter().flat_map(|reservation| reservation.instances()) {
                let disks = instance.block_device_mappings().iter();
                volumes.extend(disks.filter_map(|disk| Some(disk.ebs()?.volume_id()?.to_owned())));
                images.extend(instance.image_id().map(str::to_owned));
                keys.extend(instance.key_name().map(str::to_owned));
                ids.extend(instance.instance_id().map(str::to_owned));
            }
        }
        for within in filters("image-id", &images) {
            list!(
                self,
                shelf,
                "images",
                "DescribeImages",
                self.client.describe_images().filters(within)
            );
        }
        self.user_data(shelf, &ids).await;
        (volumes, keys)
    }

    /// A fingerprint of each instance's user data, which is thrown away.
    async fn user_data(&self, shelf: &Shelf, instances: &BTreeSet<String>) {
        let (call, mut seen) = ("DescribeInstanceAttribute userData", Vec::new());
        for id in instances {
            let answer = self
                .client
                .describe_instance_attribute()
                .instance_id(id)
                .attribute(InstanceAttributeName::UserData)
                .send()
                .await;
            drop(self.answers.take());
            match answer {
                Ok(answer) => {
                    let text = answer.user_data().and_then(|data| data.value());
                    let bytes = text.map(|text| {
                        STANDARD
                            .decode(text)
                            .unwrap_or_else(|_| text.as_bytes().to_vec())
                    });
                    seen.push(json!({
                        "instance": id,
                        "bytes": bytes.as_ref().map_or(0, Vec::len),
                        "fingerprint": bytes.map(|bytes| self.mask.of(&bytes)),
                    }));
                }
                Err(error) => {
                    let error = failure(format!("{call} {id}"), error);
                    let name = format!("user-data/{}", ::evidence::collect::part(id));
                    shelf.missing(&name, call, &self.service, &error).await;
                }
            }
        }
        shelf.put("user-data", call, &self.service, &seen).await;
    }

    async fn volumes(&self, shelf: &Shelf, attached: &BTreeSet<String>) {
        let marked = list!(
            self,
            shelf,
            "volumes",
            "DescribeVolumes",
            self.client.describe_volumes().filters(self.marked())
        );
        let mut all: BTreeSet<String> = marked
            .into_iter()
            .filter(|volume| self.mine(&marks::from_sdk(volume.tags())))
            .filter_map(|volume| volume.volume_id)
            .collect();
        for within in filters("volume-id", attached) {
            list!(
                self,
                shelf,
                "volumes-attached",
                "DescribeVolumes",
                self.client.describe_volumes().filters(within)
            );
        }
        all.extend(attached.iter().cloned());
        if self.scope.snapshots {
            for volume in &all {
                let made = self.snapshot(volume).await;
                let name = format!("volume-snapshots/{}", ::evidence::collect::part(volume));
                shelf
                    .keep(&name, "CreateSnapshot", &self.service, made)
                    .await;
            }
            drop(self.answers.take());
        }
        for within in filters("volume-id", &all) {
            let request = self.client.describe_snapshots().owner_ids("self");
            list!(
                self,
                shelf,
                "snapshots",
                "DescribeSnapshots",
                request.filters(within)
            );
        }
    }

    /// The snapshot of a volume that is evidence; made unless it is there.
    async fn snapshot(&self, volume: &str) -> Result<serde_json::Value, Error> {
        let mark = format!("{}/{volume}", self.scope.environment);
        let there = self
            .client
            .describe_snapshots()
            .owner_ids("self")
            .filters(marks::tag_filter(SNAPSHOT, &mark))
            .send()
            .await
            .map_err(|error| failure(format!("DescribeSnapshots {volume}"), error))?;
        let ours = |snapshot: &&Snapshot| {
            snapshot.volume_id() == Some(volume)
                && snapshot.state() != Some(&aws_sdk_ec2::types::SnapshotState::Error)
                && marks::from_sdk(snapshot.tags()).get(SNAPSHOT) == Some(&mark)
        };
        if let Some(id) = there
            .snapshots()
            .iter()
            .find(ours)
            .and_then(Snapshot::snapshot_id)
        {
            return Ok(json!({"volume": volume, "snapshot": id, "made": false}));
        }
        let mark = TagMap::from([(SNAPSHOT.to_owned(), mark)]);
        let made = self
            .client
            .create_snapshot()
            .volume_id(volume)
            .description("Evidence, kept by rebuild")
            .tag_specifications(marks::specification(ResourceType::Snapshot, &mark))
            .send()
            .await
            .map_err(|error| failure(format!("CreateSnapshot {volume}"), error))?;
        let id = made.snapshot_id().ok_or_else(|| {
            let what = format!("CreateSnapshot {volume}");
            Error::new(ErrorKind::Server, what, "the answer names no snapshot")
        })?;
        Ok(json!({"volume": volume, "snapshot": id, "made": true}))
    }

    async fn keys(&self, shelf: &Shelf, used: &BTreeSet<String>) {
        let call = "DescribeKeyPairs";
        let marked = self.client.describe_key_pairs().filters(self.marked());
        let marked = marked.send().await.map_err(|error| failure(call, error));
        self.answers
            .shelve(shelf, "key-pairs", call, &self.service, marked)
            .await;
        for within in filters("key-name", used) {
            let found = self.client.describe_key_pairs().filters(within);
            let found = found.send().await.map_err(|error| failure(call, error));
            self.answers
                .shelve(shelf, "key-pairs-used", call, &self.service, found)
                .await;
        }
    }
}

/// Filters by one of these values, as many as it takes.
fn filters(name: &str, values: &BTreeSet<String>) -> Vec<Filter> {
    let values: Vec<String> = values.iter().cloned().collect();
    values
        .chunks(VALUES)
        .map(|values| {
            Filter::builder()
                .name(name)
                .set_values(Some(values.to_vec()))
                .build()
        })
        .collect()
}

#[async_trait]
impl Collector for Ec2Evidence {
    fn name(&self) -> &'static str {
        "ec2"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        let found = self
            .client
            .describe_vpcs()
            .filters(self.marked())
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await;
        drop(self.answers.take());
        let found = found.map_err(|error| failure("DescribeVpcs", error).to_string())?;
        let ids: BTreeSet<String> = found
            .into_iter()
            .map(|vpc| marks::from_sdk(vpc.tags()))
            .filter(|found| self.mine(found))
            .filter_map(|mut found| found.remove(tags::GENERATION))
            .collect();
        Ok(ids.into_iter().collect())
    }

    async fn collect(&self, shelf: &Shelf) {
        let vpcs = self.vpcs(shelf).await;
        self.networks(shelf, &vpcs).await;
        let (volumes, keys) = self.instances(shelf, &vpcs).await;
        self.volumes(shelf, &volumes).await;
        self.keys(shelf, &keys).await;
    }
}
