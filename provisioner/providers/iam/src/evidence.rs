//! What IAM holds of an environment, as evidence: every answer as the service gave it. Reading only; IAM answers no secret.
//!
//! What was done with an identity is in CloudTrail, which keeps its own signed files in a bucket of the account's choice: whoever runs the
//! account collects those, and the bundle says so.

use std::collections::BTreeSet;

use ::evidence::collect::{Collector, Shelf, part};
use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::Builder;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use executor::provider::Error;
use planner::Generation;
use planner::identity::tags;
use provider_aws::{Answers, code, failure};

use crate::objects::{self, Kind};

const SERVICE: &str = "iam";

/// Of which identities evidence is collected.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose roles, policies and profiles are found by our path and marks.
    pub environment: String,
    /// Its generations; every one of them when empty.
    pub generations: BTreeSet<Generation>,
    /// Users by name.
    pub users: Vec<String>,
    /// Further roles by name.
    pub roles: Vec<String>,
}

/// IAM of one account as a place that evidence comes from.
#[derive(Debug)]
pub struct IamEvidence {
    client: Client,
    answers: Answers,
    scope: Scope,
}

/// An answer onto the shelf, and what the SDK made of it.
macro_rules! ask {
    ($self:ident, $shelf:ident, $name:expr, $call:expr, $request:expr) => {{
        let answer = $request.send().await;
        $self.shelve($shelf, $name, $call, answer).await
    }};
}

/// Pages of a listing onto the shelf, and its items; an empty list where it failed.
macro_rules! list {
    ($self:ident, $shelf:ident, $name:expr, $call:expr, $request:expr) => {{
        let items = $request.into_paginator().items().send().try_collect().await;
        $self
            .shelve($shelf, $name, $call, items)
            .await
            .unwrap_or_default()
    }};
}

impl IamEvidence {
    /// IAM behind a configuration from [`provider_aws::Connection::load`].
    pub fn new(config: &aws_config::SdkConfig, scope: Scope) -> Self {
        let answers = Answers::default();
        let config = Builder::from(config).interceptor(answers.clone()).build();
        Self {
            client: Client::from_conf(config),
            answers,
            scope,
        }
    }

