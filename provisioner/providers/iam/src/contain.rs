//! Cuts roles and users off: everything denied, sessions issued before now denied for good, access keys inactive.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_iam::types::StatusType;
use containment::{Barrier, Item, State, Survey};
use executor::provider::{Error, ErrorKind};
use futures::{StreamExt, TryStreamExt};
use planner::Generation;
use provider_aws::failure;
use serde_json::{Value, json};

use crate::document;
use crate::objects::{self, Kind, or_missing};

/// Reads under way at once.
const READS: usize = 8;
/// Inline policy that denies everything.
const DENY: &str = "rebuild-contained";
/// Inline policy that denies sessions issued before a time. It stays when the environment is let in again.
/// Source: "Revoking IAM role temporary security credentials", whose console writes the same statement.
const SESSIONS: &str = "rebuild-revoked-sessions";

/// Which identities are the environment's.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The environment, whose roles are found by our path and marks.
    pub environment: String,
    /// Generations that are left alone.
    pub except: BTreeSet<Generation>,
    /// Users by name.
    pub users: Vec<String>,
    /// Further roles by name.
    pub roles: Vec<String>,
}

/// IAM of one account as a place that can be closed.
#[derive(Clone, Debug)]
pub struct IamBarrier {
    client: Client,
    scope: Scope,
    /// ARN of who runs this: never locked out.
    principal: String,
    /// Sessions issued before it are revoked.
    now: jiff::Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Role,
    User,
}

impl Who {
    fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
        }
    }

    fn of(item: &Item) -> Result<(Self, String), Error> {
        let malformed = || Error::new(ErrorKind::Invalid, &item.id, "is no item of IAM");
        let (kind, rest) = item.id.split_once('/').ok_or_else(malformed)?;
        let name = rest.rsplit_once('/').ok_or_else(malformed)?.0.to_owned();
        match kind {
            "iam.role" => Ok((Self::Role, name)),
            "iam.user" | "iam.access-key" => Ok((Self::User, name)),
            _ => Err(malformed()),
        }
    }
}

impl IamBarrier {
    /// IAM behind a configuration from [`provider_aws::Connection::load`]; `principal` is the ARN of who runs this, which is not locked out.
    pub fn new(
        config: &aws_config::SdkConfig,
        scope: Scope,
        principal: impl Into<String>,
        now: jiff::Timestamp,
    ) -> Self {
        Self {
            client: Client::new(config),
            scope,
            principal: principal.into(),
            now,
        }
    }

    /// Whether closing this would lock out who closes it.
    fn is_self(&self, who: Who, name: &str) -> bool {
        // `arn:aws:iam::ACCOUNT:user/PATH/NAME`, `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION` (IAM User Guide, "IAM identifiers").
        let resource = self.principal.rsplit(':').next().unwrap_or_default();
        let mut parts = resource.split('/');
        match (who, parts.next()) {
            (Who::User, Some("user")) => parts.next_back() == Some(name),
            (Who::Role, Some("assumed-role")) => parts.next() == Some(name),
            (Who::Role, Some("role")) => parts.next_back() == Some(name),
            _ => false,
        }
    }

    /// Names of the environment's roles: marked ones under our path, and those named.
    async fn roles(&self) -> Result<BTreeSet<String>, Error> {
        let path = format!("/rebuild/{}/", self.scope.environment);
        let names = objects::list(&self.client, Kind::Role, &path).await?;
        let read = futures::stream::iter(names)
            .map(|name| async move { objects::read(&self.client, Kind::Role, &name).await });
        let seen: Vec<_> = read.buffered(READS).try_collect().await?;
        let mine = seen.into_iter().flatten().filter(|role| {
            let mark = |tag: &str| role.tags.get(tag).map(String::as_str);
            let excepted = mark(planner::identity::tags::GENERATION)
                .and_then(|text| text.parse().ok())
                .is_some_and(|generation: Generation| self.scope.except.contains(&generation));
            mark(planner::identity::tags::ENVIRONMENT) == Some(&self.scope.environment) && !excepted
        });
        Ok(mine
            .map(|role| role.name)
            .chain(self.scope.roles.iter().cloned())
            .collect())
    }

