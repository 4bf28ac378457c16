//! Vendoring: a rendering that may fetch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use overlay::{Chart, ChartRelease, FileTree, RemoteError, Remotes, RepositorySpec};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::fetch::{chart, git, http};
use crate::helm::{self, Helm};
use crate::lock::{Lock, PinnedChart, PinnedFile, PinnedRendering, PinnedRepository, named};
use crate::shelf::{Files, Shelf};
use crate::store::{Store, is_named};

/// The name of the file in trees that have one only.
pub(crate) const ONLY_FILE: &str = "content";

/// One pin that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The URL, repository or chart, as written.
    pub what: String,
    /// The commit or digest before; `None`: it is new.
    pub was: Option<String>,
    /// The commit or digest now; `None`: nothing names it any more.
    pub now: Option<String>,
}

/// What vendoring did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is pinned now.
    pub lock: Lock,
    /// How that differs from what was pinned.
    pub changes: Vec<Change>,
    /// By remote, files of it that were not kept, and why.
    pub left_out: BTreeMap<String, Vec<String>>,
}

/// Remotes that fetch what is missing. Rendering an overlay with them vendors exactly what it takes.
///
/// What is pinned stays as it is: where its files are missing it is fetched again and must be the same. With `update`
/// every reference is looked up anew. It blocks, and must not be used on an asynchronous runtime's threads.
#[derive(Debug)]
pub struct Vendoring {
    store: Store,
    update: bool,
    program: PathBuf,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    lock: Lock,
    left_out: BTreeMap<String, Vec<String>>,
    /// By repository, reference and whether submodules are wanted: what is fetched is fetched once.
    repositories: BTreeMap<(String, Option<String>, bool), PinnedRepository>,
    helm: Option<Helm>,
}

impl Vendoring {
    /// Begins from what is vendored. `program` is the `helm` to be run, if a chart asks for it.
    #[must_use]
    pub fn new(store: Store, update: bool, program: PathBuf) -> Vendoring {
        Vendoring {
            store,
            update,
            program,
            state: RefCell::default(),
        }
    }

    fn shelf(&self) -> &Shelf {
        self.store.shelf()
    }

    /// What was pinned, unless it is to be looked up anew.
    fn pinned(&self) -> Option<&Lock> {
        (!self.update).then(|| self.store.lock())
    }

    /// Writes the lock file. To be called when the rendering succeeded: what it did not ask for is pinned no longer.
    ///
    /// # Errors
    /// When the lock file can't be written.
    pub fn finish(self, lock_file: &Path) -> Result<Outcome> {
        let State { lock, left_out, .. } = self.state.into_inner();
        lock.save(lock_file)?;
        Ok(Outcome {
            changes: changes(self.store.lock(), &lock),
            lock,
            left_out,
        })
    }

    fn vendor_repository(&self, spec: &RepositorySpec) -> Result<Digest> {
        let url = self.store.allowed().check(&spec.repository)?;
        if let Some(pin) = self.state.borrow().lock.repositories.get(&spec.raw) {
            return Ok(pin.tree);
        }
        let key = (
            spec.repository.clone(),
            spec.reference.clone(),
            spec.submodules,
        );
        let known = self.state.borrow().repositories.get(&key).cloned();
        let pin = match known {
            Some(pin) => pin,
            None => self.fetch_repository(spec, &url)?,
        };
        let tree = pin.tree;
        let mut state = self.state.borrow_mut();
        state.repositories.insert(key, pin.clone());
        state.lock.repositories.insert(spec.raw.clone(), pin);
        Ok(tree)
    }

    fn fetch_repository(&self, spec: &RepositorySpec, url: &url::Url) -> Result<PinnedRepository> {
        // The same reference is the same commit, whichever of its directories is named.
        let pinned = self.pinned().and_then(|lock| {
            let same = |(written, pin): &(&String, &PinnedRepository)| {
                pin.repository == spec.repository
                    && pin.reference == spec.reference
                    && RepositorySpec::parse(written)
                        .is_some_and(|other| other.submodules == spec.submodules)
            };
            let named = lock.repositories.get_key_value(&spec.raw).filter(same);
            let found = named.or_else(|| lock.repositories.iter().find(same));
            found.map(|(_, pin)| pin)
        });
        if let Some(pin) = pinned
            && self.shelf().check(&spec.raw, pin.tree).is_ok()
        {
            return Ok(pin.clone());
        }
        let wanted = git::Wanted {
            what: &spec.raw,
            url,
            reference: pinned
                .map(|pin| pin.commit.as_str())
                .or(spec.reference.as_deref()),
            submodules: spec.submodules,
        };
        let fetched = git::fetch(&wanted, self.shelf().limits())?;
        let tree = self.shelf().put(&spec.raw, &fetched.files)?;
        if let Some(pin) = pinned {
            same(&spec.raw, pin.tree, tree)?;
        }
        if !fetched.left_out.is_empty() {
            let mut state = self.state.borrow_mut();
            state.left_out.insert(spec.raw.clone(), fetched.left_out);
        }
        Ok(PinnedRepository {
            repository: spec.repository.clone(),
            reference: spec.reference.clone(),
            commit: fetched.commit,
            tree,
        })
    }

