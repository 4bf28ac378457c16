//! OpenBao, in the place of Vault: sealed storage on disk, TLS, an audit log, KV v2 at `secret/`.
//!
//! It is not a development server: it keeps its data, starts sealed, and is opened with the key that its first start
//! gave out. Key and root token stay in one file of the sandbox; the environment gets a token that may do no more than
//! a rebuild needs.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Error, Result};
use crate::files;
use crate::http::{self, Api};
use crate::pki::Authority;
use crate::ports::{Port, Ports};
use crate::process::{self, Launch, Process};
use crate::servers::PATIENCE;

/// The name of the environment's policy.
const POLICY_NAME: &str = "rebuild";
/// What a rebuild needs: secrets, random bytes, and to see what it talks to; to revoke what was issued, and to read settings as evidence.
/// No other policy, no seal, no audit device.
const POLICY: &str = r#"
path "secret/*"            { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "sys/tools/random"    { capabilities = ["update"] }
path "sys/tools/random/*"  { capabilities = ["update"] }
path "sys/tools/hash/*"    { capabilities = ["update"] }
path "sys/health"          { capabilities = ["read", "sudo"] }
path "sys/mounts"          { capabilities = ["read"] }
path "sys/mounts/secret"   { capabilities = ["read"] }
path "sys/audit"           { capabilities = ["read", "sudo"] }
path "sys/auth"            { capabilities = ["read"] }
path "sys/policies/acl"       { capabilities = ["list"] }
path "sys/policies/acl/*"     { capabilities = ["read"] }
path "sys/policies/password"  { capabilities = ["list"] }
path "auth/token/accessors"        { capabilities = ["list", "sudo"] }
path "auth/token/create"           { capabilities = ["update"] }
path "auth/token/lookup-accessor"  { capabilities = ["update"] }
path "auth/token/revoke-accessor"  { capabilities = ["update"] }
path "sys/leases/lookup"           { capabilities = ["list", "sudo"] }
path "sys/leases/lookup/"          { capabilities = ["list", "sudo"] }
path "sys/leases/lookup/*"         { capabilities = ["list", "sudo"] }
path "sys/leases/revoke"           { capabilities = ["update"] }
"#;

/// What the first start gave out.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keys {
    pub root_token: String,
    pub unseal_key: String,
}

/// A running OpenBao.
#[derive(Debug)]
pub(crate) struct OpenBao {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// Holds the environment's token.
    pub(crate) token_file: PathBuf,
    /// Holds the root token and the unseal key.
    pub(crate) keys_file: PathBuf,
    pub(crate) audit_log: PathBuf,
}

/// Starts it with its data in `dir`, and opens and prepares it.
pub(crate) async fn start(
    program: &Path,
    dir: &Path,
    ports: &Ports,
    authority: &Authority,
) -> Result<OpenBao> {
    files::private_dir(&dir.join("raft"))?;
    let leaf = authority.issue(dir, "openbao", &["127.0.0.1", "localhost"])?;
    let address = format!("https://127.0.0.1:{}", ports.of(Port::Vault));
    let audit_log = dir.join("audit.log");
    let keys_file = dir.join("keys.json");
    let token_file = dir.join("token");
    // HCL's strings are quoted as JSON's are.
    let quoted = |path: &Path| json!(path.to_string_lossy()).to_string();
    let config = format!(
        r#"
disable_mlock = true
ui            = false
api_addr      = "{address}"
cluster_addr  = "https://127.0.0.1:{cluster}"

storage "raft" {{
  path                   = {raft}
  node_id                = "sandbox"
  performance_multiplier = 1
}}

listener "tcp" {{
  address       = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file = {certificate}
  tls_key_file  = {key}
}}

audit "file" "file" {{
  options {{
    file_path = {audit}
    mode      = "0600"
  }}
}}
"#,
        port = ports.of(Port::Vault),
        cluster = ports.of(Port::VaultCluster),
        raft = quoted(&dir.join("raft")),
        certificate = quoted(&leaf.certificate),
        key = quoted(&leaf.key),
        audit = quoted(&audit_log),
    );
    let config_file = dir.join("config.hcl");
    files::write_private(&config_file, config.as_bytes())?;

    let launch = Launch::new("openbao", program.to_owned(), dir.to_owned())
        .argument("server")
        .option("-config", config_file)
        .option("-log-level", "warn");
    let process = process::start(launch).await?;
    let api = Api {
        client: http::client(Some(&authority.certificate))?,
        base: address.clone(),
        name: "OpenBao",
        token: None,
    };
    process
        .ready(PATIENCE, || async {
            match api.get("/v1/sys/seal-status").await {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(answer.unwanted().to_string()),
                Err(error) => Err(http::cause(&error)),
            }
        })
        .await?;
    let keys = open(&api, &keys_file, &token_file).await?;
    process
        .ready(PATIENCE, || async {
            match api.get("/v1/sys/health").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.unwanted().to_string()),
                Err(error) => Err(http::cause(&error)),
            }
        })
        .await?;
    let root = Api {
        token: Some(("X-Vault-Token", keys.root_token)),
        ..api.clone()
    };
    prepare(&root, &process).await?;
    keep_token(&api, &root, &token_file).await?;
    Ok(OpenBao {
        process,
        address,
        token_file,
        keys_file,
        audit_log,
    })
}

