//! Charts, from a repository of charts: a file `index.yaml` that says where the archives are.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use overlay::Chart;
use serde::Deserialize;
use tar::EntryType;
use url::Url;

use super::http;
use crate::allowed::Allowed;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::lock::named;
use crate::path;
use crate::shelf::Files;

/// Indexes of large repositories have tens of megabytes.
const INDEX_BYTES: u64 = 32 << 20;

#[derive(Deserialize)]
struct Index {
    entries: BTreeMap<String, serde_yaml::Value>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
}

/// A chart's files.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Of the archive.
    pub(crate) sha256: Digest,
    pub(crate) files: Files,
}

/// Where the index of a chart's repository is.
pub(crate) fn index_url(chart: &Chart) -> Result<String> {
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with(['-', '.'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
    };
    if !plain(&chart.name) || !plain(&chart.version) {
        return Err(Error::Refused {
            what: named(chart),
            reason: "a chart is fetched by its name and one exact version".to_owned(),
        });
    }
    Ok(format!("{}/index.yaml", chart.repo.trim_end_matches('/')))
}

/// Fetches a chart's archive and unpacks it.
pub(crate) fn fetch(chart: &Chart, allowed: &Allowed, limits: &Limits) -> Result<Fetched> {
    let index = index_url(chart)?;
    let text = http::file(&index, INDEX_BYTES, allowed, limits)?;
    let found = find(chart, &text)?;
    let url = archive_url(&index, &found).ok_or_else(|| Error::Malformed {
        what: named(chart),
        reason: format!("'{index}' says no URL of its archive"),
    })?;
    let archive = http::file(&url, limits.transfer_bytes, allowed, limits)?;
    let sha256 = Digest::of(&archive);
    let said = found
        .digest
        .as_deref()
        .map(|text| text.strip_prefix("sha256:").unwrap_or(text));
    if said.is_some_and(|said| !said.is_empty() && Digest::from_hex(said) != Some(sha256)) {
        return Err(Error::Differs {
            what: named(chart),
            reason: format!("its archive has digest {sha256}, and '{index}' says another"),
        });
    }
    Ok(Fetched {
        sha256,
        files: unpack(chart, &archive, limits)?,
    })
}

fn find(chart: &Chart, text: &[u8]) -> Result<Version> {
    let malformed = |reason: String| Error::Malformed {
        what: named(chart),
        reason,
    };
    let index: Index = serde_yaml::from_slice(text)
        .map_err(|error| malformed(format!("its repository's index can't be read: {error}")))?;
    let versions = index
        .entries
        .get(&chart.name)
        .ok_or_else(|| malformed("its repository's index does not list it".to_owned()))?;
    let versions: Vec<Version> = serde_yaml::from_value(versions.clone())
        .map_err(|error| malformed(format!("its repository's index can't be read: {error}")))?;
    versions
        .into_iter()
        .find(|found| found.version == chart.version)
        .ok_or_else(|| malformed("its repository's index does not list this version".to_owned()))
}

/// An archive's URL may be relative to the index.
fn archive_url(index: &str, version: &Version) -> Option<String> {
    let first = version.urls.first()?;
    Some(Url::parse(index).ok()?.join(first).ok()?.into())
}

/// Unpacks an archive whose files are all in a folder of the chart's name.
fn unpack(chart: &Chart, archive: &[u8], limits: &Limits) -> Result<Files> {
    let what = named(chart);
    let malformed = |reason: String| Error::Malformed {
        what: what.clone(),
        reason,
    };
    let too_large = |reason: String| Error::TooLarge {
        what: what.clone(),
        reason,
    };
    let unreadable =
        |error: std::io::Error| malformed(format!("its archive can't be read: {error}"));
    // Headers and padding count too.
    let most = limits
        .total_bytes
        .saturating_add(limits.files as u64 * 2048);
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(most));
    let mut files = Files::default();
    let mut total = 0u64;
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| malformed("a name in its archive is not UTF-8".to_owned()))?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            _ => {
                return Err(malformed(format!(
                    "'{name}' in its archive is neither file nor folder"
                )));
            }
        }
        let path = name
            .strip_prefix("./")
            .unwrap_or(&name)
            .strip_prefix(&chart.name)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|path| path::is_plain(path) && path.split('/').count() <= limits.depth)
            .ok_or_else(|| {
                malformed(format!(
                    "'{name}' in its archive is no path in the chart's folder"
                ))
            })?;
        if path::steers_git(path) {
            continue;
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if size > limits.file_bytes {
            return Err(too_large(format!(
                "'{name}' has more than {} bytes",
                limits.file_bytes
            )));
        }
        if total > limits.total_bytes || files.files.len() >= limits.files {
            return Err(too_large(
                "it has more files or bytes than are allowed".to_owned(),
            ));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(unreadable)?;
        if files.files.insert(path.to_owned(), content).is_some() {
            return Err(malformed(format!("'{name}' is twice in its archive")));
        }
    }
    if !files.files.contains_key("Chart.yaml") {
        return Err(malformed("its archive has no Chart.yaml".to_owned()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        Chart {
            name: "web".to_owned(),
            repo: "https://example.org/charts/".to_owned(),
            version: "1.2.3".to_owned(),
        }
    }

    /// An archive with these names, which may be any bytes at all.
    fn archive(names: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gz);
        for (name, kind, content) in names {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn only_files_in_the_charts_folder_are_unpacked() {
        let good = ("web/Chart.yaml", EntryType::Regular, &b"name: web"[..]);
        let files = unpack(
            &chart(),
            &archive(&[good, ("web/.gitignore", EntryType::Regular, b"*")]),
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(files.files.keys().collect::<Vec<_>>(), ["Chart.yaml"]);
        let bad = [
            ("web/../../evil", EntryType::Regular),
            ("/etc/evil", EntryType::Regular),
            ("website/evil", EntryType::Regular),
            ("web/link", EntryType::Symlink),
            ("web/hard", EntryType::Link),
            ("web/pipe", EntryType::Fifo),
            ("web/Chart.yaml", EntryType::Regular),
        ];
        for (name, kind) in bad {
            let archive = archive(&[good, (name, kind, b"")]);
            let error = unpack(&chart(), &archive, &Limits::default()).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{name}: {error}");
        }
        assert!(unpack(&chart(), b"no archive", &Limits::default()).is_err());
    }

    #[test]
    fn an_archive_that_grows_is_refused() {
        let zeros = vec![0; 3 << 20];
        let archive = archive(&[
            ("web/Chart.yaml", EntryType::Regular, b""),
            ("web/a", EntryType::Regular, &zeros),
            ("web/b", EntryType::Regular, &zeros),
        ]);
        assert!(archive.len() < 100_000);
        for limits in [
            Limits {
                file_bytes: 1 << 20,
                ..Limits::default()
            },
            Limits {
                total_bytes: 4 << 20,
                ..Limits::default()
            },
            Limits {
                files: 2,
                ..Limits::default()
            },
        ] {
            let error = unpack(&chart(), &archive, &limits).unwrap_err();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn an_index_names_archives_relatively_or_not() {
        let text = b"entries:\n  web:\n  - version: 1.2.3\n    urls: [web-1.2.3.tgz]\n  other: 5\n";
        let found = find(&chart(), text).unwrap();
        let index = index_url(&chart()).unwrap();
        assert_eq!(
            archive_url(&index, &found).as_deref(),
            Some("https://example.org/charts/web-1.2.3.tgz")
        );
        let range = Chart {
            version: "^1.2".to_owned(),
            ..chart()
        };
        assert!(matches!(index_url(&range), Err(Error::Refused { .. })));
        let option = Chart {
            name: "--post-renderer=x".to_owned(),
            ..chart()
        };
        assert!(matches!(index_url(&option), Err(Error::Refused { .. })));
    }
}
