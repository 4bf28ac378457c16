//! Tokens and leases are revoked, and OpenBao itself refuses them afterwards.

use containment::{Barrier, Item};
use executor::provider::ErrorKind;
use provider_vault::Settings;
use provider_vault::contain::{Reach, VaultBarrier};
use reqwest::{Client, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{Server, server};

/// A request as somebody else makes it.
async fn ask(
    server: &Server,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (StatusCode, Value) {
    let answer = Client::new()
        .request(
            method.parse().expect("a method"),
            format!("{}/v1/{path}", server.address),
        )
        .header("X-Vault-Token", token)
        .json(&body)
        .send()
        .await
        .expect("an answer");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn token(server: &Server, policies: &[&str]) -> String {
    let body = json!({"policies": policies, "ttl": "1h", "display_name": "planted"});
    let (_, made) = ask(server, "root", "POST", "auth/token/create", body).await;
    made["auth"]["client_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

async fn lives(server: &Server, token: &str) -> bool {
    let (status, _) = ask(server, token, "GET", "auth/token/lookup-self", Value::Null).await;
    match status {
        StatusCode::OK => true,
        StatusCode::FORBIDDEN => false,
        other => panic!("{other}"),
    }
}

fn barrier(server: &Server, token: &str, reach: Reach) -> VaultBarrier {
    let settings = Settings {
        address: server.address.clone(),
        ca_file: None,
        token: SecretString::from(token),
        mounts: Vec::new(),
    };
    VaultBarrier::new(&settings, reach).expect("settings that can be used")
}

async fn close(barrier: &VaultBarrier, items: &[Item]) {
    for item in items {
        barrier
            .close(item)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", item.id));
    }
}

#[tokio::test]
async fn what_was_issued_is_refused_by_the_server_and_the_operator_is_not() {
    let server = server().await;
    for (name, rules) in [
        ("app", r#"path "secret/*" { capabilities = ["read"] }"#),
        (
            "rescue",
            r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }"#,
        ),
    ] {
        let path = format!("sys/policies/acl/{name}");
        ask(&server, "root", "POST", &path, json!({ "policy": rules })).await;
    }
    let mut planted = Vec::new();
    for _ in 0..3 {
        planted.push(token(&server, &["app"]).await);
    }
    let operator = token(&server, &["rescue"]).await;
    let colleague = token(&server, &["rescue"]).await;
    // A certificate with a lease stands for whatever a database or a cloud would lease.
    ask(
        &server,
        "root",
        "POST",
        "sys/mounts/pki",
        json!({"type": "pki"}),
    )
    .await;
    ask(
        &server,
        "root",
        "POST",
        "pki/root/generate/internal",
        json!({"common_name": "ca.test", "ttl": "8h"}),
    )
    .await;
    let role = json!({"allow_any_name": true, "generate_lease": true, "ttl": "1h"});
    ask(&server, "root", "POST", "pki/roles/api", role).await;
    let mut lease = String::new();
    for _ in 0..130 {
        let (_, made) = ask(
            &server,
            "root",
            "POST",
            "pki/issue/api",
            json!({"common_name": "api.test", "key_type": "ec"}),
        )
        .await;
        lease = made["lease_id"].as_str().expect("a lease").to_owned();
    }

    let reach = Reach {
        leases: vec!["pki/issue/api".to_owned()],
        tokens: vec!["auth/token/".to_owned()],
        keep_policies: vec!["rescue".to_owned()],
    };
    let first = barrier(&server, &operator, reach.clone());
    let survey = first.survey().await.expect("a survey");
    assert!(survey.unread.is_empty(), "{:?}", survey.unread);
    let what: Vec<&str> = survey.items.iter().map(|item| item.what.as_str()).collect();
    assert_eq!(
        &what[..2],
        ["100 leases of pki/issue/api", "30 leases of pki/issue/api"]
    );
    assert_eq!(what.len(), 2 + planted.len(), "{what:?}");
    let written = serde_json::to_string(&survey.items).expect("JSON");
    for secret in planted.iter().chain([&lease]) {
        assert!(!written.contains(secret.as_str()));
    }
    close(&first, &survey.items).await;

    for token in &planted {
        assert!(!lives(&server, token).await);
    }
    assert!(
        lives(&server, &operator).await
            && lives(&server, &colleague).await
            && lives(&server, "root").await
    );
    let (status, _) = ask(
        &server,
        "root",
        "POST",
        "sys/leases/lookup",
        json!({ "lease_id": lease }),
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the lease is gone");
    // What is gone is closed again without an error, and another process finds nothing left.
    close(&first, &survey.items).await;
    let again = barrier(&server, &operator, reach)
        .survey()
        .await
        .expect("a survey");
    assert!(
        again.items.is_empty() && again.unread.is_empty(),
        "{again:?}"
    );
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_named_and_the_rest_goes_on() {
    let server = server().await;
    let rules = r#"path "auth/token/accessors" { capabilities = ["list", "sudo"] }
        path "auth/token/lookup-accessor" { capabilities = ["create", "update"] }"#;
    ask(
        &server,
        "root",
        "POST",
        "sys/policies/acl/half",
        json!({ "policy": rules }),
    )
    .await;
    let operator = token(&server, &["half"]).await;
    token(&server, &["default"]).await;
    let reach = Reach {
        leases: vec!["database/creds".to_owned(), "../sys".to_owned()],
        tokens: vec!["auth/token/".to_owned()],
        keep_policies: Vec::new(),
    };
    let survey = barrier(&server, &operator, reach)
        .survey()
        .await
        .expect("a survey");
    let kinds: Vec<ErrorKind> = survey.unread.iter().map(|error| error.kind).collect();
    assert_eq!(
        kinds,
        [ErrorKind::Denied, ErrorKind::Invalid],
        "{:?}",
        survey.unread
    );
    assert_eq!(survey.items.len(), 1);
    let error = barrier(
        &server,
        "nonsense",
        Reach {
            tokens: vec!["auth/".to_owned()],
            ..Reach::default()
        },
    )
    .survey()
    .await
    .expect("a survey")
    .unread
    .remove(0);
    assert!(
        matches!(error.kind, ErrorKind::Denied | ErrorKind::Unauthenticated),
        "{error}"
    );
}
