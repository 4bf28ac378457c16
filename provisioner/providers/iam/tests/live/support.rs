//! A moto server per test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use provider_aws::{Connection, Keys};

/// A moto server that ends with the test.
pub struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    /// Starts it; a machine without moto fails the test.
    pub async fn start() -> Self {
        let program = program();
        let mut child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                program.to_str().expect("a UTF-8 path"),
                "-H",
                "127.0.0.1",
                "-p",
                "0",
            ])
            .env("MOTO_ENABLE_KEYPAIR_VALIDATION", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server must be installed");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let url = loop {
            let line = lines
                .next()
                .expect("moto must say where it listens")
                .expect("text");
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// A configuration with keys of no account.
    pub async fn config(&self) -> aws_config::SdkConfig {
        self.config_as("test", "test").await
    }

    /// A configuration with these keys.
    pub async fn config_as(&self, id: &str, secret: &str) -> aws_config::SdkConfig {
        let keys = Keys {
            id: id.to_owned(),
            secret: secret.to_owned().into(),
            session: None,
        };
        let connection = Connection {
            region: "us-east-1".to_owned(),
            endpoint_url: Some(self.url.clone()),
            keys: Some(keys),
            ..Connection::default()
        };
        connection.load().await
    }

    /// From now on every call needs a policy that allows it (moto, "IAM-like access control").
    pub async fn enforce(&self) {
        let answer = reqwest::Client::new()
            .post(format!("{}/moto-api/reset-auth", self.url))
            .body("0")
            .send()
            .await
            .expect("moto answers");
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's program, installed where the sandbox has its own; what can't be installed fails the test.
fn program() -> std::path::PathBuf {
    use sandbox::{Folders, Installer, Silent, Tool};
    let tools = Folders::from_environment().expect("a home").tools;
    let installed = Installer::new(tools)
        .install(&[Tool::Moto], &Silent)
        .expect("the server can be installed");
    installed
        .program(Tool::Moto)
        .expect("it was asked for")
        .with_file_name("moto_server")
}
