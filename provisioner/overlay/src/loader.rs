//! Reading a kustomization's files within what it may read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::chart::{Chart, ChartRelease};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::{RemoteError, Remotes, RepositorySpec, is_url};
use crate::tree::{FileTree, TreeError, is_within, join, parent};
use crate::{LoadRestrictor, Options};

/// A file that went into a rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file, as the tree knows it, links followed. Of a file of a repository, `REPOSITORY//PATH?ref=REFERENCE`; of
    /// one behind a URL, the URL.
    pub path: String,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
}

/// What all loaders of one rendering share.
struct Shared<'t> {
    options: &'t Options,
    remotes: &'t dyn Remotes,
    read: RefCell<Reads>,
}

/// The files a loader reads.
#[derive(Clone)]
enum Tree<'t> {
    Given(&'t dyn FileTree),
    Cloned(Rc<Clone>),
}

/// A repository that a kustomization names.
struct Clone {
    /// Tells clones apart: the same repository named twice is two.
    number: usize,
    spec: RepositorySpec,
    files: Rc<dyn FileTree>,
}

impl Tree<'_> {
    fn files(&self) -> &dyn FileTree {
        match self {
            Tree::Given(tree) => *tree,
            Tree::Cloned(clone) => &*clone.files,
        }
    }

    fn number(&self) -> usize {
        match self {
            Tree::Given(_) => 0,
            Tree::Cloned(clone) => clone.number,
        }
    }

    /// How a file is called among all of a rendering.
    fn name(&self, path: &str) -> String {
        match self {
            Tree::Given(_) => path.to_owned(),
            Tree::Cloned(clone) => {
                let reference = clone.spec.reference.as_deref();
                let query = reference.map_or_else(String::new, |r| format!("?ref={r}"));
                format!("{}/{path}{query}", clone.spec.repository)
            }
        }
    }
}

/// A root that led to another.
#[derive(Clone)]
struct Visited<'t> {
    tree: Tree<'t>,
    root: Rc<str>,
}

#[derive(Default)]
struct Reads {
    digests: BTreeMap<String, String>,
    bytes: u64,
    roots: usize,
    clones: usize,
}

/// Reads files relative to one kustomization's directory, its root.
#[derive(Clone)]
pub(crate) struct Loader<'t> {
    shared: Rc<Shared<'t>>,
    tree: Tree<'t>,
    root: Rc<str>,
    /// The roots that led here, outermost first.
    ancestors: Rc<[Visited<'t>]>,
}

