//! The three kinds: how each is read, made, changed and deleted.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{PolicyScopeType, Tag};
use executor::provider::{Error, ErrorKind};
use planner::reference::Late;
use provider_aws::{code, failure};
use serde_json::{Value, json};

use crate::document;

pub(crate) type TagMap = BTreeMap<String, String>;

/// An object as read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) tags: TagMap,
    /// Normal form, without `tags`.
    pub(crate) spec: serde_json::Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Role,
    Policy,
    Profile,
}

pub(crate) fn to_sdk(tags: &TagMap) -> Result<Vec<Tag>, Error> {
    let list: Result<Vec<Tag>, _> = tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect();
    list.map_err(|error| Error::new(ErrorKind::Invalid, "tags", error.to_string()))
}

fn from_sdk(list: &[Tag]) -> TagMap {
    list.iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

pub(crate) fn or_missing<T, E>(
    what: String,
    result: Result<T, SdkError<E>>,
) -> Result<Option<T>, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if code(&error) == "NoSuchEntity" => Ok(None),
        Err(error) => Err(failure(what, error)),
    }
}

fn known<'a>(late: &'a Late<String>, what: &str) -> Result<&'a str, Error> {
    late.known()
        .map(String::as_str)
        .ok_or_else(|| Error::new(ErrorKind::Invalid, what, "a value is not known yet"))
}

fn fields(value: Value) -> serde_json::Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

/// Names (ARNs of policies) under a path, through all pages.
pub(crate) async fn list(client: &Client, kind: Kind, path: &str) -> Result<Vec<String>, Error> {
    match kind {
        Kind::Role => {
            let items = client
                .list_roles()
                .path_prefix(path)
                .into_paginator()
                .items()
                .send()
                .try_collect()
                .await
                .map_err(|error| failure("ListRoles", error))?;
            Ok(items.into_iter().map(|role| role.role_name).collect())
        }
        Kind::Policy => {
            let call = client
                .list_policies()
                .scope(PolicyScopeType::Local)
                .path_prefix(path)
                .into_paginator()
                .items()
                .send();
            let items = call
                .try_collect()
                .await
                .map_err(|error| failure("ListPolicies", error))?;
            Ok(items.into_iter().filter_map(|policy| policy.arn).collect())
        }
        Kind::Profile => {
            let call = client
                .list_instance_profiles()
                .path_prefix(path)
                .into_paginator()
                .items()
                .send();
            let items = call
                .try_collect()
                .await
                .map_err(|error| failure("ListInstanceProfiles", error))?;
            Ok(items
                .into_iter()
                .map(|profile| profile.instance_profile_name)
                .collect())
        }
    }
}

async fn attached(client: &Client, role: &str) -> Result<BTreeSet<String>, Error> {
    let call = client
        .list_attached_role_policies()
        .role_name(role)
        .into_paginator()
        .items()
        .send();
    let items = call
        .try_collect()
        .await
        .map_err(|error| failure(format!("ListAttachedRolePolicies {role}"), error))?;
    Ok(items
        .into_iter()
        .filter_map(|policy| policy.policy_arn)
        .collect())
}

