//! Files on disk below a boundary.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{FileTree, Place, TreeError, is_within};

/// The files below one directory of the disk. Paths are those of the disk; nothing outside the boundary is read,
/// whatever links say.
#[derive(Clone, Debug)]
pub struct DiskTree {
    boundary: String,
}

impl DiskTree {
    /// A tree of everything below `boundary`.
    ///
    /// # Errors
    /// When the boundary does not exist or its path is not UTF-8.
    pub fn new(boundary: &Path) -> Result<DiskTree, TreeError> {
        let shown = boundary.display().to_string();
        let real = boundary
            .canonicalize()
            .map_err(|e| unreadable(&shown, &e))?;
        Ok(DiskTree {
            boundary: text(&real)?,
        })
    }

    /// The boundary, links followed.
    pub fn boundary(&self) -> &str {
        &self.boundary
    }
}

impl FileTree for DiskTree {
    fn find(&self, path: &str) -> Result<Place, TreeError> {
        if path.contains('\0') {
            return Err(TreeError::NotFound(path.replace('\0', "\u{FFFD}")));
        }
        let real = Path::new(path).canonicalize().map_err(|e| match e.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                TreeError::NotFound(first_missing(path))
            }
            _ => unreadable(path, &e),
        })?;
        let real_text = text(&real)?;
        if !is_within(&real_text, &self.boundary) {
            return Err(TreeError::Outside(path.to_owned()));
        }
        Ok(Place {
            directory: real.is_dir(),
            path: real_text,
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        // Resolved again: a link may have been put in the way since it was found.
        let place = self.find(path)?;
        let unreadable = |e: std::io::Error| unreadable(path, &e);
        let metadata = std::fs::metadata(&place.path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(TreeError::Unreadable {
                path: path.to_owned(),
                reason: "not a regular file".to_owned(),
            });
        }
        let file = File::open(&place.path).map_err(unreadable)?;
        let mut content = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(unreadable)?;
        if content.len() as u64 > limit {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        Ok(content)
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> TreeError {
    TreeError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn text(path: &Path) -> Result<String, TreeError> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| TreeError::Unreadable {
            path: path.display().to_string(),
            reason: "its path is not UTF-8".to_owned(),
        })
}

/// The shortest leading part of `path` that does not exist, below the real path of what does.
fn first_missing(path: &str) -> String {
    let mut seen = PathBuf::new();
    for part in Path::new(path).components() {
        let next = seen.join(part);
        match next.canonicalize() {
            Ok(real) => seen = real,
            Err(_) => return next.display().to_string(),
        }
    }
    path.to_owned()
}
