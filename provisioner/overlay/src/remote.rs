//! What a kustomization takes from elsewhere: repositories, files behind a URL, charts.
//!
//! Rendering fetches nothing. It asks [`Remotes`], whose answers are somebody else's: [`NoRemotes`] refuses all.

use std::borrow::Cow;
use std::rc::Rc;

use crate::chart::{Chart, ChartRelease};
use crate::tree::FileTree;

/// A directory of a git repository, as a kustomization names it.
///
/// The grammar is that of kustomize's `api/internal/git/repospec.go`: a scheme (`https`, `http`, `ssh`, `file`), a user
/// with a host (`git@host:…`), or GitHub's name; then the repository, up to `//`, `.git`, the part after `_git/`, or two
/// parts; then a directory of it; then `?ref=`, `version=`, `submodules=`. A leading `git::` means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepositorySpec {
    /// As written.
    pub raw: String,
    /// What is cloned, `https://github.com/organisation/name`.
    pub repository: String,
    /// A directory of the repository, without a leading slash; empty is its root.
    pub path: String,
    /// A branch, tag or commit; without one the repository's default branch is meant.
    pub reference: Option<String>,
    /// Whether submodules are wanted too, which is so unless the query says `submodules=false`.
    pub submodules: bool,
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

impl RepositorySpec {
    /// Reads an entry of `resources`, `components` or `bases`; `None` if it names no repository, so a local path or a
    /// file behind a URL.
    pub fn parse(text: &str) -> Option<RepositorySpec> {
        if text.starts_with('/') {
            return None;
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let place = strip_ignoring_case(place, "git::").unwrap_or(place);
        let (scheme, rest) = SCHEMES
            .iter()
            .find_map(|scheme| Some((*scheme, strip_ignoring_case(place, scheme)?)))
            .unwrap_or(("", place));
        let (user, rest) = split_user(rest);
        let (host, rest) = split_host(scheme, user, rest)?;
        let everything = scheme == "file://";
        let (repository, path) = split_repository(&rest, everything)?;
        if repository.is_empty() || leads_out(path) {
            return None;
        }
        let (reference, submodules) = read_query(query);
        Some(RepositorySpec {
            raw: text.to_owned(),
            repository: format!("{host}{repository}"),
            path: path.strip_prefix('/').unwrap_or(path).to_owned(),
            reference,
            submodules,
        })
    }
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// A leading `name@`, the sign included.
fn split_user(text: &str) -> (&str, &str) {
    match text.find('@') {
        Some(at)
            if text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text[..at]
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
        {
            text.split_at(at + 1)
        }
        _ => ("", text),
    }
}

/// What stands before the repository's path, normalised for GitHub, and the rest.
fn split_host<'t>(scheme: &str, user: &str, text: &'t str) -> Option<(String, Cow<'t, str>)> {
    let github = strip_ignoring_case(text, "github.com")
        .is_some_and(|rest| rest.starts_with('/') || rest.starts_with(':'));
    let colon_ends_host = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !colon_ends_host {
        return None;
    }
    if scheme == "file://" {
        return Some((scheme.to_owned(), format!("{user}{text}").into()));
    }
    let slash = text.find('/');
    let colon = text
        .find(':')
        .filter(|at| colon_ends_host && slash.is_none_or(|slash| *at > 0 && *at < slash));
    let (host, rest) = match colon.or(slash) {
        Some(at) => text.split_at(at + 1),
        None => (text, ""),
    };
    let host = if !github {
        if host.is_empty() {
            return None;
        }
        format!("{scheme}{user}{host}")
    } else if scheme == "ssh://" || !user.is_empty() {
        format!("{user}github.com:")
    } else {
        "https://github.com/".to_owned()
    };
    Some((host, rest.into()))
}

/// The repository's path and the directory in it.
fn split_repository(text: &str, everything: bool) -> Option<(&str, &str)> {
    const PARENT: &str = "_git/";
    if let Some(at) = text.find(PARENT) {
        let name = at + PARENT.len();
        let end = text[name..].find('/').map_or(text.len(), |n| name + n);
        return Some((&text[..end], text.get(end + 1..).unwrap_or_default()));
    }
    if let Some(at) = text.find("//") {
        return Some((&text[..at], &text[at + 2..]));
    }
    if let Some(at) = text.find(".git") {
        return Some(text.split_at(at + ".git".len()));
    }
    if everything {
        return Some((text, ""));
    }
    let first = text.find('/')?;
    match text[first + 1..].find('/') {
        Some(second) => {
            let end = first + 1 + second;
            Some((&text[..end], &text[end + 1..]))
        }
        None => Some((text, "")),
    }
}

/// Whether the directory is not one of the repository's.
fn leads_out(path: &str) -> bool {
    let mut depth = 0usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return !path.starts_with("//"),
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

fn read_query(query: &str) -> (Option<String>, bool) {
    let mut reference = None;
    let mut version = None;
    let mut submodules = None;
    if is_query(query) {
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*key {
                "ref" => &mut reference,
                "version" => &mut version,
                "submodules" => &mut submodules,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.into_owned());
        }
    }
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let refused = ["0", "f", "F", "false", "FALSE", "False"];
    (
        given(reference).or_else(|| given(version)),
        !submodules.is_some_and(|text| refused.contains(&text.as_str())),
    )
}

/// Of a query that Go does not read, nothing counts.
fn is_query(query: &str) -> bool {
    let escaped = |rest: &str| {
        let digits = rest.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    };
    !query.contains(';') && query.split('%').skip(1).all(escaped)
}

/// Whether a path is read from a server: `http://` or `https://`.
pub(crate) fn is_url(path: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| strip_ignoring_case(path, scheme).is_some())
}

