//! A sandbox of its own for a test of the whole, the binary under test in it, and other tools to look at what it did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sandbox::{Endpoints, Folders, Installer, Tool};
use serde_json::Value;

use crate::command::root;

/// What a command came to.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics with all that was said unless the exit code is this one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n{}\n{}", self.out, self.err);
        self
    }

    /// Panics unless all of these were said on stderr.
    #[track_caller]
    pub fn tells(self, wanted: &[&str]) -> Self {
        for text in wanted {
            assert!(self.err.contains(text), "no `{text}` in:\n{}", self.err);
        }
        self
    }

    /// The only line of stdout, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.out))
    }
}

/// A command that runs.
pub struct Begun(Child);

impl Begun {
    /// Whether it came to its end by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_some()
    }

    /// Waits for its end.
    pub fn ends(self) -> Said {
        Said::of(self.0.wait_with_output().expect("an end"))
    }
}

/// A home folder with a sandbox; both end with the value.
pub struct World {
    home: tempfile::TempDir,
    pub project: PathBuf,
    endpoints: Option<Endpoints>,
    python: Option<PathBuf>,
    /// All that our commands printed.
    pub printed: std::cell::RefCell<String>,
    /// Every secret that was ever looked at, by path and field.
    pub seen_secrets: std::cell::RefCell<BTreeMap<String, String>>,
}

