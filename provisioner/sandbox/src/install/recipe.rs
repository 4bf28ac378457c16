//! How one installation is made exactly once, whoever asks for it at the same time.

use std::fs::TryLockError;
use std::path::{Path, PathBuf};

use super::stamp::{Found, Stamp};
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Observer, Progress};

/// How to make an installation in a folder.
pub(super) trait Recipe: Sync {
    /// The name of its folder.
    fn name(&self) -> &str;

    /// What people call it.
    fn title(&self) -> String {
        format!("{} {}", self.name(), self.version())
    }

    /// The version, also the name of the folder in its folder.
    fn version(&self) -> String;

    /// Digest of all that decides what is made.
    fn inputs(&self) -> String;

    /// Whether a finished installation still works: what it needs of the system may be gone.
    fn usable(&self, _dir: &Path) -> bool {
        true
    }

    /// Makes it, and says which files it consists of. The folder may hold what an interrupted run left there.
    fn make(&self, dir: &Path, report: &Report<'_>) -> Result<Vec<PathBuf>>;
}

/// Passes on how an installation goes.
pub(super) struct Report<'a> {
    what: String,
    observer: &'a dyn Observer,
}

impl Report<'_> {
    pub(super) fn advanced(&self, done: u64, total: Option<u64>, detail: &str) {
        self.observer.notice(&Progress::Advanced {
            what: self.what.clone(),
            done,
            total,
            detail: detail.to_owned(),
        });
    }
}

/// The folder of an installation.
pub(super) fn folder(tools: &Path, recipe: &dyn Recipe) -> PathBuf {
    tools.join(recipe.name()).join(recipe.version())
}

/// The folder of a finished installation.
pub(super) fn find(tools: &Path, recipe: &dyn Recipe) -> Result<Option<PathBuf>> {
    let dir = folder(tools, recipe);
    Ok(match Stamp::look(&dir, &recipe.inputs())? {
        Found::Finished if recipe.usable(&dir) => Some(dir),
        Found::Finished | Found::Unfinished => None,
    })
}

/// Makes an installation unless it is finished. Of several processes that want the same one makes it, and the others
/// wait for it.
pub(super) fn ensure(
    tools: &Path,
    recipe: &dyn Recipe,
    observer: &dyn Observer,
) -> Result<PathBuf> {
    if let Some(dir) = find(tools, recipe)? {
        return Ok(dir);
    }
    let dir = folder(tools, recipe);
    files::private_dir(&dir)?;
    let lock_path = tools
        .join(recipe.name())
        .join(format!("{}.lock", recipe.version()));
    let lock = files::lock_file(&lock_path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            observer.notice(&Progress::Waiting {
                what: recipe.title(),
                on: "another installer".to_owned(),
            });
            lock.lock().map_err(Error::file("lock", &lock_path))?;
        }
        Err(TryLockError::Error(source)) => return Err(Error::file("lock", &lock_path)(source)),
    }
    if let Some(dir) = find(tools, recipe)? {
        return Ok(dir);
    }
    observer.notice(&Progress::Started {
        what: recipe.title(),
    });
    Stamp::remove(&dir)?;
    let report = Report {
        what: recipe.title(),
        observer,
    };
    let outputs = recipe.make(&dir, &report)?;
    Stamp::put(&dir, &recipe.inputs(), &outputs)?;
    observer.notice(&Progress::Finished {
        what: recipe.title(),
    });
    Ok(dir)
}