    async fn shelve<T, E>(
        &self,
        shelf: &Shelf,
        name: &str,
        call: &str,
        answer: Result<T, SdkError<E>>,
    ) -> Option<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = answer.map_err(|error| failure(call, error));
        self.answers
            .shelve(shelf, name, call, SERVICE, answer)
            .await
    }

    fn mine(&self, found: &objects::TagMap) -> bool {
        found.get(tags::ENVIRONMENT) == Some(&self.scope.environment)
            && (self.scope.generations.is_empty()
                || found
                    .get(tags::GENERATION)
                    .and_then(|text| text.parse().ok())
                    .is_some_and(|found: Generation| self.scope.generations.contains(&found)))
    }

    /// Names (ARNs of policies) of what is marked, and generations they are of.
    async fn marked(&self, kind: Kind) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
        let path = format!("/rebuild/{}/", self.scope.environment);
        let (mut names, mut generations) = (BTreeSet::new(), BTreeSet::new());
        let found = objects::list(&self.client, kind, &path).await;
        drop(self.answers.take());
        for key in found? {
            let read = objects::read(&self.client, kind, &key).await;
            drop(self.answers.take());
            if let Some(mut seen) = read?.filter(|seen| self.mine(&seen.tags)) {
                generations.extend(seen.tags.remove(tags::GENERATION));
                names.insert(key);
            }
        }
        Ok((names, generations))
    }

    async fn ours(&self, shelf: &Shelf, kind: Kind, name: &str, call: &str) -> BTreeSet<String> {
        match self.marked(kind).await {
            Ok((names, _)) => names,
            Err(error) => {
                shelf.missing(name, call, SERVICE, &error).await;
                BTreeSet::new()
            }
        }
    }

    async fn user(&self, shelf: &Shelf, user: &str, policies: &mut BTreeSet<String>) {
        let (client, at) = (&self.client, format!("users/{}", part(user)));
        let name = |what: &str| format!("{at}/{what}");
        let call = |call: &str| format!("{call} {user}");
        ask!(
            self,
            shelf,
            &name("user"),
            &call("GetUser"),
            client.get_user().user_name(user)
        );
        let keys = list!(
            self,
            shelf,
            &name("access-keys"),
            &call("ListAccessKeys"),
            client.list_access_keys().user_name(user)
        );
        for id in keys.iter().filter_map(|key| key.access_key_id()) {
            ask!(
                self,
                shelf,
                &name(&format!("access-keys/{}", part(id))),
                &format!("GetAccessKeyLastUsed {id}"),
                client.get_access_key_last_used().access_key_id(id)
            );
        }
        let inline = list!(
            self,
            shelf,
            &name("policies"),
            &call("ListUserPolicies"),
            client.list_user_policies().user_name(user)
        );
        for policy in inline {
            ask!(
                self,
                shelf,
                &name(&format!("policies/{}", part(&policy))),
                &format!("GetUserPolicy {user} {policy}"),
                client
                    .get_user_policy()
                    .user_name(user)
                    .policy_name(&policy)
            );
        }
        let attached = list!(
            self,
            shelf,
            &name("attached"),
            &call("ListAttachedUserPolicies"),
            client.list_attached_user_policies().user_name(user)
        );
        policies.extend(attached.into_iter().filter_map(|policy| policy.policy_arn));
        list!(
            self,
            shelf,
            &name("mfa-devices"),
            &call("ListMFADevices"),
            client.list_mfa_devices().user_name(user)
        );
        let profile = client.get_login_profile().user_name(user).send().await;
        if profile
            .as_ref()
            .is_err_and(|error| code(error) == "NoSuchEntity")
        {
            let none = "a password was never set";
            shelf
                .put(
                    &name("login-profile"),
                    &call("GetLoginProfile"),
                    SERVICE,
                    &none,
                )
                .await;
        } else {
            self.shelve(
                shelf,
                &name("login-profile"),
                &call("GetLoginProfile"),
                profile,
            )
            .await;
        }
        let groups = list!(
            self,
            shelf,
            &name("groups"),
            &call("ListGroupsForUser"),
            client.list_groups_for_user().user_name(user)
        );
        for group in groups {
            self.group(shelf, &at, group.group_name(), policies).await;
        }
    }

    async fn group(&self, shelf: &Shelf, at: &str, group: &str, policies: &mut BTreeSet<String>) {
        let at = format!("{at}/groups/{}", part(group));
        let inline = list!(
            self,
            shelf,
            &format!("{at}/policies"),
            &format!("ListGroupPolicies {group}"),
            self.client.list_group_policies().group_name(group)
        );
        for policy in inline {
            ask!(
                self,
                shelf,
                &format!("{at}/policies/{}", part(&policy)),
                &format!("GetGroupPolicy {group} {policy}"),
                self.client
                    .get_group_policy()
                    .group_name(group)
                    .policy_name(&policy)
            );
        }
        let attached = list!(
            self,
            shelf,
            &format!("{at}/attached"),
            &format!("ListAttachedGroupPolicies {group}"),
            self.client.list_attached_group_policies().group_name(group)
        );
        policies.extend(attached.into_iter().filter_map(|policy| policy.policy_arn));
    }

    async fn role(&self, shelf: &Shelf, role: &str, policies: &mut BTreeSet<String>) {
        let (client, at) = (&self.client, format!("roles/{}", part(role)));
        ask!(
            self,
            shelf,
            &format!("{at}/role"),
            &format!("GetRole {role}"),
            client.get_role().role_name(role)
        );
        let inline = list!(
            self,
            shelf,
            &format!("{at}/policies"),
            &format!("ListRolePolicies {role}"),
            client.list_role_policies().role_name(role)
        );
        for policy in inline {
            ask!(
                self,
                shelf,
                &format!("{at}/policies/{}", part(&policy)),
                &format!("GetRolePolicy {role} {policy}"),
                client
                    .get_role_policy()
                    .role_name(role)
                    .policy_name(&policy)
            );
        }
        let attached = list!(
            self,
            shelf,
            &format!("{at}/attached"),
            &format!("ListAttachedRolePolicies {role}"),
            client.list_attached_role_policies().role_name(role)
        );
        policies.extend(attached.into_iter().filter_map(|policy| policy.policy_arn));
        list!(
            self,
            shelf,
            &format!("{at}/instance-profiles"),
            &format!("ListInstanceProfilesForRole {role}"),
            client.list_instance_profiles_for_role().role_name(role)
        );
    }

    /// A managed policy with the document of every version: an intruder may have changed which one is the default.
    async fn policy(&self, shelf: &Shelf, arn: &str) {
        let at = format!("policies/{}", part(arn));
        ask!(
            self,
            shelf,
            &format!("{at}/policy"),
            &format!("GetPolicy {arn}"),
            self.client.get_policy().policy_arn(arn)
        );
        let versions = list!(
            self,
            shelf,
            &format!("{at}/versions"),
            &format!("ListPolicyVersions {arn}"),
            self.client.list_policy_versions().policy_arn(arn)
        );
        for version in versions.iter().filter_map(|version| version.version_id()) {
            ask!(
                self,
                shelf,
                &format!("{at}/versions/{}", part(version)),
                &format!("GetPolicyVersion {arn} {version}"),
                self.client
                    .get_policy_version()
                    .policy_arn(arn)
                    .version_id(version)
            );
        }
    }
}

#[async_trait]
impl Collector for IamEvidence {
    fn name(&self) -> &'static str {
        "iam"
    }

    async fn generations(&self) -> Result<Vec<String>, String> {
        let found = self.marked(Kind::Role).await;
        let (_, generations) = found.map_err(|error| error.to_string())?;
        Ok(generations.into_iter().collect())
    }

    async fn collect(&self, shelf: &Shelf) {
        let mut policies = self
            .ours(shelf, Kind::Policy, "policies/marked", "ListPolicies")
            .await;
        let mut roles = self
            .ours(shelf, Kind::Role, "roles/marked", "ListRoles")
            .await;
        roles.extend(self.scope.roles.iter().cloned());
        for role in &roles {
            self.role(shelf, role, &mut policies).await;
        }
        for user in &self.scope.users {
            self.user(shelf, user, &mut policies).await;
        }
        let profiles = self
            .ours(
                shelf,
                Kind::Profile,
                "instance-profiles/marked",
                "ListInstanceProfiles",
            )
            .await;
        for profile in &profiles {
            ask!(
                self,
                shelf,
                &format!("instance-profiles/{}", part(profile)),
                &format!("GetInstanceProfile {profile}"),
                self.client
                    .get_instance_profile()
                    .instance_profile_name(profile)
            );
        }
        for arn in &policies {
            self.policy(shelf, arn).await;
        }
        let place =
            "CloudTrail keeps its signed files in the trail's own bucket; take a copy of that";
        shelf
            .elsewhere("cloudtrail", "LookupEvents", "cloudtrail", place)
            .await;
    }
}
