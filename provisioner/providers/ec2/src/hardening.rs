//! What is weak in a finished generation and can be told by EC2 alone. Reading only.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, HttpTokensState, InstanceStateName, Tag};
use executor::provider::Error;
use planner::identity::tags;
use planner::{Finding, Generation, Severity};
use provider_aws::failure;

use crate::Ec2;
use crate::kinds::PAGE;
use crate::marks;

/// What EC2 says of a generation.
#[derive(Debug, Default)]
struct Seen {
    /// Instances that answer IMDSv1.
    old_metadata: Vec<String>,
    /// Volumes that are not encrypted.
    plain_volumes: Vec<String>,
    /// VPCs.
    vpcs: BTreeSet<String>,
    /// VPCs whose traffic is recorded.
    recorded: BTreeSet<String>,
}

fn finding(severity: Severity, code: &str, subject: &str, message: String, hint: &str) -> Finding {
    Finding {
        severity,
        code: code.to_owned(),
        subject: subject.to_owned(),
        message,
        hint: hint.to_owned(),
    }
}

impl Ec2 {
    /// Instances that answer without a token (IMDSv1), volumes that are not encrypted, VPCs without flow logs. What EC2 does not tell is a
    /// finding of its own.
    pub async fn weaknesses(&self, environment: &str, generation: &Generation) -> Vec<Finding> {
        match self.look(environment, generation).await {
            Ok(seen) => findings(seen),
            Err(error) => vec![finding(
                Severity::Note,
                "harden.unread",
                "ec2",
                format!("instances, volumes and flow logs can't be looked at: {error}"),
                "look at them by hand",
            )],
        }
    }

    async fn look(&self, environment: &str, generation: &Generation) -> Result<Seen, Error> {
        let client = self.sdk();
        let tag = |name: &str, value: &str| {
            Filter::builder()
                .name(format!("tag:{name}"))
                .values(value)
                .build()
        };
        let filters = vec![
            tag(tags::ENVIRONMENT, environment),
            tag(tags::GENERATION, generation.as_str()),
        ];
        // A server's filter alone is never trusted.
        let ours = |found: &[Tag]| {
            let marks = marks::from_sdk(found);
            marks.get(tags::ENVIRONMENT).map(String::as_str) == Some(environment)
                && marks.get(tags::GENERATION).map(String::as_str) == Some(generation.as_str())
        };
        let mut seen = Seen::default();
        let instances = client
            .describe_instances()
            .set_filters(Some(filters.clone()))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failure("DescribeInstances", error))?;
        for instance in instances.iter().flat_map(|found| found.instances()) {
            let ended = instance
                .state()
                .and_then(|state| state.name())
                .is_some_and(|name| {
                    matches!(
                        name,
                        InstanceStateName::Terminated | InstanceStateName::ShuttingDown
                    )
                });
            let options = instance.metadata_options();
            let optional = options
                .and_then(|options| options.http_tokens())
                .is_some_and(|tokens| *tokens == HttpTokensState::Optional);
            if optional && !ended && ours(instance.tags()) {
                seen.old_metadata.extend(instance.instance_id.clone());
            }
        }
        let volumes = client
            .describe_volumes()
            .set_filters(Some(filters.clone()))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failure("DescribeVolumes", error))?;
        seen.plain_volumes = volumes
            .into_iter()
            .filter(|volume| volume.encrypted() == Some(false) && ours(volume.tags()))
            .filter_map(|volume| volume.volume_id)
            .collect();
        let vpcs = client
            .describe_vpcs()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failure("DescribeVpcs", error))?;
        seen.vpcs = vpcs
            .into_iter()
            .filter(|vpc| ours(vpc.tags()))
            .filter_map(|vpc| vpc.vpc_id)
            .collect();
        if seen.vpcs.is_empty() {
            return Ok(seen);
        }
        let logs = client
            .describe_flow_logs()
            .filter(
                Filter::builder()
                    .name("resource-id")
                    .set_values(Some(seen.vpcs.iter().cloned().collect()))
                    .build(),
            )
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failure("DescribeFlowLogs", error))?;
        seen.recorded = logs
            .into_iter()
            .filter(|log| log.flow_log_status() == Some("ACTIVE"))
            .filter_map(|log| log.resource_id)
            .collect();
        Ok(seen)
    }
}

fn findings(seen: Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for instance in &seen.old_metadata {
        found.push(finding(
            Severity::Warning,
            "harden.imds",
            instance,
            "its metadata, credentials included, is given without a token (IMDSv1)".to_owned(),
            "require tokens: `aws ec2 modify-instance-metadata-options --http-tokens required`",
        ));
    }
    for volume in &seen.plain_volumes {
        found.push(finding(
            Severity::Warning,
            "harden.encryption",
            volume,
            "it is not encrypted".to_owned(),
            "replace it by an encrypted one: no volume that `rebuild` makes is without",
        ));
    }
    for vpc in seen.vpcs.difference(&seen.recorded) {
        found.push(finding(
            Severity::Warning,
            "harden.log-retention",
            vpc,
            "nothing records who talks to whom in it: it has no active flow log".to_owned(),
            "create a flow log to a bucket that holds what is written to it",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_weakness_is_named_and_a_recorded_vpc_is_none() {
        let seen = Seen {
            old_metadata: vec!["i-1".to_owned()],
            plain_volumes: vec!["vol-1".to_owned()],
            vpcs: ["vpc-1".to_owned(), "vpc-2".to_owned()].into(),
            recorded: ["vpc-1".to_owned()].into(),
        };
        let told: Vec<(String, String)> = findings(seen)
            .into_iter()
            .map(|finding| (finding.code, finding.subject))
            .collect();
        let expected = [
            ("harden.imds", "i-1"),
            ("harden.encryption", "vol-1"),
            ("harden.log-retention", "vpc-2"),
        ];
        assert_eq!(
            told,
            expected.map(|(code, subject)| (code.to_owned(), subject.to_owned()))
        );
        assert!(findings(Seen::default()).is_empty());
    }
}