    /// One that is named and not there has nothing that could be closed; it is shown, so that a misspelt name is seen.
    async fn of(&self, who: Who, name: &str) -> Result<Vec<Item>, Error> {
        if !self.exists(who, name).await? {
            let word = who.word();
            return Ok(vec![Item {
                id: format!("iam.{word}/{name}"),
                what: format!("{word} {name}, which is not there"),
                action: "nothing".to_owned(),
                wave: 0,
                state: State::Closed,
                before: Value::Null,
                undo: "nothing was done".to_owned(),
            }]);
        }
        let (deny, sessions) = futures::try_join!(
            self.inline(who, name, DENY),
            self.inline(who, name, SESSIONS)
        )?;
        let word = who.word();
        let what = format!("{word} {name}");
        let mut items = vec![
            Item {
                id: format!("iam.{word}/{name}/deny"),
                what: what.clone(),
                action: "deny everything".to_owned(),
                wave: 0,
                state: state(deny.is_some_and(|document| document::same(&document, &everything()))),
                before: Value::Null,
                undo: format!(
                    "aws iam delete-{word}-policy --{word}-name {name} --policy-name {DENY}"
                ),
            },
            Item {
                id: format!("iam.{word}/{name}/sessions"),
                what,
                action: "revoke sessions issued before now".to_owned(),
                wave: 1,
                state: state(sessions.is_some()),
                before: Value::Null,
                undo: format!(
                    "meant to stay; aws iam delete-{word}-policy --{word}-name {name} --policy-name {SESSIONS}"
                ),
            },
        ];
        if who == Who::User {
            items.extend(self.keys(name).await?);
        }
        Ok(items)
    }

    async fn exists(&self, who: Who, name: &str) -> Result<bool, Error> {
        let failed = match who {
            Who::User => match self.client.get_user().user_name(name).send().await {
                Ok(_) => return Ok(true),
                Err(error) if error.code() == Some("NoSuchEntity") => return Ok(false),
                Err(error) => failure(format!("GetUser {name}"), error),
            },
            Who::Role => match self.client.get_role().role_name(name).send().await {
                Ok(_) => return Ok(true),
                Err(error) if error.code() == Some("NoSuchEntity") => return Ok(false),
                Err(error) => failure(format!("GetRole {name}"), error),
            },
        };
        // Who may close a thing may not be allowed to look at it: then it is taken to be there.
        match failed.kind {
            ErrorKind::Denied => Ok(true),
            _ => Err(failed),
        }
    }

    async fn keys(&self, user: &str) -> Result<Vec<Item>, Error> {
        let call = self
            .client
            .list_access_keys()
            .user_name(user)
            .into_paginator()
            .items()
            .send();
        let keys = call
            .try_collect()
            .await
            .map_err(|error| failure(format!("ListAccessKeys {user}"), error))?;
        let items = keys.into_iter().filter_map(|key| {
            let id = key.access_key_id()?.to_owned();
            let created = key
                .create_date()
                .and_then(|date| jiff::Timestamp::from_second(date.secs()).ok())
                .map_or(String::new(), |date| format!(", made {date}"));
            Some(Item {
                what: format!("access key {id} of the user {user}{created}"),
                action: "deactivate".to_owned(),
                wave: 0,
                state: state(key.status() == Some(&StatusType::Inactive)),
                before: json!({ "status": key.status().map(StatusType::as_str) }),
                undo: format!(
                    "aws iam update-access-key --user-name {user} --access-key-id {id} --status Active"
                ),
                id: format!("iam.access-key/{user}/{id}"),
            })
        });
        Ok(items.collect())
    }

    async fn inline(&self, who: Who, name: &str, policy: &str) -> Result<Option<Value>, Error> {
        let found = match who {
            Who::Role => or_missing(
                format!("GetRolePolicy {name} {policy}"),
                self.client
                    .get_role_policy()
                    .role_name(name)
                    .policy_name(policy)
                    .send()
                    .await,
            )?
            .map(|answer| answer.policy_document),
            Who::User => or_missing(
                format!("GetUserPolicy {name} {policy}"),
                self.client
                    .get_user_policy()
                    .user_name(name)
                    .policy_name(policy)
                    .send()
                    .await,
            )?
            .map(|answer| answer.policy_document),
        };
        Ok(found.map(|text| document::decode(&text)))
    }

