//! Where files come from.

mod disk;
mod memory;

pub use disk::DiskTree;
pub use memory::MemoryTree;

/// A place in a tree, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Absolute, with `/` between parts and none at the end, free of `.`, `..` and links.
    pub path: String,
    /// Whether it is a directory.
    pub directory: bool,
}

/// Why a tree does not give a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Nothing is there; the path is that of the first missing part.
    #[error("lstat {0}: no such file or directory")]
    NotFound(String),
    /// The path leads out of the tree, directly or by a link.
    #[error("'{0}' is outside of the file tree")]
    Outside(String),
    /// Larger than allowed.
    #[error("'{path}' is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Its content is not what was put there.
    #[error("'{path}' was changed: {reason}")]
    Corrupt {
        /// The file.
        path: String,
        /// How that is known.
        reason: String,
    },
    /// Not a regular file, or it cannot be read.
    #[error("cannot read '{path}': {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What stands in the way.
        reason: String,
    },
}

/// A read-only tree of files. Implementations never give anything from outside of it.
pub trait FileTree {
    /// Finds what is at an absolute, normalised path, following links.
    ///
    /// # Errors
    /// When nothing is there or the path leads out of the tree.
    fn find(&self, path: &str) -> Result<Place, TreeError>;

    /// The content of the file at a path that [`FileTree::find`] gave.
    ///
    /// # Errors
    /// When it cannot be read or has more than `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError>;
}

/// Joins `path` to `base` and removes `.` and `..` by text alone. Both use `/`; the result is absolute.
pub(crate) fn join(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let all = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{base}/{path}")
    };
    for part in all.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` is `directory` or below it.
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    directory == "/"
        || path == directory
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The directory a path is in.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}
