//! What somebody who got in would leave behind, planted in the running sandbox, so that it can be seen that nothing of it survives.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::control::Sandbox;
use crate::endpoints::{KUBE_CONTEXT, PROFILE};
use crate::error::{Error, Result};
use crate::files;
use crate::install::{Installer, Tool};
use crate::state::Condition;

/// Run by the Python that moto is installed with, which has boto3.
const SCRIPT: &str = include_str!("attack.py");
/// The longest it may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// One thing that was planted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// `backup`, `iam-access-key`, `iam-role-session`, `security-group-rule`, `vault-token`, `cluster-role-binding`, `service-account-token`,
    /// `privileged-pod`, `image-digest`.
    pub kind: String,
    /// What it is found by: an id, a name.
    pub name: String,
    /// More about it; `secret`, with `token` where it takes both, is what it opens things with.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// A finished attack.
#[derive(Debug)]
pub struct Attack {
    /// All that was planted, without what is secret.
    pub planted: Vec<Planted>,
    /// A file of its owner's with the same and the secrets, for whoever wants to try them.
    pub file: PathBuf,
}

impl Sandbox {
    /// Plants a backup with a user, a key and a chain mined anew, an IAM key, a session of every role, a rule in every security group, a Vault token, a
    /// ClusterRoleBinding, a privileged Pod and other images into what `environment` has in the running sandbox.
    ///
    /// # Errors
    /// When the sandbox is not up, or something can't be planted; what was planted before stays.
    pub async fn attack(&self, environment: &str) -> Result<Attack> {
        let status = self.status()?;
        let (Condition::Up, Some(endpoints)) = (&status.condition, &status.endpoints) else {
            return Err(Error::State(
                "there is nothing to attack: the sandbox is not up".to_owned(),
            ));
        };
        let tools = Installer::new(self.folders().tools.clone()).locate(&[Tool::Moto])?;
        let input = json!({
            "environment": environment,
            "profile": PROFILE,
            "context": KUBE_CONTEXT,
            "source_bucket": endpoints.objects.source_bucket,
            "aws_config_file": endpoints.aws_config_file,
            "aws_credentials_file": endpoints.aws_credentials_file,
            "vault": endpoints.vault,
            "kubeconfig": endpoints.kubeconfig,
            "programs": endpoints.programs,
        });
        let printed = tokio::time::timeout(PATIENCE, run(tools.program(Tool::Moto)?, &input))
            .await
            .map_err(|_| {
                Error::State(format!(
                    "the attack did not end within {} s",
                    PATIENCE.as_secs()
                ))
            })??;
        let mut planted: Vec<Planted> = serde_json::from_slice(&printed)
            .map_err(|error| Error::State(format!("the attack told no JSON: {error}")))?;
        let file = self.folders().state.join("attack.json");
        files::write_json(&file, &planted)?;
        for one in &mut planted {
            one.more.remove("secret");
            one.more.remove("token");
        }
        Ok(Attack { planted, file })
    }
}

async fn run(python: &std::path::Path, input: &Value) -> Result<Vec<u8>> {
    let failed = |source| Error::Start {
        name: "the attack".to_owned(),
        source,
    };
    let mut child = Command::new(python)
        .args(["-I", "-c", SCRIPT])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.to_string().as_bytes())
            .await
            .map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().next_back().unwrap_or_default();
    Err(Error::State(format!("the attack broke off: {last}")))
}
