//! Where an environment's vendored remotes are.

use std::path::{Path, PathBuf};

use environment::Environment;
use vendor::{Allowed, LOCK_FILE, Limits, Lock, Shelf, Store};

use crate::failure::Failure;

/// The folder of vendored trees, in the project; environments share it.
const FOLDER: &str = "vendor";

/// An environment's lock file.
pub fn lock_file(root: &Path, environment: &str) -> PathBuf {
    root.join("environments").join(environment).join(LOCK_FILE)
}

/// The project's folder of vendored trees.
pub fn shelf(root: &Path) -> Shelf {
    Shelf::new(root.join(FOLDER), Limits::default())
}

/// What the environment's lock file pins, as far as the environment allows it.
pub fn store(root: &Path, environment: &Environment) -> Result<Store, Failure> {
    let overlay = environment.document.what.overlay.as_ref();
    let remotes = overlay.map_or(&[][..], |overlay| &overlay.remotes);
    let allowed = Allowed::new(remotes).map_err(|error| {
        Failure::of("`what.overlay.remotes` can't be used", &error)
            .hint(format!("correct it in {}", environment.file()))
    })?;
    let path = lock_file(root, environment.name());
    let lock = Lock::load(&path).map_err(|error| {
        Failure::of("what is vendored is not known", &error)
            .hint("bring the lock file back from version control; it is written by `rebuild overlays vendor` only")
    })?;
    Ok(Store::new(shelf(root), lock, allowed))
}
