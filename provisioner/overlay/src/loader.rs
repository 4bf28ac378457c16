//! Reading a kustomization's files within what it may read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::tree::{FileTree, TreeError, is_within, join, parent};
use crate::{LoadRestrictor, Options};

/// A file that went into a rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The file, as the tree knows it, links followed.
    pub path: String,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub sha256: String,
}

/// What all loaders of one rendering share.
struct Shared<'t> {
    tree: &'t dyn FileTree,
    options: &'t Options,
    read: RefCell<Reads>,
}

#[derive(Default)]
struct Reads {
    digests: BTreeMap<String, String>,
    bytes: u64,
    roots: usize,
}

/// Reads files relative to one kustomization's directory, its root.
#[derive(Clone)]
pub(crate) struct Loader<'t> {
    shared: Rc<Shared<'t>>,
    root: Rc<str>,
    /// The roots that led here, outermost first.
    ancestors: Rc<[Rc<str>]>,
}

impl<'t> Loader<'t> {
    /// A loader at the directory to be rendered.
    pub(crate) fn new(
        tree: &'t dyn FileTree,
        root: &str,
        options: &'t Options,
    ) -> Result<Loader<'t>> {
        if looks_remote(root) {
            return Err(refused_remote(root));
        }
        let shared = Rc::new(Shared {
            tree,
            options,
            read: RefCell::default(),
        });
        let loader = Loader {
            shared,
            root: "/".into(),
            ancestors: Rc::from([]),
        };
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
        if looks_remote(path) {
            return Err(refused_remote(path));
        }
        if path.starts_with('/') {
            return Err(Error::new(
                ErrorKind::Security,
                format!("new root '{path}' cannot be absolute"),
            ));
        }
        let target = join(&self.root, path);
        let root = self.directory(&target, &target)?;
        for visited in self.ancestors.iter().chain([&self.root]).rev() {
            if is_within(visited, &root) {
                return Err(Error::new(
                    ErrorKind::Security,
                    format!(
                        "cycle detected: candidate root '{root}' contains visited root '{visited}'"
                    ),
                ));
            }
        }
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
        drop(read);
        let ancestors = self
            .ancestors
            .iter()
            .cloned()
            .chain([self.root.clone()])
            .collect();
        Ok(Loader {
            shared: self.shared.clone(),
            root: root.into(),
            ancestors,
        })
    }

    fn directory(&self, shown: &str, path: &str) -> Result<String> {
        let place = self.shared.tree.find(path).map_err(|e| {
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
            return Err(refused_remote(path));
        }
        let full = join(&self.root, path);
        let place = self
            .shared
            .tree
            .find(&full)
            .map_err(|e| Error::new(kind_of(&e), link_failure(&full, &e)))?;
        let free = self.shared.options.load_restrictor == LoadRestrictor::None;
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
            .shared
            .tree
            .read(&place.path, limits.file_bytes)
            .map_err(|e| Error::new(kind_of(&e), e.to_string()))?;
        let mut read = self.shared.read.borrow_mut();
        read.digests
            .entry(place.path)
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
    }
}

fn link_failure(path: &str, error: &TreeError) -> String {
    match error {
        TreeError::NotFound(_) => format!("evalsymlink failure on '{path}' : {error}"),
        other => other.to_string(),
    }
}

fn refused_remote(path: &str) -> Error {
    Error::refused(format!(
        "remote resource '{path}' is refused: rendering reads only local files, so that a result does not depend on what a server says"
    ))
}

/// `http://` or `https://`.
pub(crate) fn is_url(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// Whether kustomize would clone `path` from a repository: a scheme, a user with a host, or GitHub's name.
pub(crate) fn looks_remote(path: &str) -> bool {
    if path.starts_with('/') {
        return false;
    }
    let path = path.split('?').next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let rest = lower.strip_prefix("git::").unwrap_or(&lower);
    let schemes = ["ssh://", "https://", "http://", "file://"];
    let bare = schemes
        .iter()
        .find_map(|s| rest.strip_prefix(s))
        .unwrap_or(rest);
    let has_scheme = bare.len() != rest.len();
    let (user, bare) = match bare.split_once('@') {
        Some((user, rest))
            if user.starts_with(|c: char| c.is_ascii_lowercase())
                && user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
        {
            (true, rest)
        }
        _ => (false, bare),
    };
    let github = bare.starts_with("github.com/") || bare.starts_with("github.com:");
    if !has_scheme && !user && !github {
        return false;
    }
    let separator = bare.find(['/', ':']);
    separator.is_some_and(|at| {
        bare[at + 1..].contains('/') || bare.contains(".git") || bare.contains("//")
    })
}
