//! What a Vault is set to and has issued is read, and no value and nothing that acts.

use std::collections::BTreeMap;

use evidence::collect::{Collector, Mask};
use evidence::testing::collected;
use provider_vault::Settings;
use provider_vault::evidence::VaultEvidence;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{Server, server};

async fn ask(server: &Server, method: &str, path: &str, body: Value) -> Value {
    let request = Client::new().request(
        method.parse().expect("a method"),
        format!("{}/v1/{path}", server.address),
    );
    let answer = request
        .header("X-Vault-Token", "root")
        .json(&body)
        .send()
        .await;
    answer.expect("an answer").json().await.unwrap_or_default()
}

fn place(server: &Server, token: &str) -> VaultEvidence {
    let settings = Settings {
        address: server.address.clone(),
        ca_file: None,
        token: SecretString::from(token),
        mounts: vec!["secret".to_owned()],
    };
    let mask = Mask::new().expect("random bytes");
    VaultEvidence::new(&settings, "live", Default::default(), mask).expect("settings")
}

#[tokio::test]
async fn settings_and_what_was_issued_are_read_without_values() {
    let server = server().await;
    let rules = json!({"policy": r#"path "secret/*" { capabilities = ["read"] }"#});
    ask(&server, "POST", "sys/policies/acl/app", rules).await;
    let path = "rebuild/live/20261124-0001/api-key";
    let data = json!({"data": {"value": "canary-value"}});
    ask(&server, "POST", &format!("secret/data/{path}"), data).await;
    let custom = json!({"custom_metadata": {"rebuild_environment": "live", "note": "canary-note"}});
    ask(&server, "POST", &format!("secret/metadata/{path}"), custom).await;
    let body = json!({"policies": ["app"], "ttl": "1h", "display_name": "planted", "meta": {"secret": "canary-meta", "role": "api"}});
    let made = ask(&server, "POST", "auth/token/create", body).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (token, accessor) = (
        text(&made["auth"]["client_token"]),
        text(&made["auth"]["accessor"]),
    );
    let lease = text(
        &ask(&server, "POST", "auth/token/create", json!({"ttl": "1h"})).await["auth"]["accessor"],
    );

    let whole = place(&server, "root");
    assert_eq!(
        whole.generations().await,
        Ok(vec!["20261124-0001".to_owned()])
    );
    let (texts, missing) = collected(whole).await;
    assert_eq!(missing, BTreeMap::new());
    for (name, words) in [
        ("vault/mounts.json", "secret/"),
        ("vault/auth-methods.json", "token/"),
        ("vault/policies/app.json", "capabilities"),
        ("vault/tokens.json", "planted"),
        ("vault/tokens.json", "\"role\": \"api\""),
        ("vault/leases.json", "auth/token/create/"),
        ("vault/kv/secret.json", path),
        ("vault/kv/secret.json", "\"rebuild_environment\": \"live\""),
    ] {
        assert!(texts[name].contains(words), "{name}: {}", texts[name]);
    }
    for (name, text) in &texts {
        for secret in ["canary", &token, &accessor, &lease] {
            assert!(!text.contains(secret), "{name} has {secret}");
        }
    }

    let (texts, missing) = collected(place(&server, &token)).await;
    assert!(texts.contains_key("vault/health.json"));
    for name in [
        "vault/mounts",
        "vault/auth-methods",
        "vault/audit-devices",
        "vault/policies",
        "vault/tokens",
        "vault/leases-unread",
    ] {
        assert!(
            missing[name].contains("permission denied"),
            "{name}: {missing:?}"
        );
    }
}
