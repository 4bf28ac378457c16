//! What is vendored, for a rendering: from the folder, by the lock file, and from nowhere else.

use std::rc::Rc;

use overlay::{Chart, ChartRelease, FileTree, RemoteError, Remotes, RepositorySpec};

use crate::allowed::Allowed;
use crate::digest::Digest;
use crate::error::{Error, Result, told};
use crate::lock::{Lock, named};
use crate::shelf::{Problem, Shelf};
use crate::vendoring::ONLY_FILE;
use crate::{fetch, helm};

/// Vendored repositories, files and charts. Asks no server and runs nothing.
#[derive(Clone, Debug)]
pub struct Store {
    shelf: Shelf,
    lock: Lock,
    allowed: Allowed,
}

impl Store {
    /// What this lock file pins, in this folder, as far as it is allowed.
    #[must_use]
    pub fn new(shelf: Shelf, lock: Lock, allowed: Allowed) -> Store {
        Store {
            shelf,
            lock,
            allowed,
        }
    }

    /// What is pinned.
    #[must_use]
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(crate) fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Reads all that is pinned, and says what differs. Empty: everything is as it was vendored.
    #[must_use]
    pub fn verify(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (digest, what) in self.lock.trees() {
            problems.extend(self.shelf.problems(&what, digest));
        }
        problems
    }

    fn unlisted(&self, what: &str) -> Error {
        Error::NotVendored {
            what: what.to_owned(),
            reason: "the lock file does not list it".to_owned(),
        }
    }

    /// The only file of a tree.
    pub(crate) fn only_file(
        shelf: &Shelf,
        what: &str,
        digest: Digest,
        limit: u64,
    ) -> Result<Vec<u8>> {
        let tree = shelf.open(what, digest)?;
        read(&tree, what, &format!("/{ONLY_FILE}"), limit)
    }

    pub(crate) fn values(shelf: &Shelf, what: &str, digest: Digest) -> Result<Vec<u8>> {
        let tree = shelf.open(what, digest)?;
        if tree.find("/values.yaml").is_err() {
            return Ok(Vec::new());
        }
        read(&tree, what, "/values.yaml", shelf.limits().file_bytes)
    }
}

fn read(tree: &dyn FileTree, what: &str, path: &str, limit: u64) -> Result<Vec<u8>> {
    tree.read(path, limit).map_err(|error| Error::Differs {
        what: what.to_owned(),
        reason: told(&error),
    })
}

/// Whether a chart is one that can be asked for: where its repository or version is missing, the rendering says so.
pub(crate) fn is_named(chart: &Chart) -> bool {
    !chart.repo.is_empty() && !chart.version.is_empty()
}

impl Remotes for Store {
    fn repository(
        &self,
        spec: &RepositorySpec,
    ) -> std::result::Result<Rc<dyn FileTree>, RemoteError> {
        self.allowed.check(&spec.repository)?;
        let pin = self
            .lock
            .repositories
            .get(&spec.raw)
            .ok_or_else(|| self.unlisted(&spec.raw))?;
        if pin.repository != spec.repository || pin.reference != spec.reference {
            return Err(Error::Differs {
                what: spec.raw.clone(),
                reason: format!("the lock file says it is of {}", pin.repository),
            }
            .into());
        }
        Ok(Rc::new(self.shelf.open(&spec.raw, pin.tree)?))
    }

    fn file(&self, url: &str, limit: u64) -> std::result::Result<Vec<u8>, RemoteError> {
        self.allowed.check(url)?;
        let pin = self.lock.files.get(url).ok_or_else(|| self.unlisted(url))?;
        let content = Store::only_file(&self.shelf, url, pin.tree, limit)?;
        if Digest::of(&content) != pin.sha256 {
            return Err(Error::Differs {
                what: url.to_owned(),
                reason: "its two digests do not agree".to_owned(),
            }
            .into());
        }
        Ok(content)
    }

    fn chart_values(&self, chart: &Chart) -> std::result::Result<Vec<u8>, RemoteError> {
        if !is_named(chart) {
            return Ok(Vec::new());
        }
        self.allowed.check(&fetch::chart::index_url(chart)?)?;
        let what = named(chart);
        let pin = self.lock.chart(chart).ok_or_else(|| self.unlisted(&what))?;
        Ok(Store::values(&self.shelf, &what, pin.tree)?)
    }

    fn template(
        &self,
        chart: &Chart,
        release: &ChartRelease,
    ) -> std::result::Result<Vec<u8>, RemoteError> {
        let what = named(chart);
        self.allowed.check(&fetch::chart::index_url(chart)?)?;
        let pin = self.lock.chart(chart).ok_or_else(|| self.unlisted(&what))?;
        let rendering = pin
            .renderings
            .get(&helm::inputs(pin.tree, release))
            .ok_or_else(|| Error::NotVendored {
                what: what.clone(),
                reason: "its values or options are not those it was rendered with".to_owned(),
            })?;
        Ok(Store::only_file(
            &self.shelf,
            &what,
            rendering.tree,
            helm::OUTPUT_BYTES,
        )?)
    }
}
