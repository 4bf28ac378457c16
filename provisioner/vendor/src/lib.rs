//! What overlays take from elsewhere: fetched on request, pinned by digest, verified at every read.
//!
//! A kustomization may name a directory of a git repository, a file behind a URL or a Helm chart. Rendering must not
//! depend on what a server says that day, so these are *vendored*: a [`Vendoring`] fetches them once, when a person asks
//! for it, into a folder of the project and pins each in a lock file. A [`Store`] gives them to a rendering from
//! there, talks to nobody, and refuses what is not in the lock file, what is not allowed, and what differs from its digest.
//!
//! Both are [`overlay::Remotes`]: vendoring is rendering with one that may fetch, so exactly what the rendering takes
//! is vendored, whatever named it.
//!
//! The folder is content-addressed. `sha256-DIGEST/` holds the files and `sha256-DIGEST.files` lists them; the digest is
//! that of the list, which has the digest of every file. Symbolic links stand in the list only.
//!
//! # Assumptions
//! Servers are not trusted: what they send is bounded in number, size, depth and time. What is fetched first is
//! believed, as nothing is known that it could be compared with; from then on the lock file decides.

mod allowed;
mod digest;
mod error;
mod fetch;
mod helm;
mod limits;
mod listing;
mod lock;
mod path;
mod shelf;
mod store;
mod tree;
mod upstream;
mod vendoring;

pub use allowed::Allowed;
pub use digest::Digest;
pub use error::Error;
pub use helm::Helm;
pub use limits::Limits;
pub use lock::{LOCK_FILE, Lock, PinnedChart, PinnedFile, PinnedRendering, PinnedRepository};
pub use shelf::{Problem, Shelf};
pub use store::Store;
pub use upstream::upstream;
pub use vendoring::{Change, Outcome, Vendoring};
