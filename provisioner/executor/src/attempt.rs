//! One step: the fence, the effect, the retries, the deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use planner::reference::Outputs;
use planner::{Observed, Step};
use serde_json::Value;
use tokio::time::Instant;

use crate::budget::Bucket;
use crate::event::{Event, Events};
use crate::lock::Fence;
use crate::provider::{Ensure, Error, ErrorKind, Provider, Scope};
use crate::stop::{Level, Stop};

pub(crate) enum Effect {
    Ensure(Value),
    Remove(Box<Observed>),
    /// Its object is gone already.
    Nothing,
}

pub(crate) enum Ending {
    Done(Outputs),
    Failed {
        error: Error,
        attempts: u32,
    },
    /// Not tried again since the run stops.
    Left,
    LockLost(Error),
}

pub(crate) struct Attempt {
    pub(crate) step: Step,
    pub(crate) effect: Effect,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) fence: Arc<dyn Fence>,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) stop: Stop,
    pub(crate) events: Events,
    pub(crate) attempts: u32,
    pub(crate) deadline: Duration,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) seed: u64,
}

impl Attempt {
    pub(crate) async fn perform(self) -> Ending {
        let tried = AtomicU32::new(0);
        match tokio::time::timeout(self.deadline, self.repeat(&tried)).await {
            Ok(ending) => ending,
            Err(_) => {
                let why = format!(
                    "not done within its deadline of {} seconds",
                    self.deadline.as_secs()
                );
                Ending::Failed {
                    error: Error::new(ErrorKind::Deadline, &self.step.id, why),
                    attempts: tried.into_inner().max(1),
                }
            }
        }
    }

    async fn repeat(&self, tried: &AtomicU32) -> Ending {
        let mut random = fastrand::Rng::with_seed(self.seed);
        loop {
            let attempt = tried.fetch_add(1, Ordering::Relaxed) + 1;
            if self.step.action.mutates()
                && let Err(error) = self.fence.held().await
            {
                if !error.kind.retryable() {
                    return Ending::LockLost(error);
                }
                match self.pause(attempt, &error, &mut random).await {
                    Ok(()) => continue,
                    Err(ending) => {
                        return ending.unwrap_or(Ending::Failed {
                            error,
                            attempts: attempt,
                        });
                    }
                }
            }
            let result = match &self.effect {
                Effect::Ensure(spec) => {
                    self.provider
                        .ensure(Ensure {
                            scope: &self.scope,
                            step: &self.step,
                            spec: spec.clone(),
                        })
                        .await
                }
                Effect::Remove(object) => {
                    self.provider.remove(object).await.map(|()| Outputs::new())
                }
                Effect::Nothing => Ok(Outputs::new()),
            };
            match result {
                Ok(outputs) => return Ending::Done(outputs),
                Err(error) => match self.pause(attempt, &error, &mut random).await {
                    Ok(()) => {}
                    Err(ending) => {
                        return ending.unwrap_or(Ending::Failed {
                            error,
                            attempts: attempt,
                        });
                    }
                },
            }
        }
    }

    /// Waits before the next attempt, with full jitter. `Err(None)`: there is none.
    async fn pause(
        &self,
        attempt: u32,
        error: &Error,
        random: &mut fastrand::Rng,
    ) -> Result<(), Option<Ending>> {
        if !error.kind.retryable() || attempt >= self.attempts {
            return Err(None);
        }
        if self.stop.level() > Level::Run {
            return Err(Some(Ending::Left));
        }
        let (base, cap) = self.backoff;
        let most = base
            .saturating_mul(1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX))
            .min(cap);
        let delay = most.mul_f64(random.f64());
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.events.tell(Event::StepRetrying {
            step: self.step.id.clone(),
            attempt,
            delay_ms,
            why: error.to_string(),
        });
        let resume = Instant::now() + delay;
        let ready = async {
            tokio::time::sleep_until(resume).await;
            if self.step.action.mutates() {
                self.bucket.wait(tokens(&self.step)).await;
            }
        };
        tokio::select! {
            () = self.stop.reached(Level::Drain) => return Err(Some(Ending::Left)),
            () = ready => {}
        }
        Ok(())
    }
}

/// What an attempt at the step takes from the bucket.
pub(crate) fn tokens(step: &Step) -> u32 {
    if step.action.mutates() {
        step.calls.max(1)
    } else {
        0
    }
}
