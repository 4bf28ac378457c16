//! Repositories, over git's smart HTTP protocol.
//!
//! Nobody's configuration and no credentials are used: what is vendored is open to everybody who may review it.

use std::io::{BufRead, Read};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gix::bstr::{BStr, ByteSlice as _};
use gix::object::tree::EntryKind;
use gix::progress::Discard;
use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::blocking_io::http::options::FollowRedirects;
use gix::protocol::transport::client::blocking_io::http::reqwest::{Options as Backend, Remote};
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, Options, PostBodyDataKind, PostResponse, Transport,
};
use gix::remote::fetch::{Shallow, Tags};
use gix::remote::{Direction, ref_map};
use url::Url;

use super::{CONNECT, SILENCE, USER_AGENT, deadline};
use crate::error::{Error, Result, told};
use crate::limits::Limits;
use crate::path;
use crate::shelf::Files;

/// Where a fetched commit is put in the temporary repository.
const FETCHED: &str = "refs/vendored/commit";
/// A repository's default branch.
const DEFAULT: &str = "HEAD";

/// What to fetch of a repository.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// As messages name it.
    pub(crate) what: &'a str,
    /// The repository's URL, which may be fetched.
    pub(crate) url: &'a Url,
    /// A branch, tag or commit; without one the default branch.
    pub(crate) reference: Option<&'a str>,
    /// Whether submodules are wanted.
    pub(crate) submodules: bool,
}

/// A commit's files.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// 40 hexadecimal digits.
    pub(crate) commit: String,
    pub(crate) files: Files,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

impl Wanted<'_> {
    fn failed(&self, doing: &str, error: &dyn std::error::Error) -> Error {
        Error::Fetch {
            what: self.what.to_owned(),
            reason: format!("{doing}: {}", told(error)),
        }
    }

    fn malformed(&self, reason: String) -> Error {
        Error::Malformed {
            what: self.what.to_owned(),
            reason,
        }
    }

    fn too_large(&self, reason: String) -> Error {
        Error::TooLarge {
            what: self.what.to_owned(),
            reason,
        }
    }

    fn commit(&self) -> Option<&str> {
        self.reference
            .filter(|text| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// The names that a reference may stand for, in git's order.
    fn names(&self) -> Vec<String> {
        match self.reference {
            None => vec![DEFAULT.to_owned()],
            Some(name) if name == DEFAULT || name.starts_with("refs/") => vec![name.to_owned()],
            Some(name) => ["", "tags/", "heads/"]
                .map(|kind| format!("refs/{kind}{name}"))
                .into(),
        }
    }
}

/// Says which commit a reference is now.
pub(crate) fn resolve(wanted: &Wanted<'_>, limits: &Limits) -> Result<String> {
    if let Some(commit) = wanted.commit() {
        return Ok(commit.to_ascii_lowercase());
    }
    Session::open(wanted, limits)?
        .reference()
        .map(|(_, commit)| commit)
}

/// Fetches one commit, without its history.
pub(crate) fn fetch(wanted: &Wanted<'_>, limits: &Limits) -> Result<Fetched> {
    let session = Session::open(wanted, limits)?;
    let source = match wanted.commit() {
        Some(commit) => commit.to_ascii_lowercase(),
        None => session.reference()?.0,
    };
    session.receive(&source)
}

/// A temporary repository.
struct Session<'a> {
    wanted: &'a Wanted<'a>,
    limits: &'a Limits,
    repository: gix::Repository,
    wire: Wire,
    /// Deleted last.
    _folder: tempfile::TempDir,
}

impl<'a> Session<'a> {
    fn open(wanted: &'a Wanted<'a>, limits: &'a Limits) -> Result<Session<'a>> {
        let temporary = std::env::temp_dir();
        let folder = tempfile::Builder::new()
            .prefix("rebuild-vendor-")
            .tempdir_in(&temporary)
            .map_err(Error::file("make a folder in", &temporary))?;
        let largest = limits.file_bytes.saturating_mul(8);
        let options = gix::open::Options::isolated().config_overrides([
            format!("gitoxide.objects.allocLimit={largest}"),
            "http.followRedirects=false".to_owned(),
        ]);
        let repository = gix::ThreadSafeRepository::init_opts(
            folder.path().join("repository"),
            gix::create::Kind::Bare,
            gix::create::Options::default(),
            options,
        )
        .map_err(|error| wanted.failed("a temporary repository can't be made", &error))?
        .to_thread_local();
        Ok(Session {
            wanted,
            limits,
            repository,
            wire: Wire {
                left: Arc::new(AtomicU64::new(limits.transfer_bytes)),
                end: deadline(limits),
            },
            _folder: folder,
        })
    }

    fn remote(&self) -> Result<gix::Remote<'_>> {
        let failed = |error: gix::Error| self.wanted.failed("its URL can't be used", &error);
        let remote = self
            .repository
            .remote_at_without_url_rewrite(self.wanted.url.as_str())
            .map_err(failed)?;
        Ok(remote.with_fetch_tags(Tags::None))
    }