/// Why something from elsewhere is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It is not among what may be used.
    #[error("{0}")]
    Unlisted(String),
    /// It may be used, but there is no such thing, or what is there is not what was pinned.
    #[error("{0}")]
    Failed(String),
}

/// Where a rendering gets what its kustomizations take from elsewhere. The same question must always have the same
/// answer, or a rendering would depend on more than its inputs.
pub trait Remotes {
    /// The files of a repository at the commit that is meant, its root at `/`.
    ///
    /// # Errors
    /// [`RemoteError::Unlisted`] if it may not be used, [`RemoteError::Failed`] if it is not there as it should be.
    fn repository(&self, spec: &RepositorySpec) -> Result<Rc<dyn FileTree>, RemoteError>;

    /// The content of a file behind an `http` or `https` URL, of at most `limit` bytes.
    ///
    /// # Errors
    /// As for [`Remotes::repository`].
    fn file(&self, url: &str, limit: u64) -> Result<Vec<u8>, RemoteError>;

    /// The chart's own `values.yaml`; empty if it has none.
    ///
    /// # Errors
    /// As for [`Remotes::repository`].
    fn chart_values(&self, chart: &Chart) -> Result<Vec<u8>, RemoteError>;

    /// The objects of a chart, as `helm template` prints them.
    ///
    /// # Errors
    /// As for [`Remotes::repository`]; also when the chart does not render.
    fn template(&self, chart: &Chart, release: &ChartRelease) -> Result<Vec<u8>, RemoteError>;
}

/// Refuses everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRemotes;

fn refused(what: &str) -> RemoteError {
    RemoteError::Unlisted(format!(
        "remote resource '{what}' is refused: rendering reads only local files, so that a result does not depend on what a server says"
    ))
}

fn refused_chart() -> RemoteError {
    RemoteError::Unlisted(
        "helmCharts are refused: rendering runs no `helm`; render the chart beforehand and list its output under resources".to_owned(),
    )
}

impl Remotes for NoRemotes {
    fn repository(&self, spec: &RepositorySpec) -> Result<Rc<dyn FileTree>, RemoteError> {
        Err(refused(&spec.raw))
    }

    fn file(&self, url: &str, _limit: u64) -> Result<Vec<u8>, RemoteError> {
        Err(refused(url))
    }

    fn chart_values(&self, _chart: &Chart) -> Result<Vec<u8>, RemoteError> {
        Err(refused_chart())
    }

    fn template(&self, _chart: &Chart, _release: &ChartRelease) -> Result<Vec<u8>, RemoteError> {
        Err(refused_chart())
    }
}
