//! Rendering charts, by the program `helm`.
//!
//! Charts are rendered when they are vendored and never at another time: a plan neither needs `helm` nor depends on its version.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use overlay::{Chart, ChartRelease};
use serde_json::json;

use crate::digest::Digest;
use crate::error::{Error, Result, told};
use crate::limits::Limits;
use crate::lock::named;
use crate::tree::VendoredTree;

/// What a chart may render to, in bytes.
pub(crate) const OUTPUT_BYTES: u64 = 32 << 20;
/// What of its complaints is repeated, in bytes.
const SAID_BYTES: u64 = 4 << 10;
/// kustomize 5 is made for this version's options.
const MAJOR: &str = "v3.";

/// The program `helm`.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
    version: String,
    limits: Limits,
}

/// The digest of all that decides what a chart renders to, but for the version of `helm`.
pub(crate) fn inputs(tree: Digest, release: &ChartRelease) -> Digest {
    let ChartRelease {
        name,
        namespace,
        name_template,
        values,
        api_versions,
        kube_version,
        include_crds,
        skip_tests,
        skip_hooks,
        debug,
        devel,
    } = release;
    let values: Vec<String> = values.iter().map(|file| Digest::of(file).hex()).collect();
    let all = json!([
        tree.hex(),
        name,
        namespace,
        name_template,
        values,
        api_versions,
        kube_version,
        [include_crds, skip_tests, skip_hooks, debug, devel],
    ]);
    Digest::of(all.to_string().as_bytes())
}

impl Helm {
    /// Asks a program for its version.
    ///
    /// # Errors
    /// When it can't be run or is no `helm` of version 3.
    pub fn new(program: &Path, limits: Limits) -> Result<Helm> {
        let what = program.display().to_string();
        let home = temporary()?;
        let mut helm = Helm {
            program: program.to_owned(),
            version: String::new(),
            limits,
        };
        let mut command = helm.command(home.path());
        command.args(["version", "--template", "{{.Version}}"]);
        let said = helm.run(&what, command)?;
        helm.version = String::from_utf8_lossy(&said).trim().to_owned();
        if !helm.version.starts_with(MAJOR) {
            return Err(Error::Helm {
                chart: what,
                reason: format!(
                    "the program is of version '{}', and helm 3 is needed",
                    helm.version
                ),
            });
        }
        Ok(helm)
    }

    /// Its version, `v3.22.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Renders a chart twice. One that does not come out the same makes things up, passwords for example: these would
    /// be in the project, and new at every update.
    pub(crate) fn template(
        &self,
        chart: &Chart,
        tree: &VendoredTree,
        release: &ChartRelease,
    ) -> Result<Vec<u8>> {
        let first = self.template_once(chart, tree, release)?;
        if self.template_once(chart, tree, release)? != first {
            return Err(Error::Helm {
                chart: named(chart),
                reason: "it renders differently each time; give it the values that it makes up, such as passwords and certificates".to_owned(),
            });
        }
        Ok(first)
    }

