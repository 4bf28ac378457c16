//! What happens while tools are installed and servers started, for whoever shows it.

use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Progress {
    /// Something began: a tool's installation, a server's start.
    Started {
        /// What.
        what: String,
    },
    /// It goes on.
    Advanced {
        /// What.
        what: String,
        /// Parts done so far.
        done: u64,
        /// Parts in all, as far as is known. `done` may stop short of it when an earlier run left work behind.
        total: Option<u64>,
        /// The part at hand.
        detail: String,
    },
    /// It waits for somebody else.
    Waiting {
        /// What.
        what: String,
        /// For whom.
        on: String,
    },
    /// It is done.
    Finished {
        /// What.
        what: String,
    },
}

/// Takes notice of progress. Called from several threads.
pub trait Observer: Send + Sync {
    /// Something happened. Must return quickly.
    fn notice(&self, progress: &Progress);
}

/// An observer that takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn notice(&self, _: &Progress) {}
}

impl<F: Fn(&Progress) + Send + Sync> Observer for F {
    fn notice(&self, progress: &Progress) {
        self(progress);
    }
}