/// Initialises it at its first start and opens its seal.
async fn open(api: &Api, keys_file: &Path, token_file: &Path) -> Result<Keys> {
    let status = api.get("/v1/sys/seal-status").await?.expect(&[])?.json()?;
    let keys = match (
        status["initialized"] == json!(true),
        files::read_json(keys_file)?,
    ) {
        (true, Some(keys)) => keys,
        (true, None) => {
            return Err(Error::State(format!(
                "OpenBao was initialised and {} is gone: nothing can open it",
                keys_file.display()
            )));
        }
        (false, _) => {
            let shares = json!({"secret_shares": 1, "secret_threshold": 1});
            let answer = api.call(Method::PUT, "/v1/sys/init", Some(&shares)).await?;
            let made = answer.expect(&[])?.json()?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let keys = Keys {
                root_token: text(&made["root_token"]),
                unseal_key: text(&made["keys_base64"][0]),
            };
            files::write_json(keys_file, &keys)?;
            // A token of a former storage is none of this one's.
            files::remove(token_file)?;
            keys
        }
    };
    let key = json!({"key": keys.unseal_key});
    api.call(Method::PUT, "/v1/sys/unseal", Some(&key))
        .await?
        .expect(&[])?;
    Ok(keys)
}

/// Mounts the secrets and writes the policy.
async fn prepare(root: &Api, process: &Process) -> Result<()> {
    let mounts = root.get("/v1/sys/mounts").await?.expect(&[])?.json()?;
    if mounts["data"].get("secret/").is_none() {
        let mount = json!({"type": "kv", "options": {"version": "2"}});
        root.call(Method::POST, "/v1/sys/mounts/secret", Some(&mount))
            .await?
            .expect(&[])?;
    }
    // A new KV v2 answers 400 while it upgrades itself.
    process
        .ready(PATIENCE, || async {
            match root.get("/v1/secret/config").await {
                Ok(answer) if answer.status.is_success() => Ok(()),
                Ok(answer) => Err(answer.unwanted().to_string()),
                Err(error) => Err(http::cause(&error)),
            }
        })
        .await?;
    let policy = json!({"policy": POLICY});
    root.call(
        Method::PUT,
        &format!("/v1/sys/policies/acl/{POLICY_NAME}"),
        Some(&policy),
    )
    .await?
    .expect(&[])?;
    Ok(())
}

/// Makes the environment's token unless the one of the last run still works.
async fn keep_token(api: &Api, root: &Api, token_file: &Path) -> Result<()> {
    if let Ok(token) = fs::read_to_string(token_file) {
        let environment = Api {
            token: Some(("X-Vault-Token", token)),
            ..api.clone()
        };
        // Renewing proves that it works and lets it outlive the next weeks.
        let renewed = environment
            .call(Method::PUT, "/v1/auth/token/renew-self", Some(&json!({})))
            .await?;
        if renewed.status.is_success() {
            return Ok(());
        }
    }
    let wanted = json!({
        "policies": [POLICY_NAME],
        "period": "768h",
        "display_name": "rebuild-sandbox",
        "meta": {"purpose": "rebuild --env sandbox"},
    });
    let made = root
        .call(Method::POST, "/v1/auth/token/create-orphan", Some(&wanted))
        .await?
        .expect(&[])?
        .json()?;
    match made["auth"]["client_token"].as_str() {
        Some(token) => files::write_private(token_file, token.as_bytes()),
        None => Err(Error::State("OpenBao made no token".to_owned())),
    }
}
