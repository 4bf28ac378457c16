//! A moto server per test, and a recorder of what was sent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use provider_aws::{Connection, Keys};
use provider_ec2::Ec2;

/// Every form that was sent.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

impl Recorder {
    /// How many calls there were so far.
    pub fn calls(&self) -> usize {
        self.0
            .lock()
            .expect("no test panics while it records")
            .len()
    }

    /// The forms of one call, in order.
    pub fn sent(&self, action: &str) -> Vec<BTreeMap<String, String>> {
        let forms = self.0.lock().expect("no test panics while it records");
        forms
            .iter()
            .filter(|form| form.get("Action").is_some_and(|name| name == action))
            .cloned()
            .collect()
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request().body().bytes().unwrap_or_default();
        let form = url::form_urlencoded::parse(body).into_owned().collect();
        self.0
            .lock()
            .expect("no test panics while it records")
            .push(form);
        Ok(())
    }
}

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

    /// Where it is, with a stranger's keys.
    pub async fn config(&self) -> aws_config::SdkConfig {
        let keys = Keys {
            id: "test".to_owned(),
            secret: "test".to_owned().into(),
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

    /// A client of a stranger.
    pub async fn client(&self) -> Client {
        Client::new(&self.config().await)
    }

    /// A client whose calls are recorded.
    pub async fn recorded(&self, recorder: &Recorder) -> Client {
        Client::from_conf(
            aws_sdk_ec2::config::Builder::from(&self.config().await)
                .interceptor(recorder.clone())
                .build(),
        )
    }

    /// The provider, its calls recorded.
    pub async fn provider(&self, recorder: &Recorder) -> Ec2 {
        let client = self.recorded(recorder).await;
        Ec2::with_client(&self.config().await, client).patience(std::time::Duration::from_secs(30))
    }

    /// An image that exists there.
    pub async fn image(&self) -> String {
        let images = self
            .client()
            .await
            .describe_images()
            .owners("amazon")
            .send()
            .await
            .expect("images");
        images
            .images()
            .first()
            .and_then(|image| image.image_id())
            .expect("an image")
            .to_owned()
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
