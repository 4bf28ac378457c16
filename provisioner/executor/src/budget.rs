//! How fast a provider is asked: a token bucket.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::provider::Budget;

/// A bucket that fills with [`Budget::rate`] tokens a second up to [`Budget::burst`].
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket. A rate that is not positive and finite sets no limit.
    pub fn new(budget: Budget) -> Self {
        let burst = f64::from(budget.burst.max(1));
        Self {
            rate: budget.rate,
            burst,
            level: Mutex::new((burst, Instant::now())),
        }
    }

    /// Takes tokens if they are there, else says in what time they will be. More than the burst counts as the burst.
    ///
    /// # Errors
    /// The time to wait.
    pub fn take(&self, tokens: u32) -> Result<(), Duration> {
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Ok(());
        }
        let wanted = f64::from(tokens).min(self.burst);
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        level.0 = (level.0 + now.duration_since(level.1).as_secs_f64() * self.rate).min(self.burst);
        level.1 = now;
        // A billionth of a token is rounding, and waiting for it would end at the same instant for ever.
        if level.0 + 1e-9 >= wanted {
            level.0 -= wanted;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((wanted - level.0) / self.rate)
            .unwrap_or(Duration::MAX)
            .max(Duration::from_millis(1)))
    }

    /// Waits for tokens and takes them.
    pub async fn wait(&self, tokens: u32) {
        while let Err(wait) = self.take(tokens) {
            tokio::time::sleep(wait.min(Duration::from_secs(3600))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let bucket = Bucket::new(Budget {
            concurrency: 1,
            rate: 2.0,
            burst: 3,
        });
        let start = Instant::now();
        for _ in 0..7 {
            bucket.wait(1).await;
        }
        // Paused time: three at once, four more at two a second.
        assert_eq!(start.elapsed().as_millis() / 100, 20);
        assert!(bucket.take(1_000_000).is_err());
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(
                Bucket::new(Budget {
                    concurrency: 1,
                    rate,
                    burst: 0
                })
                .take(9)
                .is_ok()
            );
        }
    }
}
