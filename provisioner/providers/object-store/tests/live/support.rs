//! A SeaweedFS of the test binary's own, and where programs of servers are.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use provider_aws::{Connection, Keys};
use sandbox::{Folders, Installer, Silent, Tool};
use tempfile::TempDir;

/// A store that ends with the test.
pub struct Weed {
    child: Child,
    url: String,
    _folder: TempDir,
}

/// Ports that nobody uses. weed takes each twice: once for HTTP, once for gRPC.
pub fn ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    held.iter()
        .map(|listener| listener.local_addr().expect("an address").port())
        .collect()
}

impl Weed {
    /// Starts it; a machine without weed fails the test. Whoever takes one of its ports before it does ends it, and it is begun anew.
    pub async fn start() -> Self {
        let program = program(Tool::SeaweedFs);
        let mut last = String::new();
        for _ in 0..5 {
            match Self::attempt(&program).await {
                Ok(weed) => return weed,
                Err(why) => last = why,
            }
        }
        panic!("weed must answer: {last}");
    }

    async fn attempt(program: &std::path::Path) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        std::fs::create_dir(dir.join("tmp")).expect("a folder");
        let ports = ports(10);
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            program.to_str().expect("a UTF-8 path"),
            "mini",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-webdav=false",
        ]);
        command.args([
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.allowDeleteBucketNotEmpty=false",
        ]);
        command.arg(format!("-dir={}", dir.display()));
        for (name, pair) in ["master", "volume", "filer", "s3", "admin"]
            .iter()
            .zip(ports.chunks(2))
        {
            command
                .arg(format!("-{name}.port={}", pair[0]))
                .arg(format!("-{name}.port.grpc={}", pair[1]));
        }
        command
            .env("HOME", dir)
            .env("TMPDIR", dir.join("tmp"))
            .env("GOMEMLIMIT", "150MiB");
        command
            .env("AWS_ACCESS_KEY_ID", "test-key-id")
            .env("AWS_SECRET_ACCESS_KEY", "test-secret-key");
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("weed must be installed");
        let url = format!("http://127.0.0.1:{}", ports[6]);
        let mut weed = Self {
            child,
            url,
            _folder: folder,
        };
        let client = provider_object_store::client(&weed.config().await);
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = client.list_buckets().send().await {
            let ended = weed.child.try_wait().expect("a child").is_some();
            if ended || Instant::now() > deadline {
                return Err(format!("{error:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(weed)
    }

    /// A configuration with its keys.
    pub async fn config(&self) -> aws_config::SdkConfig {
        let keys = Keys {
            id: "test-key-id".to_owned(),
            secret: "test-secret-key".to_owned().into(),
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
}

impl Drop for Weed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server's program, installed where the sandbox has its own; what can't be installed fails the test.
pub fn program(tool: Tool) -> PathBuf {
    let tools = Folders::from_environment().expect("a home").tools;
    let installed = Installer::new(tools)
        .install(&[tool], &Silent)
        .expect("the server can be installed");
    let program = installed.program(tool).expect("it was asked for");
    program.to_path_buf()
}
