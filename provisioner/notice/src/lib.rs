//! Telling people what a run does: a webhook, Slack's incoming webhooks, PagerDuty's Events API v2.
//!
//! A [`Notice`] is data; [`Channel::body`] is what a channel is sent for it, and [`Sender::send`] sends it. Nothing here decides whether
//! something is sent: the environment does. Addresses carry tokens, so they are secrets and stand in no error.

mod send;

pub use send::{SendError, Sender};

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Characters of a summary that PagerDuty takes.
const SUMMARY: usize = 1024;
/// Characters of a text; Slack cuts at 40,000.
const TEXT: usize = 30_000;

/// Where in a run people are told.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Applying begins.
    Begun,
    /// The old generations are cut off.
    Contained,
    /// Everything is done and checked.
    Complete,
    /// It ended before that, and can be gone on with.
    Failed,
}

impl Stage {
    /// Every one, in order.
    pub const ALL: [Self; 4] = [Self::Begun, Self::Contained, Self::Complete, Self::Failed];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Contained => "contained",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The environment.
    pub environment: String,
    /// The generation.
    pub generation: String,
    /// The scenario.
    pub scenario: String,
    /// The run's id: notices of one run belong together.
    pub run: String,
    /// Where in the run.
    pub stage: Stage,
    /// When.
    pub at: Timestamp,
    /// In full, as the template gives it.
    pub text: String,
}

/// Where it goes.
#[derive(Clone, Debug)]
pub enum Channel {
    /// Any HTTP endpoint: a POST of JSON.
    Webhook {
        /// Its address.
        url: SecretString,
    },
    /// Slack (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
    Slack {
        /// Address of the incoming webhook.
        url: SecretString,
    },
    /// PagerDuty (<https://developer.pagerduty.com/docs/send-alert-event>).
    PagerDuty {
        /// Address of the Events API: [`PAGERDUTY`].
        url: SecretString,
        /// Integration key.
        routing_key: SecretString,
    },
}

/// The Events API v2 of PagerDuty.
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

impl Channel {
    /// As people call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "Slack",
            Self::PagerDuty { .. } => "PagerDuty",
        }
    }

    fn url(&self) -> &SecretString {
        match self {
            Self::Webhook { url } | Self::Slack { url } | Self::PagerDuty { url, .. } => url,
        }
    }

    /// What the channel is sent. PagerDuty's holds the integration key.
    pub fn body(&self, notice: &Notice) -> Value {
        let summary = notice.summary();
        match self {
            Self::Webhook { .. } => json!({
                "event": notice.stage, "environment": notice.environment, "generation": notice.generation,
                "scenario": notice.scenario, "run": notice.run, "at": notice.at, "summary": summary,
                "text": cut(&notice.text, TEXT),
            }),
            Self::Slack { .. } => {
                json!({ "text": format!("*{summary}*\n{}", cut(&escaped(&notice.text), TEXT)) })
            }
            Self::PagerDuty { routing_key, .. } => json!({
                "routing_key": routing_key.expose_secret(),
                "event_action": if notice.stage == Stage::Complete { "resolve" } else { "trigger" },
                // One alert for a run: what ends it resolves it.
                "dedup_key": format!("rebuild/{}/{}", notice.environment, notice.run),
                "payload": {
                    "summary": cut(&summary, SUMMARY),
                    "source": format!("rebuild {}", notice.environment),
                    "severity": if notice.stage == Stage::Failed { "critical" } else { "info" },
                    "timestamp": notice.at,
                    "component": notice.generation,
                    "class": notice.scenario,
                    "custom_details": { "text": cut(&notice.text, TEXT) },
                },
            }),
        }
    }
}

impl Notice {
    /// In one line.
    pub fn summary(&self) -> String {
        let what = match self.stage {
            Stage::Begun => "has begun",
            Stage::Contained => "has cut the old generations off",
            Stage::Complete => "is complete",
            Stage::Failed => "failed; it can be gone on with",
        };
        format!(
            "{}: {} of generation {} {what}",
            self.environment, self.scenario, self.generation
        )
    }
}

/// Slack reads `&`, `<` and `>` as its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn cut(text: &str, most: usize) -> &str {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}
