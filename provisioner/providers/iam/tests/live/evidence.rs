//! Who an environment lets in is read before anything is destroyed.

use aws_sdk_iam::Client;
use evidence::collect::Collector;
use evidence::testing::collected;
use provider_iam::evidence::{IamEvidence, Scope};
use serde_json::json;

use crate::support::Moto;

#[tokio::test]
async fn users_and_roles_are_read_and_nothing_of_their_keys() {
    let moto = Moto::start().await;
    let client = Client::new(&moto.config().await);
    let nobody = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    for (name, generation) in [("old", "20261124-0001"), ("new", "20261125-0001")] {
        let tag = |key: &str, value: &str| {
            let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value);
            tag.build().expect("a tag")
        };
        client
            .create_role()
            .role_name(name)
            .path(format!("/rebuild/live/{generation}/"))
            .assume_role_policy_document(&nobody)
            .tags(tag("rebuild:environment", "live"))
            .tags(tag("rebuild:generation", generation))
            .send()
            .await
            .expect("a role");
    }
    client
        .create_user()
        .user_name("deployer")
        .send()
        .await
        .expect("a user");
    let planted = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}]});
    client
        .put_user_policy()
        .user_name("deployer")
        .policy_name("planted")
        .policy_document(planted.to_string())
        .send()
        .await
        .expect("a policy");
    let attached = client
        .create_policy()
        .policy_name("wide")
        .policy_document(planted.to_string())
        .send()
        .await
        .expect("a policy")
        .policy
        .and_then(|policy| policy.arn)
        .expect("an ARN");
    client
        .attach_role_policy()
        .role_name("old")
        .policy_arn(&attached)
        .send()
        .await
        .expect("attached");
    client
        .create_group()
        .group_name("ops")
        .send()
        .await
        .expect("a group");
    client
        .add_user_to_group()
        .group_name("ops")
        .user_name("deployer")
        .send()
        .await
        .expect("a member");
    let key = client
        .create_access_key()
        .user_name("deployer")
        .send()
        .await;
    let key = key.expect("a key").access_key.expect("a key");

    let scope = Scope {
        environment: "live".to_owned(),
        generations: ["20261124-0001".parse().expect("an id")].into(),
        users: vec!["deployer".to_owned(), "gone".to_owned()],
        roles: Vec::new(),
    };
    let place = IamEvidence::new(&moto.config().await, scope);
    assert_eq!(
        place.generations().await,
        Ok(vec!["20261124-0001".to_owned()])
    );
    let (texts, missing) = collected(place).await;
    let id = &key.access_key_id;
    for (name, words) in [
        ("iam/users/deployer/user.xml", "deployer"),
        ("iam/users/deployer/access-keys.xml", id.as_str()),
        (
            &format!("iam/users/deployer/access-keys/{id}.xml"),
            "AccessKeyLastUsed",
        ),
        ("iam/users/deployer/policies/planted.xml", "PassRole"),
        ("iam/users/deployer/groups.xml", "ops"),
        ("iam/users/deployer/login-profile.json", "never"),
        ("iam/roles/old/role.xml", "20261124-0001"),
        ("iam/roles/old/attached.xml", "wide"),
        (
            "iam/policies/arn:aws:iam::123456789012:policy~2fwide/versions/v1.xml",
            "PassRole",
        ),
    ] {
        let text = texts
            .get(name)
            .unwrap_or_else(|| panic!("{name}: {:?}", texts.keys()));
        assert!(text.contains(words), "{name}: {text}");
    }
    assert!(
        !texts.keys().any(|name| name.contains("roles/new")),
        "{:?}",
        texts.keys()
    );
    for (name, text) in &texts {
        assert!(!text.contains(&key.secret_access_key), "{name}");
    }
    assert!(missing["iam/cloudtrail"].starts_with("collected elsewhere: "));
    assert!(
        missing["iam/users/gone/user"].contains("NoSuchEntity"),
        "{missing:?}"
    );
}
