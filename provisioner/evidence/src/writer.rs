//! Making a bundle.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use approval::PrivateKey;
use approval::detached::{self, DetachedError};
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::manifest::{Entry, FORMAT, Header, LARGEST_MANIFEST, Manifest, START, Source};
use crate::name::{self, NameError};
use crate::{MANIFEST, NAMESPACE, SIGNATURE};

/// Bytes one entry may have, unless [`Writer::limit`] says otherwise: 64 GiB.
pub const LARGEST_ENTRY: u64 = 64 << 30;
/// Characters that a service, a call or a reason may have; longer ones are cut.
const LONGEST_TEXT: usize = 2000;

/// Why a bundle can't be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is something already.
    #[error("`{0}` is not empty: a bundle is written once")]
    NotEmpty(PathBuf),
    /// A name that can't be one.
    #[error("the name `{name}` {why}")]
    Name {
        /// The name, shortened.
        name: String,
        /// What is wrong with it.
        why: NameError,
    },
    /// The name is taken, in upper or lower case.
    #[error("there is an entry `{0}` already")]
    Duplicate(String),
    /// What is read goes on and on.
    #[error("`{name}` has more than {limit} bytes")]
    TooLarge {
        /// The entry.
        name: String,
        /// Bytes it may have.
        limit: u64,
    },
    /// What is to be collected can't be read. Nothing of it was kept; [`Writer::note_missing`] may say so.
    #[error("`{name}` can't be read from where it comes: {why}")]
    Read {
        /// The entry.
        name: String,
        /// Why.
        why: io::Error,
    },
    /// The disk.
    #[error("`{path}` can't be written: {why}")]
    Write {
        /// What.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Too many entries for one manifest.
    #[error("the manifest would have more than {LARGEST_MANIFEST} bytes")]
    ManifestTooLarge,
    /// The key does not sign.
    #[error("the manifest can't be signed: {0}")]
    Sign(#[from] DetachedError),
}

/// What identifies a finished bundle. Whoever keeps it elsewhere notices when a whole bundle is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// Lower-case hex SHA-256 of `manifest.json`.
    pub manifest_sha256: String,
    /// Head of the chain, lower-case hex.
    pub head: String,
    /// Entries, missing ones included.
    pub entries: usize,
}

/// A bundle that is being written. Without [`Writer::finish`] it has no manifest and is none.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    header: Header,
    entries: Vec<Entry>,
    names: BTreeSet<String>,
    folders: BTreeSet<PathBuf>,
    chain: [u8; 32],
    limit: u64,
}