    fn vendor_file(&self, url: &str, limit: u64) -> Result<Vec<u8>> {
        self.store.allowed().check(url)?;
        let known = self.state.borrow().lock.files.get(url).cloned();
        let pin = match known {
            Some(pin) => pin,
            None => self.fetch_file(url, limit)?,
        };
        let content = Store::only_file(self.shelf(), url, pin.tree, limit)?;
        self.state
            .borrow_mut()
            .lock
            .files
            .insert(url.to_owned(), pin);
        Ok(content)
    }

    fn fetch_file(&self, url: &str, limit: u64) -> Result<PinnedFile> {
        let no_file = |reason: String| Error::NotVendored {
            what: url.to_owned(),
            reason,
        };
        let pinned = self.pinned().and_then(|lock| lock.files.get(url));
        if let Some(pin) = pinned
            && self.shelf().check(url, pin.tree).is_ok()
        {
            return Ok(pin.clone());
        }
        let is_repository = |lock: &Lock| lock.repositories.contains_key(url);
        if pinned.is_none() && self.pinned().is_some_and(is_repository) {
            return Err(no_file("the lock file lists it as a repository".to_owned()));
        }
        let may_be_repository = RepositorySpec::parse(url).is_some();
        let limits = self.shelf().limits();
        let content = match http::get(url, limit, self.store.allowed(), limits)? {
            http::Answer::File(content) => content,
            // As kustomize does, which then clones it.
            http::Answer::Page if may_be_repository => {
                return Err(no_file(
                    "the server answers with a page for people".to_owned(),
                ));
            }
            http::Answer::Nothing(reason) if may_be_repository => return Err(no_file(reason)),
            http::Answer::Page => {
                return Err(Error::Fetch {
                    what: url.to_owned(),
                    reason: "the server answers with a page for people".to_owned(),
                });
            }
            http::Answer::Nothing(reason) => {
                return Err(Error::Fetch {
                    what: url.to_owned(),
                    reason,
                });
            }
        };
        let sha256 = Digest::of(&content);
        if let Some(pin) = pinned {
            same(url, pin.sha256, sha256)?;
        }
        let tree = self.shelf().put(url, &Files::one(ONLY_FILE, content))?;
        Ok(PinnedFile { sha256, tree })
    }

    /// The tree of a chart.
    fn vendor_chart(&self, chart: &Chart) -> Result<Digest> {
        self.store.allowed().check(&chart::index_url(chart)?)?;
        if let Some(pin) = self.state.borrow().lock.chart(chart) {
            return Ok(pin.tree);
        }
        let pin = self.fetch_chart(chart)?;
        let tree = pin.tree;
        self.state.borrow_mut().lock.charts.push(pin);
        Ok(tree)
    }

    fn fetch_chart(&self, chart: &Chart) -> Result<PinnedChart> {
        let what = named(chart);
        let pinned = self.pinned().and_then(|lock| lock.chart(chart));
        if let Some(pin) = pinned
            && self.shelf().check(&what, pin.tree).is_ok()
        {
            return Ok(PinnedChart {
                renderings: BTreeMap::new(),
                ..pin.clone()
            });
        }
        let fetched = chart::fetch(chart, self.store.allowed(), self.shelf().limits())?;
        if let Some(pin) = pinned {
            same(&what, pin.sha256, fetched.sha256)?;
        }
        let tree = self.shelf().put(&what, &fetched.files)?;
        Ok(PinnedChart {
            repository: chart.repo.clone(),
            name: chart.name.clone(),
            version: chart.version.clone(),
            sha256: fetched.sha256,
            tree,
            renderings: BTreeMap::new(),
        })
    }

