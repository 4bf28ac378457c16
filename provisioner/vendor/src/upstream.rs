//! Whether servers still give what is pinned.

use overlay::Chart;

use crate::digest::Digest;
use crate::error::{Result, told};
use crate::fetch::{chart, git, http};
use crate::lock::named;
use crate::shelf::Problem;
use crate::store::Store;

/// Asks the servers for all that is pinned, and says what they would give now instead: another commit behind a tag,
/// another file behind a URL. Changes nothing. What can't be asked is among the problems.
#[must_use]
pub fn upstream(store: &Store) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |what: &str, pinned: &str, found: Result<String>| {
        let reason = match found {
            Ok(found) if found == pinned => return,
            Ok(found) => format!("it is now {found}, and {pinned} is pinned"),
            Err(error) => told(&error),
        };
        problems.push(Problem {
            what: what.to_owned(),
            reason,
        });
    };
    let limits = store.shelf().limits();
    let lock = store.lock();
    for (written, pin) in &lock.repositories {
        let commit = store.allowed().check(&pin.repository).and_then(|url| {
            let wanted = git::Wanted {
                what: written,
                url: &url,
                reference: pin.reference.as_deref(),
                submodules: false,
            };
            git::resolve(&wanted, limits)
        });
        note(written, &pin.commit, commit);
    }
    for (url, pin) in &lock.files {
        let content = http::file(url, limits.file_bytes, store.allowed(), limits);
        let digest = content.map(|content| Digest::of(&content).to_string());
        note(url, &pin.sha256.to_string(), digest);
    }
    for pin in &lock.charts {
        let chart = Chart {
            name: pin.name.clone(),
            repo: pin.repository.clone(),
            version: pin.version.clone(),
        };
        let fetched = chart::fetch(&chart, store.allowed(), limits);
        let digest = fetched.map(|fetched| fetched.sha256.to_string());
        note(&named(&chart), &pin.sha256.to_string(), digest);
    }
    problems
}
