//! A tree in memory, for tests and for archives read beforehand.

use std::collections::BTreeMap;

use super::{FileTree, Place, TreeError, join};

/// Files by absolute path; directories are whatever contains a file. There are no links.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> MemoryTree {
        MemoryTree::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(join("/", path), content.into());
    }
}

impl<P: AsRef<str>, C: Into<Vec<u8>>> FromIterator<(P, C)> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> MemoryTree {
        let mut tree = MemoryTree::new();
        for (path, content) in files {
            tree.insert(path.as_ref(), content);
        }
        tree
    }
}

impl FileTree for MemoryTree {
    fn find(&self, path: &str) -> Result<Place, TreeError> {
        let path = join("/", path);
        if self.files.contains_key(&path) {
            return Ok(Place {
                path,
                directory: false,
            });
        }
        let below = if path == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        if path == "/"
            || self
                .files
                .range(below.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&below))
        {
            return Ok(Place {
                path,
                directory: true,
            });
        }
        Err(TreeError::NotFound(path))
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let content = self
            .files
            .get(path)
            .ok_or_else(|| TreeError::NotFound(path.to_owned()))?;
        if content.len() as u64 > limit {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        Ok(content.clone())
    }
}
