//! Where a bundle lies.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Files a bundle may have.
const MOST: usize = 1_000_000;
/// Folders in one another.
const DEEPEST: usize = 32;

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    File,
    /// A pointer elsewhere; never followed.
    Symlink,
    /// A device, a socket, a pipe; never opened.
    Other,
}

/// One name in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name, parts separated by `/`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
}

/// Somewhere a bundle lies: a folder, or names below a prefix of an object store.
pub trait Bundle {
    /// Everything there, in any order.
    ///
    /// # Errors
    /// When it can't be listed.
    fn list(&self) -> io::Result<Vec<Listed>>;

    /// The bytes under a name that [`Bundle::list`] gave as a file.
    ///
    /// # Errors
    /// When it can't be opened.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>>;
}

/// A bundle on disk.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The bundle in this folder.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }
}

impl Bundle for Folder {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut found = Vec::new();
        let mut folders = vec![(self.0.clone(), String::new(), 0)];
        while let Some((folder, prefix, depth)) = folders.pop() {
            for item in fs::read_dir(&folder)? {
                let item = item?;
                let name = format!("{prefix}{}", item.file_name().to_string_lossy());
                // Of the item itself, not of what a link points at.
                let metadata = item.metadata()?;
                if metadata.is_dir() {
                    if depth >= DEEPEST {
                        return Err(io::Error::other("folders are nested too deep"));
                    }
                    folders.push((item.path(), name + "/", depth + 1));
                    continue;
                }
                if found.len() >= MOST {
                    return Err(io::Error::other("there are more than a million files"));
                }
                let kind = if metadata.is_symlink() {
                    Kind::Symlink
                } else if metadata.is_file() {
                    Kind::File
                } else {
                    Kind::Other
                };
                found.push(Listed {
                    name,
                    kind,
                    size: metadata.len(),
                });
            }
        }
        Ok(found)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(open_file(&self.0.join(name))?))
    }
}

/// Opens a file for reading that must not have become a link since it was looked at.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}