    fn transport(&self) -> Result<Transport<Bounded>> {
        let url = gix::url::parse(self.wanted.url.as_str()).map_err(|error| {
            self.wanted
                .malformed(format!("it is no URL for git: {error}"))
        })?;
        let http = Bounded::new(self.wire.clone())
            .map_err(|error| self.wanted.failed("no HTTP client can be made", &error))?;
        Ok(Transport::new_http(http, url, Protocol::V2, false))
    }

    /// The full name of the reference, and the commit it is.
    fn reference(&self) -> Result<(String, String)> {
        let names = self.wanted.names();
        let mut specs = Vec::new();
        for name in &names {
            let spec = gix::refspec::parse(
                name.as_bytes().as_bstr(),
                gix::refspec::parse::Operation::Fetch,
            )
            .map_err(|error| {
                self.wanted
                    .malformed(format!("'{name}' is no name of a branch or tag: {error}"))
            })?;
            specs.push(spec.to_owned());
        }
        let remote = self.remote()?;
        let (map, _) = remote
            .to_connection_with_transport(self.transport()?)
            .with_credentials(|_| Ok(None))
            .ref_map(
                Discard,
                ref_map::Options {
                    extra_refspecs: specs,
                    ..ref_map::Options::default()
                },
            )
            .map_err(|error| {
                self.wanted
                    .failed("its branches and tags can't be listed", &error)
            })?;
        for name in &names {
            for found in &map.remote_refs {
                let (full, target, peeled) = found.unpack();
                if full == name.as_bytes().as_bstr()
                    && let Some(commit) = peeled.or(target)
                {
                    return Ok((name.clone(), commit.to_string()));
                }
            }
        }
        Err(Error::Fetch {
            what: self.wanted.what.to_owned(),
            reason: match self.wanted.reference {
                Some(name) => format!("it has no branch or tag '{name}'"),
                None => "it has no default branch".to_owned(),
            },
        })
    }

    fn receive(self, source: &str) -> Result<Fetched> {
        let wanted = self.wanted;
        let failed = |error: gix::Error| wanted.failed("its files can't be fetched", &error);
        let remote = self
            .remote()?
            .with_refspecs(
                [format!("+{source}:{FETCHED}").as_bytes().as_bstr()],
                Direction::Fetch,
            )
            .map_err(failed)?;
        let outcome = remote
            .to_connection_with_transport(self.transport()?)
            .with_credentials(|_| Ok(None))
            .prepare_fetch(Discard, ref_map::Options::default())
            .map_err(failed)?
            .with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN))
            .receive(Discard, &AtomicBool::new(false))
            .map_err(failed)?;
        let id = outcome
            .ref_map
            .mappings
            .first()
            .and_then(|mapping| mapping.remote.as_id())
            .ok_or_else(|| wanted.malformed(format!("it does not give '{source}'")))?
            .to_owned();
        let commit = self
            .repository
            .find_object(id)
            .map_err(failed)?
            .peel_to_kind(gix::object::Kind::Commit)
            .map_err(|error| wanted.failed("what was asked for is no commit", &error))?
            .into_commit();
        let tree = commit.tree_id().map_err(failed)?.detach();
        let name = commit.id().to_string();
        let mut found = Found {
            wanted,
            limits: self.limits,
            files: Files::default(),
            total: 0,
            left_out: Vec::new(),
        };
        found.walk(&self.repository, tree)?;
        Ok(Fetched {
            commit: name,
            files: found.files,
            left_out: found.left_out,
        })
    }
}

/// The files found so far.
struct Found<'a> {
    wanted: &'a Wanted<'a>,
    limits: &'a Limits,
    files: Files,
    total: u64,
    left_out: Vec<String>,
}

