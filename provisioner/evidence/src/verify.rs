//! Checking a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use approval::Fingerprint;
use approval::detached::{self, DetachedError};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bundle::{Bundle, Kind, Listed};
use crate::manifest::{FORMAT, LARGEST_MANIFEST, Manifest, START};
use crate::problem::Problem;
use crate::{MANIFEST, NAMESPACE, SIGNATURE, name};

/// A bundle that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Lower-case hex SHA-256 of `manifest.json`.
    pub manifest_sha256: String,
    /// Bytes of all entries.
    pub bytes: u64,
    /// What it says.
    pub manifest: Manifest,
}

/// Reads a whole bundle, in constant memory for each file, and checks it against the key that is trusted.
///
/// # Errors
/// Everything that is the matter. As long as there is one problem, nothing that the manifest says is to be believed.
pub fn verify(bundle: &dyn Bundle, trusted: &Fingerprint) -> Result<Verified, Vec<Problem>> {
    let listed = bundle
        .list()
        .map_err(|error| vec![Problem::Unlistable(error.to_string())])?;
    let mut problems = Vec::new();
    let mut there: BTreeMap<&str, &Listed> = BTreeMap::new();
    for item in &listed {
        match item.kind {
            Kind::File => {
                if there.insert(&item.name, item).is_some() {
                    problems.push(Problem::Duplicate(shown(&item.name)));
                }
            }
            Kind::Symlink => problems.push(Problem::Symlink(shown(&item.name))),
            Kind::Other => problems.push(Problem::Special(shown(&item.name))),
        }
    }
    let Some((bytes, manifest)) = manifest(bundle, &there, trusted, &mut problems) else {
        return Err(problems);
    };
    entries(&manifest, &mut problems);
    let total = files(bundle, &manifest, &there, &mut problems);
    if problems.is_empty() {
        Ok(Verified {
            manifest_sha256: hex::encode(Sha256::digest(&bytes)),
            bytes: total,
            manifest,
        })
    } else {
        Err(problems)
    }
}

/// Names are shown shortened and without control characters, since anyone may have made them.
fn shown(name: &str) -> String {
    name.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}

fn manifest(
    bundle: &dyn Bundle,
    there: &BTreeMap<&str, &Listed>,
    trusted: &Fingerprint,
    problems: &mut Vec<Problem>,
) -> Option<(Vec<u8>, Manifest)> {
    if !there.contains_key(MANIFEST) {
        problems.push(Problem::NoManifest);
        return None;
    }
    let bytes = match read(bundle, MANIFEST, LARGEST_MANIFEST) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            problems.push(Problem::ManifestTooLarge);
            return None;
        }
        Err(error) => {
            problems.push(unreadable(MANIFEST, &error));
            return None;
        }
    };
    signature(bundle, there, trusted, &bytes, problems);
    let malformed = |error: serde_json::Error| Problem::ManifestMalformed(error.to_string());
    let value: Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => {
            problems.push(malformed(error));
            return None;
        }
    };
    let format = value.get("format").cloned().unwrap_or(Value::Null);
    drop(value);
    if format.as_u64() != Some(u64::from(FORMAT)) {
        let format = format.to_string().chars().take(40).collect();
        problems.push(Problem::UnknownVersion(format));
        return None;
    }
    match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) => {
            if manifest.bytes() != bytes {
                problems.push(Problem::ManifestNotCanonical);
            }
            if manifest.signer != *trusted {
                problems.push(Problem::WrongSigner {
                    trusted: trusted.clone(),
                    stated: manifest.signer.clone(),
                });
            }
            Some((bytes, manifest))
        }
        Err(error) => {
            problems.push(malformed(error));
            None
        }
    }
}

fn signature(
    bundle: &dyn Bundle,
    there: &BTreeMap<&str, &Listed>,
    trusted: &Fingerprint,
    manifest: &[u8],
    problems: &mut Vec<Problem>,
) {
    if !there.contains_key(SIGNATURE) {
        problems.push(Problem::NoSignature);
        return;
    }
    let text = match read(bundle, SIGNATURE, detached::LARGEST as u64) {
        Ok(bytes) => bytes.and_then(|bytes| String::from_utf8(bytes).ok()),
        Err(error) => return problems.push(unreadable(SIGNATURE, &error)),
    };
    let verified = text.map_or(Err(DetachedError::Malformed), |text| {
        detached::verify(trusted, NAMESPACE, manifest, &text)
    });
    match verified {
        Ok(()) => {}
        Err(DetachedError::OtherKey { trusted, found }) => {
            problems.push(Problem::WrongKey { trusted, found });
        }
        Err(error) => problems.push(Problem::BadSignature(error.to_string())),
    }
}

