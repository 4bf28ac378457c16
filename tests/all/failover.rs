//! A second cloud: the copy of a backup serves when its first place fails, if its bytes are the same.
//!
//! Google Cloud Storage is played by fake-gcs-server, which has its interface and no locks.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use sandbox::{Folders, Installer, Silent, Tool};
use serde_json::Value;

use crate::command::fixture;
use crate::world::{World, until};

const ID: &str = "natlangchain_20261123_032959_daily";

struct FakeGcs {
    child: Child,
    url: String,
}

impl FakeGcs {
    fn start() -> Self {
        let tools = Folders::from_environment().expect("a cache folder").tools;
        let installed = Installer::new(tools)
            .install(&[Tool::FakeGcs], &Silent)
            .expect("fake-gcs-server can be installed");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let url = format!("http://127.0.0.1:{port}");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(installed.program(Tool::FakeGcs).expect("its path"))
            .args([
                "-scheme",
                "http",
                "-backend",
                "memory",
                "-host",
                "127.0.0.1",
            ])
            .args(["-port", &port.to_string(), "-external-url", &url])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("fake-gcs-server runs");
        until("fake-gcs-server answers", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, url }
    }

    /// Uploads files with Python's own HTTP client.
    fn put(&self, world: &World, files: &[(&str, &Path)]) {
        for (key, path) in files {
            world.aws(&format!(
                "import urllib.request\n\
                 def post(path, body, kind):\n    \
                     urllib.request.urlopen(urllib.request.Request('{}' + path, data=body, headers={{'content-type': kind}}))\n\
                 try: post('/storage/v1/b?project=test', b'{{\"name\": \"copies\", \"versioning\": {{\"enabled\": true}}}}', 'application/json')\n\
                 except urllib.error.HTTPError as error: assert error.code == 409, error\n\
                 post('/upload/storage/v1/b/copies/o?uploadType=media&name=natlangchain-small/{key}', open({path:?}, 'rb').read(), 'application/gzip')",
                self.url
            ));
        }
    }
}

impl Drop for FakeGcs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Needs a world whose environment has the smaller chain in S3.
pub fn a_copy_serves_when_its_bytes_are_the_same(world: &World) {
    let gcs = FakeGcs::start();
    let folder = format!("backups/chain_50k/{ID}.json.gz");
    let (backup, beside) = (fixture(&folder), fixture(&format!("{folder}.meta.json")));
    let (name, meta) = (format!("{ID}.json.gz"), format!("{ID}.json.gz.meta.json"));
    gcs.put(world, &[(&meta, &beside), (&name, &backup)]);
    let file = world.project.join("environments/sandbox/environment.yaml");
    let text = std::fs::read_to_string(&file).expect("the environment");
    let source = "prefix: natlangchain-small/}\n";
    let with_copy = format!(
        "{source}    - {{type: gcs, bucket: copies, prefix: natlangchain-small/, endpoint: '{}'}}\n",
        gcs.url
    );
    std::fs::write(&file, text.replace(source, &with_copy)).expect("the environment");
    let plan = |out: &str| {
        world.rebuild(&[
            "plan",
            "--env",
            "sandbox",
            "--from-backup",
            ID,
            "--format",
            "json",
            "--out",
            out,
        ])
    };
    let out = world.home().join("copies.json");
    let out = out.to_str().expect("UTF-8");

    // Both answer: the first place is taken.
    let pinned = plan(out).exits(2).json();
    let location = |plan: &Value| plan["backup"]["location"].as_str().map(str::to_owned);
    let s3 = format!("s3://natlangchain-backups/natlangchain-small/{name}");
    assert_eq!(location(&pinned), Some(s3.clone()));
    let listed = world
        .rebuild(&["backups", "list", "--env", "sandbox", "--format", "json"])
        .exits(0)
        .json();
    let copy = listed["backups"]
        .as_array()
        .expect("backups")
        .iter()
        .find(|one| one["location"] == format!("gs://copies/natlangchain-small/{name}"))
        .expect("the copy")
        .clone();
    assert!(copy["version"].is_string(), "{copy}");
    assert_eq!(copy["lock"]["kind"], "none");

    // The reader's access to S3 is gone: the plan that pins the object there is carried out from the copy.
    let credentials = &world.endpoints().aws_credentials_file;
    let kept = std::fs::read_to_string(credentials).expect("credentials");
    std::fs::write(credentials, without(&kept, sandbox::READER_PROFILE)).expect("credentials");
    let elsewhere = format!("gs://copies/natlangchain-small/{name}");
    let said = plan(&format!("{out}.2"))
        .exits(2)
        .tells(&["going on without it"]);
    assert_eq!(location(&said.json()), Some(elsewhere.clone()));
    world.rebuild(&["apply", out, "--yes"]).exits(0).tells(&[
        "going on without it",
        &format!("taking the copy {elsewhere}"),
    ]);
    let seeded = world.rebuild(&["status", "--env", "sandbox"]);
    assert!(seeded.out.contains("20"), "{}", seeded.out);

    // Other bytes under the same name are no copy, however well they verify.
    let other = world.home().join("other.gz");
    world.aws(&format!(
        "import gzip\nopen({other:?}, 'wb').write(gzip.compress(gzip.open({backup:?}).read(), 1))"
    ));
    gcs.put(world, &[(&name, &other)]);
    world
        .rebuild(&[
            "plan",
            "--env",
            "sandbox",
            "--from-backup",
            ID,
            "--generation",
            "new",
        ])
        .exits(4)
        .tells(&["is not what is known as the same backup", &s3]);
    std::fs::write(credentials, kept).expect("credentials");
}

/// A credentials file without one profile.
fn without(text: &str, profile: &str) -> String {
    let mut keep = true;
    text.lines()
        .filter(|line| {
            if line.starts_with('[') {
                keep = line.trim() != format!("[{profile}]");
            }
            keep
        })
        .map(|line| format!("{line}\n"))
        .collect()
}