/// Reads one; `key` is a role's or profile's name, a policy's ARN.
pub(crate) async fn read(client: &Client, kind: Kind, key: &str) -> Result<Option<Seen>, Error> {
    match kind {
        Kind::Role => {
            let Some(answer) = or_missing(
                format!("GetRole {key}"),
                client.get_role().role_name(key).send().await,
            )?
            else {
                return Ok(None);
            };
            let Some(role) = answer.role() else {
                return Ok(None);
            };
            let trust = document::decode(role.assume_role_policy_document().unwrap_or_default());
            let policies = attached(client, key).await?;
            Ok(Some(Seen {
                arn: role.arn().to_owned(),
                name: role.role_name().to_owned(),
                tags: from_sdk(role.tags()),
                spec: fields(
                    json!({"name": role.role_name(), "description": role.description().unwrap_or_default(), "trust": trust, "policies": policies}),
                ),
            }))
        }
        Kind::Policy => {
            let Some(answer) = or_missing(
                format!("GetPolicy {key}"),
                client.get_policy().policy_arn(key).send().await,
            )?
            else {
                return Ok(None);
            };
            let Some(policy) = answer.policy() else {
                return Ok(None);
            };
            let version = policy.default_version_id().unwrap_or("v1");
            let answer = client
                .get_policy_version()
                .policy_arn(key)
                .version_id(version)
                .send()
                .await;
            let answer = or_missing(format!("GetPolicyVersion {key} {version}"), answer)?;
            let document = answer
                .as_ref()
                .and_then(|answer| answer.policy_version())
                .and_then(|version| version.document())
                .unwrap_or_default();
            let name = policy.policy_name().unwrap_or_default().to_owned();
            Ok(Some(Seen {
                arn: key.to_owned(),
                tags: from_sdk(policy.tags()),
                spec: fields(
                    json!({"name": name, "description": policy.description().unwrap_or_default(), "document": document::decode(document)}),
                ),
                name,
            }))
        }
        Kind::Profile => {
            let answer = client
                .get_instance_profile()
                .instance_profile_name(key)
                .send()
                .await;
            let Some(answer) = or_missing(format!("GetInstanceProfile {key}"), answer)? else {
                return Ok(None);
            };
            let Some(profile) = answer.instance_profile() else {
                return Ok(None);
            };
            let role = profile
                .roles()
                .first()
                .map(|role| role.role_name())
                .unwrap_or_default();
            Ok(Some(Seen {
                arn: profile.arn().to_owned(),
                name: profile.instance_profile_name().to_owned(),
                tags: from_sdk(profile.tags()),
                spec: fields(json!({"name": profile.instance_profile_name(), "role": role})),
            }))
        }
    }
}

/// What is wanted, typed.
pub(crate) enum Wanted {
    Role(planner::kinds::iam::Role),
    Policy(planner::kinds::iam::Policy),
    Profile(planner::kinds::iam::InstanceProfile),
}

impl Wanted {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Role(role) => &role.name,
            Self::Policy(policy) => &policy.name,
            Self::Profile(profile) => &profile.name,
        }
    }

    pub(crate) fn tags(&self) -> &TagMap {
        match self {
            Self::Role(role) => &role.tags,
            Self::Policy(policy) => &policy.tags,
            Self::Profile(profile) => &profile.tags,
        }
    }
}

/// Creates, and returns the key to read it by.
pub(crate) async fn create(
    client: &Client,
    wanted: &Wanted,
    path: &str,
    tags: &TagMap,
) -> Result<String, Error> {
    let tags = to_sdk(tags)?;
    match wanted {
        Wanted::Role(role) => {
            let call = client
                .create_role()
                .role_name(&role.name)
                .path(path)
                .assume_role_policy_document(role.trust.to_string());
            let call = call
                .set_description((!role.description.is_empty()).then(|| role.description.clone()))
                .set_tags(Some(tags));
            call.send()
                .await
                .map_err(|error| failure(format!("CreateRole {}", role.name), error))?;
            Ok(role.name.clone())
        }
        Wanted::Policy(policy) => {
            let call = client
                .create_policy()
                .policy_name(&policy.name)
                .path(path)
                .policy_document(policy.document.to_string());
            let call = call
                .set_description(
                    (!policy.description.is_empty()).then(|| policy.description.clone()),
                )
                .set_tags(Some(tags));
            let answer = call
                .send()
                .await
                .map_err(|error| failure(format!("CreatePolicy {}", policy.name), error))?;
            answer
                .policy()
                .and_then(|policy| policy.arn())
                .map(str::to_owned)
                .ok_or_else(|| {
                    Error::new(
                        ErrorKind::Server,
                        format!("CreatePolicy {}", policy.name),
                        "the answer has no ARN",
                    )
                })
        }
        Wanted::Profile(profile) => {
            let call = client
                .create_instance_profile()
                .instance_profile_name(&profile.name)
                .path(path)
                .set_tags(Some(tags));
            call.send().await.map_err(|error| {
                failure(format!("CreateInstanceProfile {}", profile.name), error)
            })?;
            Ok(profile.name.clone())
        }
    }
}

