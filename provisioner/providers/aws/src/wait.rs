//! Polling with backoff until a deadline.

use std::time::Duration;

use executor::provider::{Error, ErrorKind};
use tokio::time::{Instant, sleep};

/// Pauses between polls: they grow by half each time, and end at a deadline.
#[derive(Debug)]
pub struct Backoff {
    what: String,
    pause: Duration,
    longest: Duration,
    deadline: Instant,
}

impl Backoff {
    /// Waits at most `limit` in all, on what `what` names.
    pub fn new(what: impl Into<String>, limit: Duration) -> Self {
        Self {
            what: what.into(),
            pause: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            deadline: Instant::now() + limit,
        }
    }

    /// Sleeps until the next poll.
    ///
    /// # Errors
    /// [`ErrorKind::Deadline`] once the time is up; `state` says what was seen last.
    pub async fn next(&mut self, state: &str) -> Result<(), Error> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(Error::new(
                ErrorKind::Deadline,
                self.what.clone(),
                format!("still {state} at the deadline"),
            ));
        }
        sleep(self.pause.min(self.deadline - now)).await;
        self.pause = (self.pause * 3 / 2).min(self.longest);
        Ok(())
    }
}
