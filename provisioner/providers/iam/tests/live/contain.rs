//! Users and roles are cut off, and moto, made to enforce policies, refuses them itself.
//!
//! moto lets inactive access keys in, so that they are inactive is read back; it denies by the policy.

use std::collections::BTreeSet;

use aws_sdk_iam::Client;
use containment::{Barrier, Item, State};
use provider_iam::contain::{IamBarrier, Scope};
use serde_json::json;

use crate::support::Moto;

const ADMIN: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// A user who may do everything, and the keys it was given.
async fn user(client: &Client, name: &str, keys: usize) -> Vec<(String, String)> {
    client
        .create_user()
        .user_name(name)
        .send()
        .await
        .expect("a user");
    client
        .put_user_policy()
        .user_name(name)
        .policy_name("admin")
        .policy_document(ADMIN)
        .send()
        .await
        .expect("its policy");
    let mut made = Vec::new();
    for _ in 0..keys {
        let key = client.create_access_key().user_name(name).send().await;
        let key = key.expect("a key").access_key.expect("a key");
        made.push((key.access_key_id, key.secret_access_key));
    }
    made
}

/// A role of ours, as the provider marks it.
async fn role(client: &Client, name: &str, environment: &str, generation: &str) {
    let tag = |key: &str, value: &str| {
        let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value);
        tag.build().expect("a tag")
    };
    client
        .create_role()
        .role_name(name)
        .path(format!("/rebuild/live/{generation}/"))
        .assume_role_policy_document(json!({"Version": "2012-10-17", "Statement": []}).to_string())
        .tags(tag("rebuild:environment", environment))
        .tags(tag("rebuild:generation", generation))
        .tags(tag("rebuild:address", "iam.role.node"))
        .send()
        .await
        .expect("a role");
}

async fn allowed(client: &Client) -> Result<(), String> {
    let answer = client.list_roles().send().await;
    let error = |error| provider_aws::failure("ListRoles", error);
    answer.map(drop).map_err(|sdk| error(sdk).to_string())
}

async fn policies(client: &Client, role: &str) -> Vec<String> {
    let answer = client.list_role_policies().role_name(role).send().await;
    answer.expect("the role").policy_names
}

fn ids(items: &[Item], state: State) -> BTreeSet<&str> {
    let items = items.iter().filter(|item| item.state == state);
    items.map(|item| item.id.as_str()).collect()
}

#[tokio::test]
async fn who_was_let_in_is_refused_by_the_server_and_nobody_else_is() {
    let moto = Moto::start().await;
    let admin = Client::new(&moto.config().await);
    let operator = user(&admin, "operator", 1).await.remove(0);
    let planted = user(&admin, "deployer", 2).await;
    let stranger = user(&admin, "stranger", 1).await.remove(0);
    role(&admin, "old", "live", "20261124-0001").await;
    role(&admin, "new", "live", "20261125-0001").await;
    role(&admin, "other", "another", "20261124-0001").await;
    moto.enforce().await;

    let as_planted = Client::new(&moto.config_as(&planted[1].0, &planted[1].1).await);
    let as_stranger = Client::new(&moto.config_as(&stranger.0, &stranger.1).await);
    assert_eq!(allowed(&as_planted).await, Ok(()), "before");

    let config = moto.config_as(&operator.0, &operator.1).await;
    let scope = Scope {
        environment: "live".to_owned(),
        except: ["20261125-0001".parse().expect("an id")].into(),
        users: ["deployer", "operator", "nobody"].map(str::to_owned).into(),
        roles: Vec::new(),
    };
    let principal = "arn:aws:iam::123456789012:user/operator";
    let barrier = IamBarrier::new(&config, scope, principal, jiff::Timestamp::now());
    let survey = barrier.survey().await.expect("a survey");
    let keys: Vec<String> = planted
        .iter()
        .map(|(id, _)| format!("iam.access-key/deployer/{id}"))
        .collect();
    let mut expected = BTreeSet::from([
        "iam.role/old/deny",
        "iam.role/old/sessions",
        "iam.user/deployer/deny",
        "iam.user/deployer/sessions",
    ]);
    expected.extend(keys.iter().map(String::as_str));
    assert_eq!(ids(&survey.items, State::Open), expected);
    let unread: Vec<String> = survey.unread.iter().map(ToString::to_string).collect();
    assert_eq!(unread.len(), 1, "{unread:?}");
    assert!(
        unread[0].starts_with("user operator: is who runs this"),
        "{unread:?}"
    );
    assert!(ids(&survey.items, State::Closed).contains("iam.user/nobody"));

    for item in survey.items.iter().filter(|item| item.state == State::Open) {
        barrier
            .close(item)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", item.id));
    }
    assert_eq!(
        allowed(&as_planted).await,
        Err("ListRoles: HTTP 403".to_owned())
    );
    assert_eq!(
        allowed(&as_stranger).await,
        Ok(()),
        "a stranger is no business of ours"
    );
    let operator = Client::new(&config);
    assert_eq!(
        policies(&operator, "old").await,
        ["rebuild-contained", "rebuild-revoked-sessions"]
    );
    assert!(policies(&operator, "new").await.is_empty());
    assert!(policies(&operator, "other").await.is_empty());
    let sessions = operator
        .get_role_policy()
        .role_name("old")
        .policy_name("rebuild-revoked-sessions")
        .send()
        .await
        .expect("the policy");
    assert!(sessions.policy_document().contains("TokenIssueTime"));

    let again = barrier.survey().await.expect("a survey");
    expected.insert("iam.user/nobody");
    assert_eq!(ids(&again.items, State::Closed), expected);
    assert!(ids(&again.items, State::Open).is_empty());
}
