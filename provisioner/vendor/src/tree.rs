//! A vendored tree as a rendering reads it.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use overlay::{FileTree, Place, TreeError};
use rustix::fs::{Mode, OFlags};

use crate::digest::Digest;
use crate::listing::{Entry, Listing};

/// Links followed for one path.
const LINKS: usize = 40;

/// The files of a folder, by their list: what exists is what is listed, and content is held against its digest at
/// every read. So nothing that happens to the folder can change a rendering; it can only make it fail.
#[derive(Debug)]
pub(crate) struct VendoredTree {
    folder: PathBuf,
    listing: Listing,
}

impl VendoredTree {
    pub(crate) fn new(folder: PathBuf, listing: Listing) -> VendoredTree {
        VendoredTree { folder, listing }
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The content of a listed file.
    pub(crate) fn content(
        &self,
        path: &str,
        size: u64,
        sha256: Digest,
    ) -> Result<Vec<u8>, TreeError> {
        let corrupt = |reason: String| TreeError::Corrupt {
            path: path.to_owned(),
            reason,
        };
        let content = read(&self.folder.join(path), size)
            .map_err(|error| corrupt(format!("it can't be read any more: {error}")))?;
        let found = Digest::of(&content);
        if found != sha256 {
            return Err(corrupt(format!(
                "its digest is {found}, and {sha256} is pinned"
            )));
        }
        Ok(content)
    }
}

/// Reads a regular file, and one byte more than it should have.
fn read(path: &Path, size: u64) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(size.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}

impl FileTree for VendoredTree {
    fn find(&self, path: &str) -> Result<Place, TreeError> {
        let mut waiting: VecDeque<String> = parts(path).collect();
        let mut at: Vec<String> = Vec::new();
        let mut links = 0;
        let mut file = false;
        while let Some(part) = waiting.pop_front() {
            if part == ".." {
                if at.pop().is_none() {
                    return Err(TreeError::Outside(path.to_owned()));
                }
                continue;
            }
            at.push(part);
            let here = at.join("/");
            let missing = || TreeError::NotFound(format!("/{here}"));
            match self.listing.get(&here) {
                Some(Entry::File { .. }) if waiting.is_empty() => file = true,
                Some(Entry::Link { target }) => {
                    links += 1;
                    if links > LINKS {
                        return Err(TreeError::Unreadable {
                            path: path.to_owned(),
                            reason: "too many links".to_owned(),
                        });
                    }
                    at.pop();
                    for part in parts(target).rev() {
                        waiting.push_front(part);
                    }
                }
                None if self.listing.is_folder(&here) => {}
                Some(Entry::File { .. }) | None => return Err(missing()),
            }
        }
        Ok(Place {
            path: format!("/{}", at.join("/")),
            directory: !file,
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        let relative = path.trim_start_matches('/');
        let Some(Entry::File { size, sha256 }) = self.listing.get(relative) else {
            return Err(TreeError::NotFound(path.to_owned()));
        };
        if *size > limit {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                limit,
            });
        }
        self.content(relative, *size, *sha256)
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    path.split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .map(str::to_owned)
}
