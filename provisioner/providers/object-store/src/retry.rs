//! How often and how soon something is asked again.

use std::time::Duration;

use executor::provider::Error;

/// How often in a row something may fail, and the pauses in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retry {
    /// Attempts in a row that bring nothing.
    pub(crate) attempts: u32,
    /// The longest pause after the first failure; doubled after each further one.
    pub(crate) pause: Duration,
    /// No pause is longer.
    pub(crate) longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 8,
            pause: Duration::from_millis(500),
            longest: Duration::from_secs(10),
        }
    }
}

/// Counts the attempts in a row that failed.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    failures: u32,
}

impl Attempts {
    pub(crate) fn new(retry: Retry) -> Self {
        Self { retry, failures: 0 }
    }

    /// Something came of the last attempt: counting begins anew.
    pub(crate) fn progress(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt: a random time up to a bound that doubles ("Exponential Backoff And Jitter", full jitter).
    ///
    /// # Errors
    /// The error itself, when asking again can't help or has not helped often enough.
    pub(crate) async fn again(&mut self, error: Error) -> Result<(), Error> {
        self.failures += 1;
        if !error.kind.retryable() {
            return Err(error);
        }
        if self.failures >= self.retry.attempts {
            let why = match self.failures {
                1 => error.why,
                count => format!("{} (the last of {count} attempts)", error.why),
            };
            return Err(Error { why, ..error });
        }
        let doubled = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let bound = self
            .retry
            .pause
            .saturating_mul(doubled)
            .min(self.retry.longest);
        tokio::time::sleep(bound.mul_f64(fastrand::f64())).await;
        Ok(())
    }
}