impl Found<'_> {
    fn walk(&mut self, repository: &gix::Repository, root: gix::ObjectId) -> Result<()> {
        let wanted = self.wanted;
        let failed = |error: gix::Error| wanted.failed("it can't be read", &error);
        let mut waiting = vec![(String::new(), root)];
        let mut folders = 0usize;
        while let Some((folder, id)) = waiting.pop() {
            folders += 1;
            if folders > self.limits.files {
                return Err(
                    wanted.too_large(format!("it has more than {} folders", self.limits.files))
                );
            }
            let tree = repository.find_tree(id).map_err(failed)?;
            for entry in tree.iter() {
                let entry = entry.map_err(failed)?;
                let Some(path) = self.path(&folder, entry.filename()) else {
                    continue;
                };
                match entry.mode().kind() {
                    EntryKind::Tree => waiting.push((path, entry.object_id())),
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        self.blob(repository, path, entry.object_id())?;
                    }
                    EntryKind::Link => self.link(repository, path, entry.object_id())?,
                    EntryKind::Commit if wanted.submodules => {
                        return Err(Error::Refused {
                            what: wanted.what.to_owned(),
                            reason: format!(
                                "its '{path}' is another repository, and those are not fetched; `submodules=false` in the query leaves it out"
                            ),
                        });
                    }
                    EntryKind::Commit => self.left_out.push(format!("{path}: another repository")),
                }
            }
        }
        Ok(())
    }

    /// The path of an entry, unless it is left out.
    fn path(&mut self, folder: &str, name: &BStr) -> Option<String> {
        let shown = name.to_str_lossy();
        let path = if folder.is_empty() {
            shown.into_owned()
        } else {
            format!("{folder}/{shown}")
        };
        if path::steers_git(&path) {
            return None;
        }
        let why = if name.to_str().is_err() || !path::is_plain(&path) {
            "its name has unusual characters"
        } else if path.split('/').count() > self.limits.depth {
            "it is too deep"
        } else {
            return Some(path);
        };
        self.left_out
            .push(format!("{}: {why}", path.escape_debug()));
        None
    }

    fn blob(
        &mut self,
        repository: &gix::Repository,
        path: String,
        id: gix::ObjectId,
    ) -> Result<()> {
        let wanted = self.wanted;
        let failed =
            |error: gix::Error| wanted.failed(&format!("its '{path}' can't be read"), &error);
        let size = repository.find_header(id).map_err(failed)?.size();
        if size > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            self.left_out
                .push(format!("{path}: larger than {limit} bytes"));
            return Ok(());
        }
        self.count(size)?;
        let content = repository.find_blob(id).map_err(failed)?.take_data();
        self.files.files.insert(path, content);
        Ok(())
    }

    fn link(
        &mut self,
        repository: &gix::Repository,
        path: String,
        id: gix::ObjectId,
    ) -> Result<()> {
        let wanted = self.wanted;
        let failed =
            |error: gix::Error| wanted.failed(&format!("its '{path}' can't be read"), &error);
        self.count(0)?;
        let size = repository.find_header(id).map_err(failed)?.size();
        let target = if size > 4096 {
            None
        } else {
            String::from_utf8(repository.find_blob(id).map_err(failed)?.take_data()).ok()
        };
        match target.filter(|target| path::link(&path, target).is_some()) {
            Some(target) => _ = self.files.links.insert(path, target),
            None => self.left_out.push(format!("{path}: a link that leads out")),
        }
        Ok(())
    }

    fn count(&mut self, size: u64) -> Result<()> {
        self.total = self.total.saturating_add(size);
        let Limits {
            files, total_bytes, ..
        } = *self.limits;
        if self.files.files.len() + self.files.links.len() >= files {
            return Err(self
                .wanted
                .too_large(format!("it has more than {files} files")));
        }
        if self.total > total_bytes {
            return Err(self
                .wanted
                .too_large(format!("its files have more than {total_bytes} bytes")));
        }
        Ok(())
    }
}

/// What all requests for one repository share.
#[derive(Clone)]
struct Wire {
    left: Arc<AtomicU64>,
    end: Instant,
}

/// Requests whose answers are bounded.
struct Bounded {
    remote: Remote,
    wire: Wire,
}

impl Bounded {
    fn new(wire: Wire) -> std::result::Result<Bounded, gix::Error> {
        let mut remote = Remote::default();
        remote.configure(&Options {
            follow_redirects: FollowRedirects::None,
            user_agent: Some(USER_AGENT.to_owned()),
            ssl_verify: true,
            backend: Some(Arc::new(Mutex::new(Backend {
                configure_client: Some(Box::new(|client| {
                    Ok(client.connect_timeout(CONNECT).timeout(SILENCE))
                })),
                configure_request: None,
            }))),
            ..Options::default()
        })?;
        Ok(Bounded { remote, wire })
    }

    fn body(&self, body: <Remote as Http>::ResponseBody) -> Counted {
        Counted {
            body,
            wire: self.wire.clone(),
        }
    }
}

impl Http for Bounded {
    type Headers = <Remote as Http>::Headers;
    type ResponseBody = Counted;
    type PostBody = <Remote as Http>::PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> std::result::Result<GetResponse<Self::Headers, Self::ResponseBody>, gix::Error> {
        let answer = self.remote.get(url, base_url, headers)?;
        Ok(GetResponse {
            headers: answer.headers,
            body: self.body(answer.body),
        })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        body: PostBodyDataKind,
    ) -> std::result::Result<
        PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>,
        gix::Error,
    > {
        let answer = self.remote.post(url, base_url, headers, body)?;
        Ok(PostResponse {
            post_body: answer.post_body,
            headers: answer.headers,
            body: self.body(answer.body),
        })
    }

    /// What gix would configure comes from files that don't count here.
    fn configure(&mut self, _config: &dyn std::any::Any) -> std::result::Result<(), gix::Error> {
        Ok(())
    }
}

/// A body that ends with an error when it is too long or takes too long.
struct Counted {
    body: <Remote as Http>::ResponseBody,
    wire: Wire,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.wire.left.load(Ordering::Relaxed) == 0 {
            return Err(std::io::Error::other(
                "the server sends more than is allowed",
            ));
        }
        if Instant::now() >= self.wire.end {
            return Err(std::io::Error::other("it takes too long"));
        }
        self.body.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let left = self.wire.left.load(Ordering::Relaxed);
        self.wire
            .left
            .store(left.saturating_sub(count as u64), Ordering::Relaxed);
        self.body.consume(count);
    }
}
