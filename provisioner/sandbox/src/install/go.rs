//! Tools built from Go modules. Their `go.mod` and `go.sum` are part of this program: Go checks every module against
//! the digests in there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::run;
use super::pins::Tool;
use super::recipe::{Recipe, Report};
use super::stamp;
use crate::error::{Error, Result};
use crate::files;

/// The folder of a main module that pins everything a tool is built from.
pub(super) struct Source {
    name: &'static str,
    pub(super) module: &'static str,
    pub(super) go_mod: &'static str,
    go_sum: &'static str,
    /// What tells the program its version: without it Kubernetes says v0.0.0 and clients misjudge it.
    ldflags: &'static str,
}

const ETCD: Source = Source {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    go_mod: include_str!("../../control-plane/etcd/go.mod"),
    go_sum: include_str!("../../control-plane/etcd/go.sum"),
    ldflags: "-s -w",
};

const KUBERNETES: Source = Source {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    go_mod: include_str!("../../control-plane/kubernetes/go.mod"),
    go_sum: include_str!("../../control-plane/kubernetes/go.sum"),
    ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
              -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37",
};

const KWOK: Source = Source {
    name: "kwok",
    module: "sigs.k8s.io/kwok",
    go_mod: include_str!("../../control-plane/kwok/go.mod"),
    go_sum: include_str!("../../control-plane/kwok/go.sum"),
    ldflags: "-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0",
};

const HELM: Source = Source {
    name: "helm",
    module: "helm.sh/helm/v3",
    go_mod: include_str!("../../control-plane/helm/go.mod"),
    go_sum: include_str!("../../control-plane/helm/go.sum"),
    ldflags: "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0",
};

/// The stages that kwok moves nodes and pods through, files of its module.
pub(super) const STAGES: [&str; 5] = [
    "node/fast/node-initialize",
    "node/heartbeat/node-heartbeat",
    "pod/fast/pod-ready",
    "pod/fast/pod-complete",
    "pod/fast/pod-delete",
];

pub(super) const fn source(tool: Tool) -> &'static Source {
    match tool {
        Tool::Etcd => &ETCD,
        Tool::Kwok => &KWOK,
        Tool::Helm => &HELM,
        _ => &KUBERNETES,
    }
}

/// The file name of a stage in the installation.
pub(super) fn stage_file(stage: &str) -> PathBuf {
    let name = stage.rsplit('/').next().unwrap_or(stage);
    Path::new("stages").join(format!("{name}.yaml"))
}

/// One Go program.
pub(super) struct GoTool {
    tool: Tool,
    /// Where the main modules are written.
    build: PathBuf,
}

impl GoTool {
    pub(super) fn new(tool: Tool, tools: &Path) -> Self {
        let build = tools.join("build").join(source(tool).name);
        Self { tool, build }
    }

    fn go(&self) -> Command {
        let mut command = Command::new("go");
        command
            .current_dir(&self.build)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly");
        command
    }

    fn run(&self, command: &mut Command, said: impl FnMut(&str) + Send) -> Result<Vec<String>> {
        let missing = || {
            Error::MissingProgram {
            program: "go",
            wanted: self.name().to_owned(),
            detail: "install Go 1.26 or newer (https://go.dev/dl), or point KUBEBUILDER_ASSETS to a folder with \
                     kube-apiserver and etcd"
                .to_owned(),
        }
        };
        run(self.name(), command, missing, said)
    }
}

impl Recipe for GoTool {
    fn name(&self) -> &str {
        self.tool.pin().name
    }

    fn version(&self) -> String {
        self.tool.pin().version.to_owned()
    }

    fn inputs(&self) -> String {
        let Source {
            name: _,
            module,
            go_mod,
            go_sum,
            ldflags,
        } = source(self.tool);
        stamp::inputs([module, go_mod, go_sum, ldflags, self.tool.pin().origin])
    }

    /// An interrupted build goes on where Go's build cache left off.
    fn make(&self, dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>> {
        let source = source(self.tool);
        let package = self.tool.pin().origin;
        files::private_dir(&self.build)?;
        files::write_private(&self.build.join("go.mod"), source.go_mod.as_bytes())?;
        files::write_private(&self.build.join("go.sum"), source.go_sum.as_bytes())?;

        let mut fetched = 0;
        let packages = self.run(self.go().args(["list", "-deps", package]), |line| {
            if let Some(module) = line.strip_prefix("go: downloading ") {
                fetched += 1;
                report.advanced(fetched, None, &format!("downloading {module}"));
            }
        })?;
        // Of what `-v` prints only packages count, each once: the compiler's remarks are in there too.
        let mut waiting: BTreeSet<&str> = packages.iter().map(String::as_str).collect();
        let total = waiting.len() as u64;
        let program = PathBuf::from(self.name());
        let unfinished = dir.join(".unfinished");
        self.run(
            self.go()
                .args(["build", "-v", "-trimpath", "-ldflags", source.ldflags, "-o"])
                .arg(&unfinished)
                .arg(package),
            |line| {
                if waiting.remove(line) {
                    report.advanced(total - waiting.len() as u64, Some(total), line);
                }
            },
        )?;
        let path = dir.join(&program);
        std::fs::rename(&unfinished, &path).map_err(Error::file("put in place", &path))?;
        let mut outputs = vec![program];
        if self.tool == Tool::Kwok {
            outputs.extend(self.copy_stages(dir)?);
        }
        Ok(outputs)
    }
}

impl GoTool {
    fn copy_stages(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let printed = self.run(
            self.go()
                .args(["list", "-m", "-f", "{{.Dir}}", source(self.tool).module]),
            |_| {},
        )?;
        let module = PathBuf::from(printed.first().map_or("", String::as_str));
        files::private_dir(&dir.join("stages"))?;
        let mut copied = Vec::with_capacity(STAGES.len());
        for stage in STAGES {
            let from = module.join("kustomize/stage").join(format!("{stage}.yaml"));
            let content = std::fs::read(&from).map_err(Error::file("read", &from))?;
            let to = stage_file(stage);
            // Not copied as a file: those of the module cache are read-only.
            files::write_private(&dir.join(&to), &content)?;
            copied.push(to);
        }
        Ok(copied)
    }
}
