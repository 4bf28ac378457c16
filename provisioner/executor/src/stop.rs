//! Asking a run to stop: first when what is in flight is done, then at once.

use std::sync::Arc;

use tokio::sync::watch;

/// How urgently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Go on.
    Run,
    /// Begin nothing new, finish what is in flight.
    Drain,
    /// Leave what is in flight; its end is unknown.
    Now,
}

/// A handle that every clone shares.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Level>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Level::Run)))
    }
}

impl Stop {
    /// Asks once more: from going on to draining, from draining to stopping now. Says what now holds.
    pub fn request(&self) -> Level {
        self.at_least(if self.level() == Level::Run {
            Level::Drain
        } else {
            Level::Now
        })
    }

    /// Raises the level to this one; it never falls.
    pub fn at_least(&self, level: Level) -> Level {
        self.0.send_if_modified(|current| {
            let rises = level > *current;
            *current = level.max(*current);
            rises
        });
        self.level()
    }

    /// What holds now.
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Waits until this level, or a more urgent one, holds.
    pub async fn reached(&self, level: Level) {
        // The sender lives in `self`, so the channel can't be closed while waiting.
        let _ = self
            .0
            .subscribe()
            .wait_for(|current| *current >= level)
            .await;
    }
}