impl World {
    /// A home folder; nothing runs yet.
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().expect("a folder for the test"),
            project: root().to_path_buf(),
            endpoints: None,
            python: None,
            printed: std::cell::RefCell::default(),
            seen_secrets: std::cell::RefCell::default(),
        }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where our records are.
    pub fn runs(&self) -> PathBuf {
        self.home().join("state/rebuild/runs/sandbox")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rebuild-under-test"));
        // The tools are shared with the user; everything else is the test's own.
        let tools = Folders::from_environment().expect("a cache folder").tools;
        let cache = tools.ancestors().nth(2).expect("the cache home");
        command
            .args(arguments)
            .current_dir(&self.project)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env("COLUMNS", "120")
            .env("XDG_CACHE_HOME", cache)
            .env("XDG_STATE_HOME", self.home().join("state"));
        // The first start installs what is missing, with the toolchains of whoever runs the tests.
        for name in [
            "PATH",
            "GOPROXY",
            "GOCACHE",
            "GOFLAGS",
            "GOMODCACHE",
            "GOPATH",
            "PIP_INDEX_URL",
            "PIP_CERT",
            "SSL_CERT_FILE",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs `rebuild` to its end.
    pub fn rebuild(&self, arguments: &[&str]) -> Said {
        self.rebuild_with(arguments, &[])
    }

    /// The same with further environment variables.
    pub fn rebuild_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let output = self
            .command(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let said = Said::of(output);
        let mut printed = self.printed.borrow_mut();
        printed.push_str(&said.out);
        printed.push_str(&said.err);
        said
    }

    /// Starts `rebuild` and leaves it running; what it says is thrown away.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.start_with(arguments, &[])
    }

    /// The same with further environment variables.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        self.command(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }

    /// Starts `rebuild` and hears what it says until its end.
    pub fn begin(&self, arguments: &[&str]) -> Begun {
        let child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        Begun(child)
    }

    /// Starts the sandbox, or finds it started.
    pub fn up(&mut self) -> &Endpoints {
        let said = self
            .rebuild(&["sandbox", "up", "--format", "json"])
            .exits(0);
        let endpoints: Endpoints = serde_json::from_str(&said.out).expect("endpoints");
        let tools = Folders::from_environment().expect("a cache folder").tools;
        let installed = Installer::new(tools)
            .locate(&[Tool::Moto])
            .expect("moto's Python");
        self.python = Some(installed.program(Tool::Moto).expect("its path").into());
        self.endpoints.insert(endpoints)
    }

    pub fn endpoints(&self) -> &Endpoints {
        self.endpoints.as_ref().expect("a running sandbox")
    }

    /// A line of shell with `kubectl` and `bao` pointed at the sandbox.
    #[track_caller]
    pub fn shell(&self, line: &str) -> String {
        let endpoints = self.endpoints();
        let exports: Vec<String> = endpoints
            .env_exports()
            .iter()
            .map(ToString::to_string)
            .collect();
        let output = Command::new("sh")
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .args(["-euc", &format!("{}\n{line}", exports.join("\n"))])
            .output()
            .expect("a shell");
        let said = Said::of(output);
        assert_eq!(said.code, Some(0), "{line}\n{}\n{}", said.out, said.err);
        said.out
    }

    #[track_caller]
    pub fn kubectl(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.shell(&format!("kubectl {arguments} -o json"))).expect("JSON")
    }

    /// boto3 with the environment's profile; the code prints JSON.
    #[track_caller]
    pub fn aws(&self, code: &str) -> Value {
        let endpoints = self.endpoints();
        let code = format!(
            "import boto3, json\nsession = boto3.Session(profile_name={:?})\n\
             s3, ec2, iam = map(session.client, ('s3', 'ec2', 'iam'))\n{code}",
            sandbox::PROFILE
        );
        let output = Command::new(self.python.as_ref().expect("a running sandbox"))
            .env_clear()
            .env("AWS_CONFIG_FILE", &endpoints.aws_config_file)
            .env(
                "AWS_SHARED_CREDENTIALS_FILE",
                &endpoints.aws_credentials_file,
            )
            .args(["-I", "-c", &code])
            .output()
            .expect("Python runs");
        let said = Said::of(output);
        if said.code != Some(0) {
            let log = self.home().join("state/rebuild/sandbox/moto/moto.log");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(30).collect();
            panic!("{code}\n{}\nmoto, last line first: {last:#?}", said.err);
        }
        if said.out.trim().is_empty() {
            Value::Null
        } else {
            said.json()
        }
    }

    /// Every value of every secret below a path in Vault, by path and field.
    pub fn secrets(&self, below: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let names = self.shell(&format!(
            "bao kv list -format=json -mount=secret {below} || echo '[]'"
        ));
        let names: Value = serde_json::from_str(names.lines().next_back().unwrap_or("[]").trim())
            .or_else(|_| serde_json::from_str(&names))
            .expect("names");
        // Where nothing is, an empty map is said.
        let names = names.as_array().cloned().unwrap_or_default();
        for name in names.iter().filter_map(Value::as_str) {
            let path = format!("{below}/{name}");
            if let Some(folder) = path.strip_suffix('/') {
                found.extend(self.secrets(folder));
                continue;
            }
            let data = self.shell(&format!("bao kv get -format=json -mount=secret {path}"));
            let data: Value = serde_json::from_str(&data).expect("a secret");
            for (field, value) in data["data"]["data"].as_object().expect("fields") {
                let value = value.as_str().expect("text").to_owned();
                // What is public may be shown.
                if field != "public-key" && field != "certificate" {
                    let mut seen = self.seen_secrets.borrow_mut();
                    seen.insert(format!("{path}#{field} {}", &value[..4]), value.clone());
                }
                found.insert(format!("{path}#{field}"), value);
            }
        }
        found
    }

    /// How often each server was asked to change something by us, as the servers themselves count.
    pub fn mutations(&self) -> BTreeMap<String, usize> {
        let endpoints = self.endpoints();
        let lines = |path: &Path| -> Vec<Value> {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect()
        };
        // Asking who one is, what a token is, and trying a change without making it are creations and patches by name only.
        let kubernetes = lines(&endpoints.kube_audit_log)
            .iter()
            .filter(|line| {
                let verb = line["verb"].as_str().unwrap_or_default();
                ["create", "update", "patch", "delete", "deletecollection"].contains(&verb)
            })
            .filter(|line| line["objectRef"]["resource"] != "selfsubjectreviews")
            .filter(|line| {
                let asked = line["requestURI"].as_str().unwrap_or_default();
                !asked.contains("dryRun=All")
            })
            .count();
        let vault = lines(&endpoints.vault.audit_log)
            .iter()
            .filter(|line| line["type"] == "request")
            .filter(|line| line["request"]["path"] != "auth/token/lookup-accessor")
            .filter(|line| {
                let operation = line["request"]["operation"].as_str().unwrap_or_default();
                ["create", "update", "patch", "delete"].contains(&operation)
            })
            .count();
        let aws = std::fs::read_to_string(&endpoints.aws_request_log)
            .unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with("change "))
            .count();
        let s3 = self.aws(&format!(
            "import urllib.request\n\
             text = urllib.request.urlopen('{}').read().decode()\n\
             lines = [line for line in text.splitlines() if line.startswith('SeaweedFS_s3_request_total')]\n\
             reads = ('GET', 'HEAD', 'LIST', 'Get', 'Head', 'List')\n\
             def kind(line): return line.split('type=\"')[1].split('\"')[0]\n\
             print(int(sum(float(line.rsplit(' ', 1)[1]) for line in lines if not kind(line).startswith(reads))))",
            endpoints.objects.metrics
        ));
        let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).unwrap();
        BTreeMap::from([
            ("kubernetes".to_owned(), kubernetes),
            ("vault".to_owned(), vault),
            ("aws".to_owned(), aws),
            ("s3".to_owned(), number(&s3)),
        ])
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever the test came to, nothing goes on running.
        let _ = self.command(&["sandbox", "down", "--quiet"]).output();
    }
}

/// Waits for a condition, and says what for when it does not come about.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
