//! What is told while a run goes on.

use planner::{Address, Layer};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::provider::ErrorKind;

/// What a ready step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// Another step of the same provider to end.
    Concurrency,
    /// The provider's rate.
    Rate,
}

/// One thing told; as JSON an object with its name under `event`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Event {
    /// A run began.
    RunStarted {
        /// The plan's hash.
        plan: String,
        /// Steps in it.
        steps: usize,
    },
    /// A run goes on.
    Resuming {
        /// Steps done already.
        done: usize,
        /// Steps that failed before and are tried again.
        failed: Vec<String>,
        /// Steps started whose end nobody recorded.
        unknown: Vec<String>,
    },
    /// An unknown step was looked at.
    Observed {
        /// Its id.
        step: String,
        /// Whether its object is there.
        present: bool,
    },
    /// A ready step has to wait. Told once a step.
    Waiting {
        /// Its id.
        step: String,
        /// For what.
        waits_for: WaitsFor,
    },
    /// A step began.
    StepStarted {
        /// Its id.
        step: String,
        /// Its address.
        address: Address,
        /// Its layer.
        layer: Layer,
    },
    /// An attempt failed; another follows.
    StepRetrying {
        /// Its id.
        step: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Until the next, milliseconds.
        delay_ms: u64,
        /// Why it failed.
        why: String,
    },
    /// A step is done.
    StepDone {
        /// Its id.
        step: String,
        /// How long it took, milliseconds.
        millis: u64,
    },
    /// A step was given up.
    StepFailed {
        /// Its id.
        step: String,
        /// Kind of failure.
        kind: ErrorKind,
        /// What failed and why.
        why: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A step was left; its end is unknown.
    StepLeft {
        /// Its id.
        step: String,
    },
    /// How far the run is.
    Progress {
        /// Steps done.
        done: usize,
        /// Steps failed.
        failed: usize,
        /// Steps under way.
        running: usize,
        /// Steps in the plan.
        total: usize,
    },
    /// The run was told to stop, or has to.
    Stopping {
        /// Steps it still waits for.
        running: usize,
        /// Why.
        why: String,
    },
    /// The run is over.
    RunFinished {
        /// Steps done.
        done: usize,
        /// Steps failed.
        failed: usize,
        /// Steps not run.
        not_run: usize,
    },
}

/// Where events go. Sending never waits; a listener that is gone is no matter.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<mpsc::UnboundedSender<Event>>);

impl Events {
    /// Events, and where to hear them.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// Tells one.
    pub fn tell(&self, event: Event) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(event);
        }
    }
}
