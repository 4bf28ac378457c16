//! The stamp of a finished installation: what it was made from and what it consists of.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::files;

const NAME: &str = ".stamp.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Digest of all that decides what the installation is: versions, lock files, flags.
    inputs: String,
    files: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: PathBuf,
    size: u64,
    /// Nanoseconds since 1970, so that an untouched file need not be read again.
    modified: u64,
    sha256: String,
}

/// What a folder holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A finished installation of these inputs.
    Finished,
    /// None, an interrupted one, or one of other inputs.
    Unfinished,
}

impl Stamp {
    /// Looks at a folder.
    ///
    /// # Errors
    /// When a file of a finished installation was changed: it is not run, and not silently replaced either.
    pub(super) fn look(dir: &Path, inputs: &str) -> Result<Found> {
        let stamp: Self = match files::read_json(&dir.join(NAME)) {
            Ok(Some(stamp)) => stamp,
            Ok(None) | Err(Error::Damaged { .. }) => return Ok(Found::Unfinished),
            Err(error) => return Err(error),
        };
        if stamp.inputs != inputs {
            return Ok(Found::Unfinished);
        }
        for entry in &stamp.files {
            let path = dir.join(&entry.path);
            let Ok((size, modified)) = shape(&path) else {
                return Ok(Found::Unfinished);
            };
            if (size, modified) == (entry.size, entry.modified) {
                continue;
            }
            let sha256 = digest(&path)?;
            if sha256 != entry.sha256 {
                return Err(Error::Changed {
                    path,
                    detail: format!("SHA-256 {sha256} instead of {}", entry.sha256),
                });
            }
        }
        Ok(Found::Finished)
    }

    /// Marks a folder as finished.
    pub(super) fn put(dir: &Path, inputs: &str, outputs: &[PathBuf]) -> Result<()> {
        let mut files = Vec::with_capacity(outputs.len());
        for output in outputs {
            let path = dir.join(output);
            let (size, modified) = shape(&path).map_err(Error::file("look at", &path))?;
            files.push(Entry {
                path: output.clone(),
                size,
                modified,
                sha256: digest(&path)?,
            });
        }
        let stamp = Self {
            inputs: inputs.to_owned(),
            files,
        };
        files::write_json(&dir.join(NAME), &stamp)
    }

    /// Takes the mark away.
    pub(super) fn remove(dir: &Path) -> Result<()> {
        files::remove(&dir.join(NAME))
    }
}

fn shape(path: &Path) -> std::io::Result<(u64, u64)> {
    let meta = path.metadata()?;
    let modified = meta
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let modified = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
    Ok((meta.len(), modified))
}

fn digest(path: &Path) -> Result<String> {
    let hash = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex::encode(hasher.finalize())),
                read => hasher.update(&buffer[..read]),
            }
        }
    };
    hash().map_err(Error::file("read", path))
}

/// Digest of several texts, each with its length so that no two lists give the same.
pub(super) fn inputs<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}