/// Changes what differs beside tags.
pub(crate) async fn settle(client: &Client, wanted: &Wanted, seen: &Seen) -> Result<(), Error> {
    let what = |call: &str| format!("{call} {}", seen.name);
    let null = Value::Null;
    match wanted {
        Wanted::Role(role) => {
            if !document::same(seen.spec.get("trust").unwrap_or(&null), &role.trust) {
                let call = client
                    .update_assume_role_policy()
                    .role_name(&role.name)
                    .policy_document(role.trust.to_string());
                call.send()
                    .await
                    .map_err(|error| failure(what("UpdateAssumeRolePolicy"), error))?;
            }
            if seen.spec.get("description").and_then(Value::as_str) != Some(&role.description) {
                let call = client
                    .update_role()
                    .role_name(&role.name)
                    .description(&role.description);
                call.send()
                    .await
                    .map_err(|error| failure(what("UpdateRole"), error))?;
            }
            let present = attached(client, &role.name).await?;
            let mut declared = BTreeSet::new();
            for policy in &role.policies {
                declared.insert(known(policy, &what("policies of"))?.to_owned());
            }
            for arn in declared.difference(&present) {
                let call = client
                    .attach_role_policy()
                    .role_name(&role.name)
                    .policy_arn(arn);
                call.send()
                    .await
                    .map_err(|error| failure(what("AttachRolePolicy"), error))?;
            }
            for arn in present.difference(&declared) {
                or_missing(
                    what("DetachRolePolicy"),
                    client
                        .detach_role_policy()
                        .role_name(&role.name)
                        .policy_arn(arn)
                        .send()
                        .await,
                )?;
            }
            Ok(())
        }
        Wanted::Policy(policy) => {
            if document::same(seen.spec.get("document").unwrap_or(&null), &policy.document) {
                return Ok(());
            }
            // A policy has five versions at most ("IAM and STS quotas").
            let mut versions = versions(client, &seen.arn).await?;
            if versions.len() >= 5 && !versions.is_empty() {
                let oldest = versions.remove(0);
                or_missing(
                    what("DeletePolicyVersion"),
                    client
                        .delete_policy_version()
                        .policy_arn(&seen.arn)
                        .version_id(oldest)
                        .send()
                        .await,
                )?;
            }
            let call = client
                .create_policy_version()
                .policy_arn(&seen.arn)
                .policy_document(policy.document.to_string())
                .set_as_default(true);
            call.send()
                .await
                .map_err(|error| failure(what("CreatePolicyVersion"), error))
                .map(drop)
        }
        Wanted::Profile(profile) => {
            let role = known(&profile.role, &what("role of"))?;
            let present = seen
                .spec
                .get("role")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if present == role {
                return Ok(());
            }
            // A profile holds one role.
            if !present.is_empty() {
                let call = client
                    .remove_role_from_instance_profile()
                    .instance_profile_name(&profile.name)
                    .role_name(present);
                or_missing(what("RemoveRoleFromInstanceProfile"), call.send().await)?;
            }
            let call = client
                .add_role_to_instance_profile()
                .instance_profile_name(&profile.name)
                .role_name(role);
            call.send()
                .await
                .map_err(|error| failure(what("AddRoleToInstanceProfile"), error))
                .map(drop)
        }
    }
}

/// Version ids that are not the default, the oldest first, with room for the default: as long as the whole list.
async fn versions(client: &Client, arn: &str) -> Result<Vec<String>, Error> {
    let call = client
        .list_policy_versions()
        .policy_arn(arn)
        .into_paginator()
        .items()
        .send();
    let mut list = call
        .try_collect()
        .await
        .map_err(|error| failure(format!("ListPolicyVersions {arn}"), error))?;
    // `v12`: versions count up and are never used again.
    list.sort_by_key(|version| {
        let number = version
            .version_id()
            .and_then(|id| id.trim_start_matches('v').parse::<u64>().ok())
            .unwrap_or(0);
        (version.is_default_version(), number)
    });
    Ok(list
        .into_iter()
        .filter_map(|version| version.version_id)
        .collect())
}

