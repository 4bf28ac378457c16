//! The lock file: what an environment's overlay takes from elsewhere, and its digests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::Path;

use overlay::Chart;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// The lock file's name, in an environment's folder.
pub const LOCK_FILE: &str = "overlays.lock.yaml";

const VERSION: u32 = 1;
/// A lock file has a few lines for each remote.
const LIMIT: u64 = 4 << 20;
const HEAD: &str = "# Written by `rebuild overlays vendor`: what the overlay takes from elsewhere. Nothing else is used.\n";

/// A repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedRepository {
    /// What is fetched.
    pub repository: String,
    /// The branch, tag or commit that was asked for; without one the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The commit it was then, 40 hexadecimal digits.
    pub commit: String,
    /// The digest of its files.
    pub tree: Digest,
}

/// A file behind a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// The digest of its content.
    pub sha256: Digest,
    /// The digest of the tree that has it as its only file.
    pub tree: Digest,
}

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedChart {
    /// The URL of its repository.
    pub repository: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of the archive that was fetched.
    pub sha256: Digest,
    /// The digest of the files in it.
    pub tree: Digest,
    /// What it renders to, by the digest of what it is rendered with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renderings: BTreeMap<Digest, PinnedRendering>,
}

/// What a chart renders to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedRendering {
    /// The name of the release, for people.
    pub release: String,
    /// The version of `helm`.
    pub helm: String,
    /// The digest of the tree that has its objects as its only file.
    pub tree: Digest,
}

/// What is pinned. The text is canonical: the same pins are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// Repositories, as the kustomizations name them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, PinnedRepository>,
    /// Files, by URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PinnedFile>,
    /// Charts, by name, version and repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<PinnedChart>,
}

impl Default for Lock {
    fn default() -> Lock {
        Lock {
            version: VERSION,
            repositories: BTreeMap::new(),
            files: BTreeMap::new(),
            charts: Vec::new(),
        }
    }
}

impl Lock {
    /// Reads a lock file; where there is none, nothing is pinned.
    ///
    /// # Errors
    /// When it can't be read, is too large, is no lock file, or is one of another version.
    pub fn load(path: &Path) -> Result<Lock> {
        let mut text = String::new();
        match std::fs::File::open(path) {
            Ok(file) => file
                .take(LIMIT + 1)
                .read_to_string(&mut text)
                .map_err(Error::file("read", path))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Lock::default());
            }
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        Lock::read(&text).map_err(|reason| Error::Malformed {
            what: path.display().to_string(),
            reason,
        })
    }

    fn read(text: &str) -> std::result::Result<Lock, String> {
        if text.len() as u64 > LIMIT {
            return Err(format!("it has more than {LIMIT} bytes"));
        }
        let mut lock: Lock = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if lock.version != VERSION {
            return Err(format!(
                "it is of version {}, and {VERSION} is known",
                lock.version
            ));
        }
        for (written, pin) in &lock.repositories {
            if pin.commit.len() != 40 || !pin.commit.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(format!(
                    "the commit of '{written}' is not 40 hexadecimal digits"
                ));
            }
        }
        lock.sort();
        Ok(lock)
    }

    fn sort(&mut self) {
        self.charts.sort_by(|a, b| {
            (&a.name, &a.version, &a.repository).cmp(&(&b.name, &b.version, &b.repository))
        });
    }

    /// The file's text.
    ///
    /// # Errors
    /// When it can't be written as YAML.
    pub fn text(&self) -> Result<String> {
        let mut lock = self.clone();
        lock.sort();
        let text = serde_yaml::to_string(&lock).map_err(|error| Error::Malformed {
            what: LOCK_FILE.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(format!("{HEAD}{text}"))
    }

    /// Writes the lock file, whole or not at all; a lock that pins nothing is no file.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if self.is_empty() {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::file("remove", path)(error))
                }
                _ => Ok(()),
            };
        }
        let text = self.text()?;
        if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
            return Ok(());
        }
        replace(path, text.as_bytes())
    }

    /// Whether nothing is pinned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Lock {
            version: _,
            repositories,
            files,
            charts,
        } = self;
        repositories.is_empty() && files.is_empty() && charts.is_empty()
    }

    /// Every tree that is pinned, and what has it.
    #[must_use]
    pub fn trees(&self) -> BTreeMap<Digest, String> {
        let mut trees = BTreeMap::new();
        for (written, pin) in &self.repositories {
            trees.entry(pin.tree).or_insert_with(|| written.clone());
        }
        for (url, pin) in &self.files {
            trees.entry(pin.tree).or_insert_with(|| url.clone());
        }
        for chart in &self.charts {
            let name = chart.called();
            trees.entry(chart.tree).or_insert_with(|| name.clone());
            for rendering in chart.renderings.values() {
                trees
                    .entry(rendering.tree)
                    .or_insert_with(|| format!("{name} as {}", rendering.release));
            }
        }
        trees
    }

    /// The versions of `helm` that charts were rendered with.
    #[must_use]
    pub fn helms(&self) -> BTreeSet<&str> {
        let renderings = self
            .charts
            .iter()
            .flat_map(|chart| chart.renderings.values());
        renderings
            .map(|rendering| rendering.helm.as_str())
            .collect()
    }

    /// The pin of a chart.
    pub(crate) fn chart(&self, chart: &Chart) -> Option<&PinnedChart> {
        self.charts.iter().find(|pin| pin.is(chart))
    }
}

