//! The content-addressed folder.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::error::{Error, Result, told};
use crate::limits::Limits;
use crate::listing::{Entry, Listing};
use crate::lock::replace;
use crate::path;
use crate::tree::VendoredTree;

const FOLDER: &str = "sha256-";
const LIST: &str = ".files";
const UNFINISHED: &str = ".unfinished-";
/// Git must not change bytes: their digests are pinned.
const ATTRIBUTES: (&str, &str) = (".gitattributes", "* -text\n");
/// A line of the list is a path and a digest.
const LIST_BYTES: u64 = 32 << 20;

/// Something in the folder that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What: a remote, or a file of the folder.
    pub what: String,
    /// How it differs.
    pub reason: String,
}

/// The files of a tree that is about to be kept.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) links: BTreeMap<String, String>,
}

impl Files {
    /// A tree of one file.
    pub(crate) fn one(name: &str, content: Vec<u8>) -> Files {
        Files {
            files: [(name.to_owned(), content)].into(),
            links: BTreeMap::new(),
        }
    }
}

/// A folder of vendored trees, each under its digest.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    limits: Limits,
}

impl Shelf {
    /// The folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, limits: Limits) -> Shelf {
        Shelf {
            folder: folder.into(),
            limits,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn tree_folder(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{FOLDER}{}", digest.hex()))
    }

    fn list_file(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{FOLDER}{}{LIST}", digest.hex()))
    }

    /// The tree with this digest. Its list is verified now, each file when it is read.
    pub(crate) fn open(&self, what: &str, digest: Digest) -> Result<VendoredTree> {
        let differs = |reason: String| Error::Differs {
            what: what.to_owned(),
            reason,
        };
        let path = self.list_file(digest);
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotVendored {
                    what: what.to_owned(),
                    reason: format!("{digest} is pinned, and there is no '{}'", path.display()),
                });
            }
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let mut text = Vec::new();
        file.take(LIST_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(Error::file("read", &path))?;
        let found = Digest::of(&text);
        if found != digest {
            return Err(differs(format!(
                "the list of its files has digest {found}, and {digest} is pinned"
            )));
        }
        let text = String::from_utf8(text)
            .map_err(|_| differs("the list of its files is not UTF-8".to_owned()))?;
        let listing = Listing::read(&text, &self.limits).map_err(differs)?;
        Ok(VendoredTree::new(self.tree_folder(digest), listing))
    }

    /// Reads every file of a tree.
    pub(crate) fn check(&self, what: &str, digest: Digest) -> Result<VendoredTree> {
        let tree = self.open(what, digest)?;
        for (path, size, sha256) in tree.listing().files() {
            tree.content(path, size, sha256)
                .map_err(|error| Error::Differs {
                    what: what.to_owned(),
                    reason: told(&error),
                })?;
        }
        Ok(tree)
    }