/// What the manifest says, held against itself.
fn entries(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let known: BTreeSet<&str> = manifest
        .entries
        .iter()
        .map(|entry| entry.chain.as_str())
        .collect();
    let mut links: Option<BTreeSet<String>> = None;
    let mut names = BTreeSet::new();
    let mut before = START;
    for entry in &manifest.entries {
        if let Err(why) = name::check(&entry.name) {
            problems.push(Problem::BadName {
                name: shown(&entry.name),
                why,
            });
        }
        if !names.insert(entry.name.to_ascii_lowercase()) {
            problems.push(Problem::Duplicate(shown(&entry.name)));
        }
        let whole = match &entry.missing {
            None => entry.sha256.is_some() && entry.size.is_some(),
            Some(_) => entry.sha256.is_none() && entry.size.is_none(),
        };
        if !whole {
            problems.push(Problem::Contradictory(shown(&entry.name)));
        }
        let link = hex::encode(entry.link(&before));
        if link != entry.chain {
            // An entry that was only moved still fits to the chain of the one it stood behind; that is looked up once for all.
            let links = links.get_or_insert_with(|| moved(manifest, &known));
            problems.push(if links.contains(&entry.chain) {
                Problem::Reordered(shown(&entry.name))
            } else {
                Problem::ChainBroken(shown(&entry.name))
            });
        }
        // From what is stated, so that one change is one problem.
        before = decode(&entry.chain).unwrap_or(START);
    }
    if manifest.head != hex::encode(before) {
        problems.push(Problem::ChainEnd);
    }
}

/// Entries of which it is tried whether they were moved; the work grows with the square.
const MOST_TRIED: usize = 1000;

/// The chains of entries that fit behind another entry of the manifest, or at its beginning.
fn moved(manifest: &Manifest, known: &BTreeSet<&str>) -> BTreeSet<String> {
    if manifest.entries.len() > MOST_TRIED {
        return BTreeSet::new();
    }
    let starts: Vec<[u8; 32]> = known
        .iter()
        .filter_map(|chain| decode(chain))
        .chain([START])
        .collect();
    manifest
        .entries
        .iter()
        .filter(|entry| {
            starts
                .iter()
                .any(|before| hex::encode(entry.link(before)) == entry.chain)
        })
        .map(|entry| entry.chain.clone())
        .collect()
}

fn decode(chain: &str) -> Option<[u8; 32]> {
    hex::decode(chain).ok()?.try_into().ok()
}

/// What lies there, held against the manifest. Returns the bytes of all entries.
fn files(
    bundle: &dyn Bundle,
    manifest: &Manifest,
    there: &BTreeMap<&str, &Listed>,
    problems: &mut Vec<Problem>,
) -> u64 {
    let mut expected: BTreeSet<&str> = BTreeSet::from([MANIFEST, SIGNATURE]);
    let mut gone: BTreeMap<(u64, &str), &str> = BTreeMap::new();
    let mut total = 0_u64;
    for entry in &manifest.entries {
        let (Some(size), Some(sha256)) = (entry.size, entry.sha256.as_deref()) else {
            continue;
        };
        // A name that leads elsewhere is never opened; a name twice is read once.
        if name::check(&entry.name).is_err() || !expected.insert(&entry.name) {
            continue;
        }
        if !there.contains_key(entry.name.as_str()) {
            gone.insert((size, sha256), &entry.name);
            continue;
        }
        match digest(bundle, &entry.name, size) {
            Ok((found, hash)) if found == size && hash == sha256 => {
                total = total.saturating_add(size);
            }
            Ok((found, _)) if found < size => problems.push(Problem::Truncated {
                name: entry.name.clone(),
                stated: size,
                found,
            }),
            Ok(_) => problems.push(Problem::Altered(entry.name.clone())),
            Err(error) => problems.push(unreadable(&entry.name, &error)),
        }
    }
    let sizes: BTreeSet<u64> = gone.keys().map(|(size, _)| *size).collect();
    for (name, item) in there {
        if expected.contains(name) {
            continue;
        }
        let renamed = sizes
            .contains(&item.size)
            .then(|| digest(bundle, name, item.size).ok())
            .flatten()
            .and_then(|(size, hash)| {
                let key = gone.keys().find(|key| **key == (size, hash.as_str()));
                key.copied().and_then(|key| gone.remove(&key))
            });
        problems.push(match renamed {
            Some(from) => Problem::Renamed {
                from: from.to_owned(),
                to: shown(name),
            },
            None => Problem::Extra(shown(name)),
        });
    }
    problems.extend(
        gone.values()
            .map(|name| Problem::Missing((*name).to_owned())),
    );
    total
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    Problem::Unreadable {
        name: name.to_owned(),
        why: error.to_string(),
    }
}

/// The bytes under a name, or none when there are more than `limit`.
fn read(bundle: &dyn Bundle, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    bundle.open(name)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Size and hash; reading stops soon after `expected` bytes, since then it is clear that the file is another.
fn digest(bundle: &dyn Bundle, name: &str, expected: u64) -> io::Result<(u64, String)> {
    let mut content = bundle.open(name)?.take(expected.saturating_add(1));
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut size = 0_u64;
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok((size, hex::encode(hash.finalize()))),
            Ok(count) => {
                size += count as u64;
                hash.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