    fn vendor_rendering(&self, chart: &Chart, release: &ChartRelease) -> Result<Vec<u8>> {
        let what = named(chart);
        let tree = self.vendor_chart(chart)?;
        let inputs = helm::inputs(tree, release);
        let pinned = self
            .pinned()
            .and_then(|lock| lock.chart(chart))
            .and_then(|pin| pin.renderings.get(&inputs));
        let rendering = match pinned {
            Some(pin) if self.shelf().check(&what, pin.tree).is_ok() => pin.clone(),
            _ => self.render(chart, tree, release, pinned)?,
        };
        let printed = Store::only_file(self.shelf(), &what, rendering.tree, helm::OUTPUT_BYTES)?;
        let mut state = self.state.borrow_mut();
        if let Some(pin) = state.lock.charts.iter_mut().find(|pin| pin.is(chart)) {
            pin.renderings.insert(inputs, rendering);
        }
        Ok(printed)
    }

    fn render(
        &self,
        chart: &Chart,
        tree: Digest,
        release: &ChartRelease,
        pinned: Option<&PinnedRendering>,
    ) -> Result<PinnedRendering> {
        let what = named(chart);
        let helm = self.helm()?;
        let wanted = match (pinned, self.pinned()) {
            (Some(pin), _) => vec![pin.helm.as_str()],
            (None, Some(lock)) => lock.helms().into_iter().collect(),
            (None, None) => Vec::new(),
        };
        if !wanted.is_empty() && !wanted.contains(&helm.version()) {
            return Err(Error::Differs {
                what,
                reason: format!(
                    "charts were rendered by helm {}, and this is {}",
                    wanted.join(", "),
                    helm.version()
                ),
            });
        }
        let tree = self.shelf().open(&what, tree)?;
        let printed = helm.template(chart, &tree, release)?;
        let tree = self.shelf().put(&what, &Files::one(ONLY_FILE, printed))?;
        if let Some(pin) = pinned {
            same(&what, pin.tree, tree)?;
        }
        Ok(PinnedRendering {
            release: if release.name.is_empty() {
                release.name_template.clone()
            } else {
                release.name.clone()
            },
            helm: helm.version().to_owned(),
            tree,
        })
    }

    fn helm(&self) -> Result<Helm> {
        let known = self.state.borrow().helm.clone();
        if let Some(helm) = known {
            return Ok(helm);
        }
        let helm = Helm::new(&self.program, self.shelf().limits().clone())?;
        self.state.borrow_mut().helm = Some(helm.clone());
        Ok(helm)
    }
}

/// Refuses what is fetched again and is something else.
fn same(what: &str, pinned: Digest, found: Digest) -> Result<()> {
    if pinned == found {
        return Ok(());
    }
    Err(Error::Differs {
        what: what.to_owned(),
        reason: format!("what the server gives has digest {found}, and {pinned} is pinned"),
    })
}

/// Every pin by what it pins, with the commit or digest that is compared.
fn pins(lock: &Lock) -> BTreeMap<String, String> {
    let mut pins = BTreeMap::new();
    for (written, pin) in &lock.repositories {
        pins.insert(written.clone(), pin.commit.clone());
    }
    for (url, pin) in &lock.files {
        pins.insert(url.clone(), pin.sha256.to_string());
    }
    for pin in &lock.charts {
        let name = format!("{} {} of {}", pin.name, pin.version, pin.repository);
        for rendering in pin.renderings.values() {
            let name = format!("{name} as {}", rendering.release);
            pins.insert(name, rendering.tree.to_string());
        }
        pins.insert(name, pin.sha256.to_string());
    }
    pins
}

fn changes(was: &Lock, now: &Lock) -> Vec<Change> {
    let (was, now) = (pins(was), pins(now));
    let mut all: Vec<&String> = was.keys().chain(now.keys()).collect();
    all.sort();
    all.dedup();
    all.into_iter()
        .filter(|what| was.get(*what) != now.get(*what))
        .map(|what| Change {
            what: what.clone(),
            was: was.get(what).cloned(),
            now: now.get(what).cloned(),
        })
        .collect()
}

impl Remotes for Vendoring {
    fn repository(
        &self,
        spec: &RepositorySpec,
    ) -> std::result::Result<Rc<dyn FileTree>, RemoteError> {
        let tree = self.vendor_repository(spec)?;
        Ok(Rc::new(self.shelf().open(&spec.raw, tree)?))
    }

    fn file(&self, url: &str, limit: u64) -> std::result::Result<Vec<u8>, RemoteError> {
        Ok(self.vendor_file(url, limit)?)
    }

    fn chart_values(&self, chart: &Chart) -> std::result::Result<Vec<u8>, RemoteError> {
        if !is_named(chart) {
            return Ok(Vec::new());
        }
        let tree = self.vendor_chart(chart)?;
        Ok(Store::values(self.shelf(), &named(chart), tree)?)
    }

    fn template(
        &self,
        chart: &Chart,
        release: &ChartRelease,
    ) -> std::result::Result<Vec<u8>, RemoteError> {
        Ok(self.vendor_rendering(chart, release)?)
    }
}
