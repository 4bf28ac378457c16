//! The list of a tree's files. Its digest is the tree's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::path;

/// A file or link of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A file.
    File {
        /// In bytes.
        size: u64,
        /// Of its content.
        sha256: Digest,
    },
    /// A symbolic link, which is in the list only.
    Link {
        /// Relative, and within the tree.
        target: String,
    },
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    path: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<std::borrow::Cow<'a, str>>,
}

/// The files of a tree, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    entries: BTreeMap<String, Entry>,
}

impl Listing {
    /// Adds an entry; `false` if there is one at this path, above or below it.
    pub(crate) fn insert(&mut self, path: &str, entry: Entry) -> bool {
        let above = path
            .match_indices('/')
            .any(|(at, _)| path.get(..at).is_some_and(|p| self.entries.contains_key(p)));
        if above || self.is_folder(path) || self.entries.contains_key(path) {
            return false;
        }
        self.entries.insert(path.to_owned(), entry);
        true
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Whether something is below this path. The empty path is the root.
    pub(crate) fn is_folder(&self, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        let below = format!("{path}/");
        self.entries
            .range(below.clone()..)
            .next()
            .is_some_and(|(found, _)| found.starts_with(&below))
    }

    /// The files, with size and digest.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64, Digest)> {
        self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File { size, sha256 } => Some((path.as_str(), *size, *sha256)),
            Entry::Link { .. } => None,
        })
    }

    /// A line of JSON for each entry, by path.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = String::new();
        for (path, entry) in &self.entries {
            let mut line = Line {
                path: path.into(),
                size: None,
                sha256: None,
                link: None,
            };
            match entry {
                Entry::File { size, sha256 } => {
                    line.size = Some(*size);
                    line.sha256 = Some(*sha256);
                }
                Entry::Link { target } => line.link = Some(target.into()),
            }
            let line = serde_json::to_string(&line).map_err(|error| Error::Malformed {
                what: path.clone(),
                reason: format!("it can't be listed: {error}"),
            })?;
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads what [`Listing::text`] wrote. Nothing in it is believed but what could have been vendored.
    pub(crate) fn read(text: &str, limits: &Limits) -> std::result::Result<Listing, String> {
        let mut listing = Listing::default();
        let mut total = 0u64;
        for line in text.lines() {
            let read: Line<'_> =
                serde_json::from_str(line).map_err(|error| format!("its list: {error}"))?;
            let bad = |what: &str| Err(format!("its list has an entry that {what}: {}", read.path));
            if !path::is_plain(&read.path) || read.path.split('/').count() > limits.depth {
                return bad("is no path");
            }
            let entry = match (read.size, read.sha256, &read.link) {
                (Some(size), Some(sha256), None) => {
                    total = total.saturating_add(size);
                    Entry::File { size, sha256 }
                }
                (None, None, Some(target)) if path::link(&read.path, target).is_some() => {
                    Entry::Link {
                        target: target.clone().into_owned(),
                    }
                }
                _ => return bad("is neither a file nor a link that stays within"),
            };
            if !listing.insert(&read.path, entry) {
                return bad("is there twice");
            }
            if listing.entries.len() > limits.files || total > limits.total_bytes {
                return Err("it has more files or bytes than are allowed".to_owned());
            }
        }
        Ok(listing)
    }
}