pub(crate) async fn tag(
    client: &Client,
    kind: Kind,
    key: &str,
    set: &TagMap,
    unset: Vec<String>,
) -> Result<(), Error> {
    let tags = to_sdk(set)?;
    let what = |call: &str| format!("{call} {key}");
    if !set.is_empty() {
        match kind {
            Kind::Role => client
                .tag_role()
                .role_name(key)
                .set_tags(Some(tags))
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(what("TagRole"), error))?,
            Kind::Policy => client
                .tag_policy()
                .policy_arn(key)
                .set_tags(Some(tags))
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(what("TagPolicy"), error))?,
            Kind::Profile => {
                let call = client
                    .tag_instance_profile()
                    .instance_profile_name(key)
                    .set_tags(Some(tags));
                call.send()
                    .await
                    .map(drop)
                    .map_err(|error| failure(what("TagInstanceProfile"), error))?;
            }
        }
    }
    if !unset.is_empty() {
        let keys = Some(unset);
        match kind {
            Kind::Role => client
                .untag_role()
                .role_name(key)
                .set_tag_keys(keys)
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(what("UntagRole"), error))?,
            Kind::Policy => client
                .untag_policy()
                .policy_arn(key)
                .set_tag_keys(keys)
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(what("UntagPolicy"), error))?,
            Kind::Profile => {
                let call = client
                    .untag_instance_profile()
                    .instance_profile_name(key)
                    .set_tag_keys(keys);
                call.send()
                    .await
                    .map(drop)
                    .map_err(|error| failure(what("UntagInstanceProfile"), error))?;
            }
        }
    }
    Ok(())
}

/// Takes apart what holds it, then deletes it.
pub(crate) async fn delete(client: &Client, kind: Kind, seen: &Seen) -> Result<(), Error> {
    let name = &seen.name;
    let what = |call: &str| format!("{call} {name}");
    match kind {
        Kind::Role => {
            for arn in attached(client, name).await? {
                or_missing(
                    what("DetachRolePolicy"),
                    client
                        .detach_role_policy()
                        .role_name(name)
                        .policy_arn(arn)
                        .send()
                        .await,
                )?;
            }
            let call = client
                .list_role_policies()
                .role_name(name)
                .into_paginator()
                .items()
                .send();
            for inline in call
                .try_collect()
                .await
                .map_err(|error| failure(what("ListRolePolicies"), error))?
            {
                or_missing(
                    what("DeleteRolePolicy"),
                    client
                        .delete_role_policy()
                        .role_name(name)
                        .policy_name(inline)
                        .send()
                        .await,
                )?;
            }
            let call = client
                .list_instance_profiles_for_role()
                .role_name(name)
                .into_paginator()
                .items()
                .send();
            for profile in call
                .try_collect()
                .await
                .map_err(|error| failure(what("ListInstanceProfilesForRole"), error))?
            {
                let call = client
                    .remove_role_from_instance_profile()
                    .role_name(name)
                    .instance_profile_name(profile.instance_profile_name);
                or_missing(what("RemoveRoleFromInstanceProfile"), call.send().await)?;
            }
            or_missing(
                what("DeleteRole"),
                client.delete_role().role_name(name).send().await,
            )
            .map(drop)
        }
        Kind::Policy => {
            let call = client
                .list_entities_for_policy()
                .policy_arn(&seen.arn)
                .send()
                .await;
            if let Some(entities) = or_missing(what("ListEntitiesForPolicy"), call)? {
                for role in entities
                    .policy_roles()
                    .iter()
                    .filter_map(|role| role.role_name())
                {
                    or_missing(
                        what("DetachRolePolicy"),
                        client
                            .detach_role_policy()
                            .role_name(role)
                            .policy_arn(&seen.arn)
                            .send()
                            .await,
                    )?;
                }
            }
            let mut versions = versions(client, &seen.arn).await?;
            // The default goes with the policy itself.
            versions.pop();
            for version in versions {
                or_missing(
                    what("DeletePolicyVersion"),
                    client
                        .delete_policy_version()
                        .policy_arn(&seen.arn)
                        .version_id(version)
                        .send()
                        .await,
                )?;
            }
            or_missing(
                what("DeletePolicy"),
                client.delete_policy().policy_arn(&seen.arn).send().await,
            )
            .map(drop)
        }
        Kind::Profile => {
            if let Some(role) = seen
                .spec
                .get("role")
                .and_then(Value::as_str)
                .filter(|role| !role.is_empty())
            {
                let call = client
                    .remove_role_from_instance_profile()
                    .instance_profile_name(name)
                    .role_name(role);
                or_missing(what("RemoveRoleFromInstanceProfile"), call.send().await)?;
            }
            or_missing(
                what("DeleteInstanceProfile"),
                client
                    .delete_instance_profile()
                    .instance_profile_name(name)
                    .send()
                    .await,
            )
            .map(drop)
        }
    }
}
