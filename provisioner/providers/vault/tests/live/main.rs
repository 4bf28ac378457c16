//! Against a real OpenBao.

mod contain;
mod evidence;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use executor::provider::{Ensure, ErrorKind, Provider, Scope, SecretSource};
use planner::kind::Layer;
use planner::{Action, Step};
use provider_vault::{Settings, Vault};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// A development server with a folder of its own, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn server() -> Server {
    let tools = sandbox::Folders::from_environment().unwrap().tools;
    let installed = sandbox::Installer::new(tools)
        .install(&[sandbox::Tool::OpenBao], &sandbox::Silent)
        .unwrap();
    let program = installed.program(sandbox::Tool::OpenBao).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new(program)
        .args([
            "server",
            "-dev",
            "-dev-root-token-id=root",
            "-dev-no-store-token",
        ])
        .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
        .env("HOME", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server {
        child,
        address: format!("http://127.0.0.1:{port}"),
        _dir: dir,
    };
    let vault = vault(&server, "root");
    let ready = async {
        while vault.identity().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ready)
        .await
        .expect("OpenBao did not start");
    server
}

fn vault(server: &Server, token: &str) -> Vault {
    Vault::connect(&Settings {
        address: server.address.clone(),
        ca_file: None,
        token: SecretString::from(token),
        mounts: vec!["secret".to_owned()],
    })
    .unwrap()
}

fn scope() -> Scope {
    Scope {
        environment: "demo".to_owned(),
        generation: "20261124-7f3a".parse().unwrap(),
        kinds: Vec::new(),
        names: BTreeMap::new(),
    }
}

const PATH: &str = "rebuild/demo/20261124-7f3a/api-key";

fn step(action: Action, token: &str) -> Step {
    Step {
        id: "create vault.secret.api-key".to_owned(),
        action,
        address: "vault.secret.api-key".parse().unwrap(),
        layer: Layer::Secrets,
        depends_on: Vec::new(),
        spec: json!({"mount": "secret", "path": PATH, "generator": {"type": "ed25519"}}),
        object: None,
        changes: Vec::new(),
        token: token.to_owned(),
        digest: "d1".to_owned(),
        reason: String::new(),
        seconds: 1,
        calls: 2,
    }
}

fn ensure<'a>(scope: &'a Scope, step: &'a Step) -> Ensure<'a> {
    Ensure {
        scope,
        step,
        spec: step.spec.clone(),
    }
}

#[tokio::test]
async fn a_secret_is_made_once_rotated_once_and_removed() {
    let server = server().await;
    let (vault, scope) = (vault(&server, "root"), scope());
    assert!(vault.observe(&scope).await.unwrap().objects.is_empty());
    let create = step(Action::Create, "t1");
    let first = vault.ensure(ensure(&scope, &create)).await.unwrap();
    let value = vault.read("secret", PATH, "private-key").await.unwrap();
    assert_eq!(first, vault.ensure(ensure(&scope, &create)).await.unwrap());
    assert_eq!(
        value.expose_secret(),
        vault
            .read("secret", PATH, "private-key")
            .await
            .unwrap()
            .expose_secret()
    );
    let seen = vault.observe(&scope).await.unwrap().objects;
    assert_eq!(
        (seen.len(), &seen[0].outputs, seen[0].ready),
        (1, &first, true)
    );
    assert_eq!(seen[0].digest.as_deref(), Some("d1"));

    let rotate = step(Action::Rotate, "t2");
    let second = vault.ensure(ensure(&scope, &rotate)).await.unwrap();
    assert_eq!(second["version"], json!(2));
    assert_ne!(first["public-key"], second["public-key"]);
    assert_eq!(second, vault.ensure(ensure(&scope, &rotate)).await.unwrap());

    let seen = vault.observe(&scope).await.unwrap().objects;
    vault.remove(&seen[0]).await.unwrap();
    vault.remove(&seen[0]).await.unwrap();
    assert!(vault.observe(&scope).await.unwrap().objects.is_empty());
    assert_eq!(
        vault.read("secret", PATH, "value").await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let server = server().await;
    let (vault, scope) = (vault(&server, "root"), scope());
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/secret/data/{PATH}", server.address))
        .header("X-Vault-Token", "root")
        .json(&json!({"data": {"value": "theirs"}}))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let error = vault
        .ensure(ensure(&scope, &step(Action::Create, "t")))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Foreign);
    assert!(vault.observe(&scope).await.unwrap().objects.is_empty());
    let mut named = scope.clone();
    named
        .names
        .insert("vault.secret.api-key".parse().unwrap(), PATH.to_owned());
    assert_eq!(vault.observe(&named).await.unwrap().foreign.len(), 1);
    assert_eq!(
        vault
            .read("secret", PATH, "value")
            .await
            .unwrap()
            .expose_secret(),
        "theirs"
    );
}

#[tokio::test]
async fn who_asks_and_whom() {
    let server = server().await;
    let identity = vault(&server, "root").identity().await.unwrap();
    assert_eq!(
        identity.places["vault"].trim_end_matches('/'),
        server.address
    );
    assert!(identity.principal.contains("root"));
    assert_eq!(
        vault(&server, "wrong").identity().await.unwrap_err().kind,
        ErrorKind::Unauthenticated
    );
    let nobody = Settings {
        address: "http://127.0.0.1:9".to_owned(),
        ca_file: None,
        token: SecretString::from("root"),
        mounts: Vec::new(),
    };
    assert_eq!(
        Vault::connect(&nobody)
            .unwrap()
            .identity()
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Unreachable
    );
    for (address, token, ca) in [
        ("nonsense", "t", None),
        ("http://127.0.0.1:1", "a\nb", None),
        ("https://127.0.0.1:1", "t", Some(PathBuf::from("/nowhere"))),
    ] {
        assert!(
            Vault::connect(&Settings {
                address: address.to_owned(),
                ca_file: ca,
                token: SecretString::from(token),
                mounts: Vec::new()
            })
            .is_err()
        );
    }
}