impl PinnedChart {
    pub(crate) fn is(&self, chart: &Chart) -> bool {
        self.name == chart.name && self.version == chart.version && self.repository == chart.repo
    }

    fn called(&self) -> String {
        named(&Chart {
            name: self.name.clone(),
            repo: self.repository.clone(),
            version: self.version.clone(),
        })
    }
}

/// How a chart is called in messages.
pub(crate) fn named(chart: &Chart) -> String {
    format!("{} {} of {}", chart.name, chart.version, chart.repo)
}

/// Writes a file beside its place and moves it there.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".unfinished-")
        .permissions(<std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(Error::file("write in", folder))?;
    file.write_all(content)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::file("write", path))?;
    file.persist(path)
        .map_err(|error| Error::file("put in place", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let digest = Digest::of(b"x");
        Lock {
            repositories: [(
                "https://example.org/o/r//base?ref=v1".to_owned(),
                PinnedRepository {
                    repository: "https://example.org/o/r".to_owned(),
                    reference: Some("v1".to_owned()),
                    commit: "0123456789012345678901234567890123456789".to_owned(),
                    tree: digest,
                },
            )]
            .into(),
            charts: ["b", "a"]
                .map(|name| PinnedChart {
                    repository: "https://example.org/charts".to_owned(),
                    name: name.to_owned(),
                    version: "1.0".to_owned(),
                    sha256: digest,
                    tree: digest,
                    renderings: BTreeMap::from([(
                        digest,
                        PinnedRendering {
                            release: "it".to_owned(),
                            helm: "v3.22.0".to_owned(),
                            tree: digest,
                        },
                    )]),
                })
                .into(),
            ..Lock::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_sorted() {
        let text = lock().text().unwrap();
        let read = Lock::read(&text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.charts[0].name, "a");
        // A version that looks like a number stays text.
        assert_eq!(read.charts[0].version, "1.0");
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let text = lock().text().unwrap();
        let unfit = [
            ("version: 1", "version: 2", "version 2"),
            ("version: 1", "surprise: 1", "surprise"),
            (
                "0123456789012345678901234567890123456789",
                "main",
                "40 hexadecimal digits",
            ),
            ("tree: sha256:", "tree: sha255:", "no digest"),
        ];
        for (from, to, said) in unfit {
            let error = Lock::read(&text.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