impl<'t> Loader<'t> {
    /// A loader at the directory to be rendered.
    pub(crate) fn new(
        tree: &'t dyn FileTree,
        root: &str,
        options: &'t Options,
        remotes: &'t dyn Remotes,
    ) -> Result<Loader<'t>> {
        let shared = Rc::new(Shared {
            options,
            remotes,
            read: RefCell::default(),
        });
        let loader = Loader {
            shared,
            tree: Tree::Given(tree),
            root: "/".into(),
            ancestors: Rc::from([]),
        };
        if let Some(spec) = RepositorySpec::parse(root) {
            return loader.cloned(spec, Rc::from([]));
        }
        let root = loader.directory(root, &join("/", root))?;
        Ok(Loader {
            root: root.into(),
            ..loader
        })
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn options(&self) -> &'t Options {
        self.shared.options
    }

    /// The files read so far, by path.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        let read = self.shared.read.borrow();
        read.digests
            .iter()
            .map(|(path, sha256)| Input {
                path: path.clone(),
                sha256: sha256.clone(),
            })
            .collect()
    }

    /// A loader for a base, component or other directory named by this kustomization.
    pub(crate) fn descend(&self, path: &str) -> Result<Loader<'t>> {
        if path.is_empty() {
            return Err(Error::invalid("new root cannot be empty"));
        }
        if let Some(spec) = RepositorySpec::parse(path) {
            let mut visited = self.ancestors.iter().map(|v| &v.tree).chain([&self.tree]);
            if let Some(Tree::Cloned(clone)) = visited
                .find(|tree| matches!(tree, Tree::Cloned(c) if c.spec.raw.starts_with(&spec.raw)))
            {
                return Err(Error::new(
                    ErrorKind::Security,
                    format!(
                        "cycle detected: URI '{}' referenced by previous URI '{}'",
                        spec.raw, clone.spec.raw
                    ),
                ));
            }
            self.count_root(&spec.raw)?;
            return self.cloned(spec, self.below());
        }
        if path.starts_with('/') {
            return Err(Error::new(
                ErrorKind::Security,
                format!("new root '{path}' cannot be absolute"),
            ));
        }
        let target = join(&self.root, path);
        let root = self.directory(&target, &target)?;
        let number = self.tree.number();
        let visited = self
            .ancestors
            .iter()
            .filter(|v| v.tree.number() == number)
            .map(|v| &v.root);
        for visited in visited.chain([&self.root]).rev() {
            if is_within(visited, &root) {
                return Err(Error::new(
                    ErrorKind::Security,
                    format!(
                        "cycle detected: candidate root '{root}' contains visited root '{visited}'"
                    ),
                ));
            }
        }
        self.count_root(&root)?;
        Ok(Loader {
            shared: self.shared.clone(),
            tree: self.tree.clone(),
            root: root.into(),
            ancestors: self.below(),
        })
    }

    /// The roots that lead to what this kustomization names.
    fn below(&self) -> Rc<[Visited<'t>]> {
        let this = Visited {
            tree: self.tree.clone(),
            root: self.root.clone(),
        };
        self.ancestors.iter().cloned().chain([this]).collect()
    }

    /// A loader at a directory of a repository.
    fn cloned(&self, spec: RepositorySpec, ancestors: Rc<[Visited<'t>]>) -> Result<Loader<'t>> {
        let files = self.shared.remotes.repository(&spec)?;
        let mut read = self.shared.read.borrow_mut();
        read.clones += 1;
        let number = read.clones;
        drop(read);
        let path = join("/", &spec.path);
        let loader = Loader {
            shared: self.shared.clone(),
            root: "/".into(),
            tree: Tree::Cloned(Rc::new(Clone {
                number,
                spec,
                files,
            })),
            ancestors,
        };
        let root = loader.directory(&path, &path)?.into();
        Ok(Loader { root, ..loader })
    }

    fn count_root(&self, root: &str) -> Result<()> {
        let limits = &self.shared.options.limits;
        if self.ancestors.len() >= limits.depth {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("'{root}' is more than {} bases deep", limits.depth),
            ));
        }
        let mut read = self.shared.read.borrow_mut();
        read.roots += 1;
        if read.roots > limits.kustomizations {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "more than {} kustomizations are read",
                    limits.kustomizations
                ),
            ));
        }
        Ok(())
    }

    fn directory(&self, shown: &str, path: &str) -> Result<String> {
        let place = self.tree.files().find(path).map_err(|e| {
            let kind = kind_of(&e);
            Error::new(
                kind,
                format!(
                    "must build at directory: not a valid directory: {}",
                    link_failure(shown, &e)
                ),
            )
        })?;
        if !place.directory {
            return Err(Error::missing(format!(
                "must build at directory: '{shown}': file is not directory"
            )));
        }
        Ok(place.path)
    }

    /// The content of a file named by this kustomization.
    pub(crate) fn load(&self, path: &str) -> Result<Vec<u8>> {
        if is_url(path) {
            let limit = self.shared.options.limits.file_bytes;
            let content = self.shared.remotes.file(path, limit)?;
            return self.count(path.to_owned(), content);
        }
        let cloned = matches!(self.tree, Tree::Cloned(_));
        if cloned && path.starts_with('/') {
            return Err(Error::new(
                ErrorKind::Security,
                format!("security; file '{path}' is not in or below '{}'", self.root),
            ));
        }
        let full = join(&self.root, path);
        let place = self
            .tree
            .files()
            .find(&full)
            .map_err(|e| Error::new(kind_of(&e), link_failure(&full, &e)))?;
        let free = !cloned && self.shared.options.load_restrictor == LoadRestrictor::None;
        if place.directory {
            return Err(Error::missing(if free {
                format!("read {full}: is a directory")
            } else {
                format!("'{full}' must resolve to a file")
            }));
        }
        if !free && !is_within(parent(&place.path), &self.root) {
            return Err(Error::new(
                ErrorKind::Security,
                format!("security; file '{full}' is not in or below '{}'", self.root),
            ));
        }
        let limits = &self.shared.options.limits;
        let content = self
            .tree
            .files()
            .read(&place.path, limits.file_bytes)
            .map_err(|e| Error::new(kind_of(&e), e.to_string()))?;
        self.count(self.tree.name(&place.path), content)
    }

    /// The values a chart comes with.
    pub(crate) fn chart_values(&self, chart: &Chart) -> Result<Vec<u8>> {
        Ok(self.shared.remotes.chart_values(chart)?)
    }

    /// What a chart renders to.
    pub(crate) fn template(&self, chart: &Chart, release: &ChartRelease) -> Result<Vec<u8>> {
        let printed = self.shared.remotes.template(chart, release)?;
        let Chart {
            name,
            repo,
            version,
        } = chart;
        self.count(format!("helm:{repo}/{name}@{version}"), printed)
    }

    /// Notes what was read.
    fn count(&self, name: String, content: Vec<u8>) -> Result<Vec<u8>> {
        let limits = &self.shared.options.limits;
        let mut read = self.shared.read.borrow_mut();
        read.digests
            .entry(name)
            .or_insert_with(|| hex::encode(Sha256::digest(&content)));
        read.bytes += content.len() as u64;
        if read.bytes > limits.total_bytes {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "the overlay's files have more than {} bytes",
                    limits.total_bytes
                ),
            ));
        }
        Ok(content)
    }
}

fn kind_of(error: &TreeError) -> ErrorKind {
    match error {
        TreeError::NotFound(_) | TreeError::Unreadable { .. } => ErrorKind::Missing,
        TreeError::Outside(_) => ErrorKind::Security,
        TreeError::TooLarge { .. } => ErrorKind::Limit,
        TreeError::Corrupt { .. } => ErrorKind::Corrupt,
    }
}

fn link_failure(path: &str, error: &TreeError) -> String {
    match error {
        TreeError::NotFound(_) => format!("evalsymlink failure on '{path}' : {error}"),
        other => other.to_string(),
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Error {
        let kind = match &error {
            RemoteError::Unlisted(_) => ErrorKind::Refused,
            RemoteError::Failed(_) => ErrorKind::Corrupt,
        };
        Error::new(kind, error.to_string())
    }
}