    /// Keeps a tree, and says its digest. One that is there already, and is whole, stays as it is.
    pub(crate) fn put(&self, what: &str, files: &Files) -> Result<Digest> {
        let listing = self.listing(what, files)?;
        let text = listing.text()?;
        let digest = Digest::of(text.as_bytes());
        if self.check(what, digest).is_ok() {
            return Ok(digest);
        }
        std::fs::create_dir_all(&self.folder).map_err(Error::file("make", &self.folder))?;
        let attributes = self.folder.join(ATTRIBUTES.0);
        if !attributes.exists() {
            replace(&attributes, ATTRIBUTES.1.as_bytes())?;
        }
        let unfinished = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&self.folder)
            .map_err(Error::file("make a folder in", &self.folder))?;
        for (path, content) in &files.files {
            write(&unfinished.path().join(path), content)?;
        }
        let place = self.tree_folder(digest);
        match std::fs::remove_dir_all(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("remove", &place)(error));
            }
            _ => {}
        }
        std::fs::rename(unfinished.path(), &place).map_err(Error::file("put in place", &place))?;
        // The list comes last: a tree without it is not there.
        replace(&self.list_file(digest), text.as_bytes())?;
        Ok(digest)
    }

    fn listing(&self, what: &str, files: &Files) -> Result<Listing> {
        let malformed = |path: &str, reason: &str| Error::Malformed {
            what: what.to_owned(),
            reason: format!("'{path}' {reason}"),
        };
        let mut listing = Listing::default();
        let all = files.files.keys().chain(files.links.keys());
        for path in all {
            if !path::is_plain(path) || path.split('/').count() > self.limits.depth {
                return Err(malformed(path, "is not a path that can be kept"));
            }
        }
        for (path, content) in &files.files {
            let entry = Entry::File {
                size: content.len() as u64,
                sha256: Digest::of(content),
            };
            if !listing.insert(path, entry) {
                return Err(malformed(path, "is there twice"));
            }
        }
        for (path, target) in &files.links {
            if path::link(path, target).is_none() {
                return Err(malformed(path, "is a link that leads out"));
            }
            let target = target.clone();
            if !listing.insert(path, Entry::Link { target }) {
                return Err(malformed(path, "is there twice"));
            }
        }
        Ok(listing)
    }

    /// What of a tree differs from its list: files that were changed or are missing, and such as are not listed.
    pub(crate) fn problems(&self, what: &str, digest: Digest) -> Vec<Problem> {
        let problem = |reason: String| Problem {
            what: what.to_owned(),
            reason,
        };
        let tree = match self.open(what, digest) {
            Ok(tree) => tree,
            Err(error) => return vec![problem(told(&error))],
        };
        let mut problems = Vec::new();
        for (path, size, sha256) in tree.listing().files() {
            if let Err(error) = tree.content(path, size, sha256) {
                problems.push(problem(told(&error)));
            }
        }
        let folder = self.tree_folder(digest);
        let mut waiting = vec![String::new()];
        let mut seen = 0usize;
        while let Some(below) = waiting.pop() {
            let Ok(entries) = std::fs::read_dir(folder.join(&below)) else {
                continue;
            };
            for entry in entries.flatten() {
                seen += 1;
                if seen > self.limits.files.saturating_mul(2) {
                    problems.push(problem(
                        "its folder has far more files than are listed".to_owned(),
                    ));
                    return problems;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if below.is_empty() {
                    name
                } else {
                    format!("{below}/{name}")
                };
                let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                match tree.listing().get(&path) {
                    Some(Entry::File { .. }) if !folder => {}
                    _ if folder && tree.listing().is_folder(&path) => waiting.push(path),
                    _ => problems.push(problem(format!(
                        "'{path}' is in its folder and is not listed"
                    ))),
                }
            }
        }
        problems
    }

    /// The names in the folder that belong to none of these trees.
    ///
    /// # Errors
    /// When the folder can't be listed.
    pub fn strays(&self, trees: &dyn Fn(&Digest) -> bool) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("list", &self.folder)(error)),
        };
        let mut strays = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::file("list", &self.folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours =
                name == ATTRIBUTES.0 || digest_of(&name).is_some_and(|digest| trees(&digest));
            if !ours {
                strays.push(name);
            }
        }
        strays.sort();
        Ok(strays)
    }

    /// Removes the trees that none of these locks pins, and what interrupted runs left. Other files stay.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn prune(&self, trees: &dyn Fn(&Digest) -> bool) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for name in self.strays(trees)? {
            if digest_of(&name).is_none() && !name.starts_with(UNFINISHED) {
                continue;
            }
            let path = self.folder.join(&name);
            let gone = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            gone.map_err(Error::file("remove", &path))?;
            removed.push(name);
        }
        Ok(removed)
    }
}

/// The digest in the name of a tree's folder or list.
fn digest_of(name: &str) -> Option<Digest> {
    let hex = name.strip_prefix(FOLDER)?;
    Digest::from_hex(hex.strip_suffix(LIST).unwrap_or(hex))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file("make", folder))?;
    }
    let mut file = std::fs::File::create_new(path).map_err(Error::file("write", path))?;
    file.set_permissions(Permissions::from_mode(0o644))
        .and_then(|()| file.write_all(content))
        .and_then(|()| file.sync_all())
        .map_err(Error::file("write", path))
}