    async fn put(&self, who: Who, name: &str, policy: &str, text: &Value) -> Result<(), Error> {
        let text = text.to_string();
        match who {
            Who::Role => self
                .client
                .put_role_policy()
                .role_name(name)
                .policy_name(policy)
                .policy_document(text)
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(format!("PutRolePolicy {name} {policy}"), error)),
            Who::User => self
                .client
                .put_user_policy()
                .user_name(name)
                .policy_name(policy)
                .policy_document(text)
                .send()
                .await
                .map(drop)
                .map_err(|error| failure(format!("PutUserPolicy {name} {policy}"), error)),
        }
    }
}

fn state(closed: bool) -> State {
    if closed { State::Closed } else { State::Open }
}

fn everything() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "RebuildContained", "Effect": "Deny", "Action": "*", "Resource": "*"},
    ]})
}

fn sessions_before(now: jiff::Timestamp) -> Value {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "RebuildRevokedSessions", "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": now}},
    }]})
}

#[async_trait]
impl Barrier for IamBarrier {
    fn name(&self) -> &'static str {
        "iam"
    }

    async fn survey(&self) -> Result<Survey, Error> {
        let mut survey = Survey::default();
        let roles = match self.roles().await {
            Ok(roles) => roles,
            Err(error) => {
                survey.unread.push(error);
                self.scope.roles.iter().cloned().collect()
            }
        };
        let users: BTreeSet<String> = self.scope.users.iter().cloned().collect();
        let all = roles
            .into_iter()
            .map(|name| (Who::Role, name))
            .chain(users.into_iter().map(|name| (Who::User, name)));
        let mut asked = Vec::new();
        for (who, name) in all {
            if self.is_self(who, &name) {
                survey.unread.push(Error::new(
                    ErrorKind::Invalid,
                    format!("{} {name}", who.word()),
                    "is who runs this, and stays open; close it as somebody else",
                ));
            } else {
                asked.push((who, name));
            }
        }
        let found: Vec<Result<Vec<Item>, Error>> = futures::stream::iter(asked)
            .map(|(who, name)| async move { self.of(who, &name).await })
            .buffered(READS)
            .collect()
            .await;
        for items in found {
            match items {
                Ok(items) => survey.items.extend(items),
                Err(error) => survey.unread.push(error),
            }
        }
        Ok(survey)
    }

    async fn close(&self, item: &Item) -> Result<(), Error> {
        let (who, name) = Who::of(item)?;
        let last = item.id.rsplit('/').next().unwrap_or_default();
        if item.id.starts_with("iam.access-key/") {
            return or_missing(
                format!("UpdateAccessKey {last}"),
                self.client
                    .update_access_key()
                    .user_name(name)
                    .access_key_id(last)
                    .status(StatusType::Inactive)
                    .send()
                    .await,
            )
            .map(drop);
        }
        match last {
            "deny" => self.put(who, &name, DENY, &everything()).await,
            _ => {
                self.put(who, &name, SESSIONS, &sessions_before(self.now))
                    .await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_it_is_recognised() {
        for (principal, who, name, expected) in [
            ("arn:aws:iam::1:user/ops/ada", Who::User, "ada", true),
            ("arn:aws:iam::1:user/ada", Who::User, "bob", false),
            (
                "arn:aws:sts::1:assumed-role/rescue/ada",
                Who::Role,
                "rescue",
                true,
            ),
            (
                "arn:aws:sts::1:assumed-role/rescue/node",
                Who::Role,
                "node",
                false,
            ),
            ("arn:aws:iam::1:role/path/rescue", Who::Role, "rescue", true),
            ("arn:aws:iam::1:root", Who::User, "root", false),
            ("", Who::User, "", false),
        ] {
            let barrier = IamBarrier {
                client: Client::from_conf(
                    aws_sdk_iam::Config::builder()
                        .behavior_version(aws_sdk_iam::config::BehaviorVersion::latest())
                        .build(),
                ),
                scope: Scope::default(),
                principal: principal.to_owned(),
                now: jiff::Timestamp::UNIX_EPOCH,
            };
            assert_eq!(barrier.is_self(who, name), expected, "{principal} {name}");
        }
    }
}
