//! Where the sandbox keeps its tools and its state.

use std::path::PathBuf;

use etcetera::base_strategy::{BaseStrategy, Xdg};

use crate::error::{Error, Result};

/// Names the state folder in place of the default one; for tests and for a second sandbox beside the first.
const STATE_VARIABLE: &str = "REBUILD_SANDBOX_DIR";

/// The folders of the sandbox (XDG Base Directory Specification).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Installed tools, one folder per tool and version. May be deleted at any time when nothing runs.
    pub tools: PathBuf,
    /// The servers' data, credentials and logs. Deleted by a reset only.
    pub state: PathBuf,
}

impl Folders {
    /// The folders of this user: `rebuild/tools` in the cache home and `rebuild/sandbox` in the state home, or
    /// `REBUILD_SANDBOX_DIR`.
    ///
    /// # Errors
    /// When the home folder is unknown, or `REBUILD_SANDBOX_DIR` can't be made absolute.
    pub fn from_environment() -> Result<Self> {
        let xdg = Xdg::new().map_err(|_| Error::NoHome)?;
        let tools = xdg.cache_dir().join("rebuild").join("tools");
        let state = match std::env::var_os(STATE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(dir) => std::path::absolute(&dir).map_err(Error::file("resolve", &dir))?,
            None => xdg
                .state_dir()
                .unwrap_or_else(|| xdg.home_dir().join(".local").join("state"))
                .join("rebuild")
                .join("sandbox"),
        };
        Ok(Self { tools, state })
    }
}

/// The names in the state folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub dir: PathBuf,
}

impl Layout {
    /// Says that the folder is the sandbox's, so that a reset may empty it.
    pub(crate) const MARKER: &str = ".rebuild-sandbox";
    /// Held by whoever starts or stops the sandbox. Never deleted: another may be waiting for it.
    pub(crate) const CONTROL_LOCK: &str = "control.lock";

    pub(crate) fn marker(&self) -> PathBuf {
        self.dir.join(Self::MARKER)
    }

    pub(crate) fn control_lock(&self) -> PathBuf {
        self.dir.join(Self::CONTROL_LOCK)
    }

    /// Held by the supervisor as long as it lives; the kernel lets go of it however it dies.
    pub(crate) fn supervisor_lock(&self) -> PathBuf {
        self.dir.join("supervisor.lock")
    }

    pub(crate) fn supervisor_log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.dir.join("secrets.json")
    }

    pub(crate) fn ports(&self) -> PathBuf {
        self.dir.join("ports.json")
    }

    pub(crate) fn server(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}