    fn template_once(
        &self,
        chart: &Chart,
        tree: &VendoredTree,
        release: &ChartRelease,
    ) -> Result<Vec<u8>> {
        let what = named(chart);
        let home = temporary()?;
        let folder = home.path().join("charts").join(&chart.name);
        std::fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
        for (path, size, sha256) in tree.listing().files() {
            let content = tree
                .content(path, size, sha256)
                .map_err(|error| Error::Differs {
                    what: what.clone(),
                    reason: told(&error),
                })?;
            write(&folder.join(path), &content)?;
        }
        let mut command = self.command(home.path());
        command.arg("template");
        // Values are part of their options, and `--` ends those: a kustomization from elsewhere can't add any.
        for (option, value) in [
            ("namespace", &release.namespace),
            ("name-template", &release.name_template),
            ("kube-version", &release.kube_version),
        ] {
            if !value.is_empty() {
                command.arg(format!("--{option}={value}"));
            }
        }
        for (number, values) in release.values.iter().enumerate() {
            let path = home.path().join(format!("values-{number}.yaml"));
            write(&path, values)?;
            command.arg("--values").arg(path);
        }
        for version in &release.api_versions {
            command.arg(format!("--api-versions={version}"));
        }
        for (option, wanted) in [
            ("--include-crds", release.include_crds),
            ("--skip-tests", release.skip_tests),
            ("--no-hooks", release.skip_hooks),
            ("--debug", release.debug),
            ("--devel", release.devel),
        ] {
            if wanted {
                command.arg(option);
            }
        }
        if release.name.is_empty() && release.name_template.is_empty() {
            return Err(Error::Helm {
                chart: what,
                reason: "it has no releaseName".to_owned(),
            });
        }
        command.arg("--");
        if !release.name.is_empty() {
            command.arg(&release.name);
        }
        command.arg(&folder);
        self.run(&what, command)
    }

    /// The program without anybody's environment, configuration, plugins or cluster.
    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("KUBECONFIG", home.join("none"))
            .env("HELM_NO_PLUGINS", "1")
            .current_dir(home);
        for (name, folder) in [
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_DATA_HOME", "data"),
            ("HELM_PLUGINS", "plugins"),
        ] {
            command.env(name, home.join(folder));
        }
        command
    }

    fn run(&self, what: &str, mut command: Command) -> Result<Vec<u8>> {
        let failed = |reason: String| Error::Helm {
            chart: what.to_owned(),
            reason,
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                failed(format!(
                    "`{}` can't be run: {error}",
                    self.program.display()
                ))
            })?;
        let heard = hear(&mut child, self.limits.helm_time);
        if heard.is_err() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
        }
        let status = child
            .wait()
            .map_err(|error| failed(format!("helm can't be waited for: {error}")))?;
        let (printed, said) = heard.map_err(failed)?;
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            return Err(failed(format!("helm says: {}", said.trim())));
        }
        Ok(printed)
    }
}

/// All that a program prints, until it closes both outputs.
fn hear(
    child: &mut Child,
    time: std::time::Duration,
) -> std::result::Result<(Vec<u8>, Vec<u8>), String> {
    let end = Instant::now() + time;
    let (sender, receiver) = mpsc::channel();
    let listen = |from: Option<Box<dyn Read + Send>>, limit: u64, stdout: bool| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut heard = Vec::new();
            let mut over = false;
            if let Some(mut from) = from {
                let read = (&mut from).take(limit).read_to_end(&mut heard);
                // What comes after that is not kept, but must be taken, or the program would wait.
                over = read.is_err()
                    || std::io::copy(&mut from, &mut std::io::sink()).unwrap_or(1) > 0;
            }
            // Nobody listens any more when it took too long.
            let _ = sender.send((stdout, heard, over));
        });
    };
    listen(
        child.stdout.take().map(|from| Box::new(from) as _),
        OUTPUT_BYTES,
        true,
    );
    listen(
        child.stderr.take().map(|from| Box::new(from) as _),
        SAID_BYTES,
        false,
    );
    let (mut printed, mut said) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let left = end.saturating_duration_since(Instant::now());
        let (stdout, heard, over) = receiver
            .recv_timeout(left)
            .map_err(|_| format!("helm took longer than {} seconds", time.as_secs()))?;
        if stdout && over {
            return Err(format!("it renders to more than {OUTPUT_BYTES} bytes"));
        }
        *(if stdout { &mut printed } else { &mut said }) = heard;
    }
    Ok((printed, said))
}

fn temporary() -> Result<tempfile::TempDir> {
    let folder = std::env::temp_dir();
    tempfile::Builder::new()
        .prefix("rebuild-helm-")
        .tempdir_in(&folder)
        .map_err(Error::file("make a folder in", &folder))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    std::fs::write(path, content).map_err(Error::file("write", path))
}