impl Writer {
    /// Begins a bundle in a folder that does not exist yet or is empty. It is made with mode 0700, its files with 0600.
    ///
    /// # Errors
    /// When there is something in it, or it can't be made.
    pub fn new(folder: &Path, header: Header) -> Result<Self, WriteError> {
        make_folder(folder)?;
        let empty = fs::read_dir(folder)
            .map(|mut items| items.next().is_none())
            .map_err(|why| failed(folder, why))?;
        if !empty {
            return Err(WriteError::NotEmpty(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            header,
            entries: Vec::new(),
            names: BTreeSet::new(),
            folders: BTreeSet::from([folder.to_owned()]),
            chain: START,
            limit: LARGEST_ENTRY,
        })
    }

    /// Sets how many bytes one entry may have.
    pub fn limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Copies what `content` gives into the bundle, and returns its entry. Nothing is kept in memory.
    ///
    /// # Errors
    /// When the name is none or taken, the content can't be read or has no end, or the disk fails. Then there is no entry and no file.
    pub fn add(
        &mut self,
        name: &str,
        source: Source,
        collected_at: Timestamp,
        content: &mut dyn Read,
    ) -> Result<&Entry, WriteError> {
        self.free(name)?;
        let path = self.folder.join(name);
        let mut folder = self.folder.clone();
        let mut parts: Vec<&str> = name.split('/').collect();
        parts.pop();
        for part in parts {
            folder.push(part);
            if self.folders.insert(folder.clone()) {
                make_folder(&folder)?;
            }
        }
        let mut file = create(&path)?;
        let copied = copy(name, content, &mut file, self.limit, &path).and_then(|found| {
            file.sync_all()
                .map(|()| found)
                .map_err(|why| failed(&path, why))
        });
        let (size, sha256) = match copied {
            Ok(found) => found,
            Err(error) => {
                // What matters is the first error; a rest that can't be removed is an extra file to the verification.
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        };
        Ok(self.push(Entry {
            chain: String::new(),
            collected_at,
            missing: None,
            name: name.to_owned(),
            sha256: Some(sha256),
            size: Some(size),
            source,
        }))
    }

    /// Says that something could not be read, so that its absence is evidence too.
    ///
    /// # Errors
    /// When the name is none or taken.
    pub fn note_missing(
        &mut self,
        name: &str,
        source: Source,
        noticed_at: Timestamp,
        reason: &str,
    ) -> Result<&Entry, WriteError> {
        self.free(name)?;
        Ok(self.push(Entry {
            chain: String::new(),
            collected_at: noticed_at,
            missing: Some(cut(reason)),
            name: name.to_owned(),
            sha256: None,
            size: None,
            source,
        }))
    }

    /// Signs and writes the manifest, last of all, so that a bundle with a manifest is whole.
    ///
    /// # Errors
    /// When the key does not sign, the manifest would be too large, or the disk fails.
    pub fn finish(self, key: &PrivateKey) -> Result<Sealed, WriteError> {
        let head = hex::encode(self.chain);
        let manifest = Manifest {
            created: self.header.created,
            entries: self.entries,
            environment: self.header.environment,
            format: FORMAT,
            generations: self.header.generations,
            head: head.clone(),
            purpose: self.header.purpose,
            signer: key.fingerprint(),
            tool: self.header.tool,
        };
        let bytes = manifest.bytes();
        if bytes.len() as u64 > LARGEST_MANIFEST {
            return Err(WriteError::ManifestTooLarge);
        }
        let signature = detached::sign(key, NAMESPACE, &bytes)?;
        for folder in &self.folders {
            sync(folder)?;
        }
        place(&self.folder, SIGNATURE, signature.as_bytes())?;
        place(&self.folder, MANIFEST, &bytes)?;
        Ok(Sealed {
            manifest_sha256: hex::encode(Sha256::digest(&bytes)),
            head,
            entries: manifest.entries.len(),
        })
    }

    fn free(&self, text: &str) -> Result<(), WriteError> {
        name::check(text).map_err(|why| WriteError::Name {
            name: text.chars().take(120).collect(),
            why,
        })?;
        // Names that differ in case only would be one on some file systems.
        if self.names.contains(&text.to_ascii_lowercase()) {
            return Err(WriteError::Duplicate(text.to_owned()));
        }
        Ok(())
    }

    fn push(&mut self, mut entry: Entry) -> &Entry {
        entry.source = Source {
            call: cut(&entry.source.call),
            service: cut(&entry.source.service),
        };
        self.chain = entry.link(&self.chain);
        entry.chain = hex::encode(self.chain);
        self.names.insert(entry.name.to_ascii_lowercase());
        let at = self.entries.len();
        self.entries.push(entry);
        &self.entries[at]
    }
}

/// The files of a finished bundle in the order in which a copy must be made, the manifest last: name and path.
///
/// # Errors
/// When the folder has no manifest that can be read. It is not verified.
pub fn upload_order(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let file = crate::bundle::open_file(&folder.join(MANIFEST))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_MANIFEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_MANIFEST {
        return Err(io::Error::other("the manifest is too large"));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
    let mut files = Vec::new();
    for entry in manifest.entries {
        name::check(&entry.name).map_err(io::Error::other)?;
        if entry.missing.is_none() {
            files.push((entry.name.clone(), folder.join(&entry.name)));
        }
    }
    files.extend([SIGNATURE, MANIFEST].map(|name| (name.to_owned(), folder.join(name))));
    Ok(files)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

fn failed(path: &Path, why: io::Error) -> WriteError {
    WriteError::Write {
        path: path.to_owned(),
        why,
    }
}

fn make_folder(path: &Path) -> Result<(), WriteError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists && is_folder(path) => Ok(()),
        other => other.map_err(|why| failed(path, why)),
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

fn create(path: &Path) -> Result<File, WriteError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|why| failed(path, why))
}

fn sync(folder: &Path) -> Result<(), WriteError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|why| failed(folder, why))
}

/// Writes a file whole or not at all.
fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), WriteError> {
    let (path, partial) = (folder.join(name), folder.join(format!("{name}.partial")));
    let mut file = create(&partial)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, &path))
        .map_err(|why| failed(&path, why))?;
    sync(folder)
}

fn copy(
    name: &str,
    content: &mut dyn Read,
    file: &mut File,
    limit: u64,
    path: &Path,
) -> Result<(u64, String), WriteError> {
    let mut hash = Sha256::new();
    let mut size = 0_u64;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok((size, hex::encode(hash.finalize()))),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => {
                return Err(WriteError::Read {
                    name: name.to_owned(),
                    why,
                });
            }
        };
        size += count as u64;
        if size > limit {
            return Err(WriteError::TooLarge {
                name: name.to_owned(),
                limit,
            });
        }
        hash.update(&buffer[..count]);
        file.write_all(&buffer[..count])
            .map_err(|why| failed(path, why))?;
    }
}
