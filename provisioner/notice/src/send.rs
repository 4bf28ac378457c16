//! Sending a notice.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;

use crate::{Channel, Notice};

/// The longest that one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts, where another one may help.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes of a refusal that are read.
const ANSWER: usize = 4096;
/// Characters of a refusal that are shown.
const SHOWN: usize = 200;

/// Why a notice was not taken. Never holds an address, which may carry a token.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is no client.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
    /// Nobody answered.
    #[error("{channel} does not answer: {why}")]
    Unreachable {
        /// The channel.
        channel: &'static str,
        /// Why.
        why: String,
    },
    /// The channel refused it.
    #[error("{channel} answered {status}: {said}")]
    Refused {
        /// The channel.
        channel: &'static str,
        /// HTTP status.
        status: u16,
        /// What it said.
        said: String,
    },
}

/// Sends notices.
#[derive(Debug)]
pub struct Sender(Client);

impl Sender {
    /// A client that follows no redirect: what is sent goes where the environment says, or nowhere.
    ///
    /// # Errors
    /// When the system's TLS can't be used.
    pub fn new() -> Result<Self, SendError> {
        Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map(Self)
            .map_err(|error| SendError::Client(error.to_string()))
    }

    /// Sends it, again after a short while where the channel is busy or does not answer.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn send(&self, channel: &Channel, notice: &Notice) -> Result<(), SendError> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            match self.once(channel, notice).await {
                Err(error) if attempt < ATTEMPTS && error.may_pass() => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                sent => return sent,
            }
        }
    }

    async fn once(&self, channel: &Channel, notice: &Notice) -> Result<(), SendError> {
        let unreachable = |error: reqwest::Error| SendError::Unreachable {
            channel: channel.name(),
            why: causes(&error.without_url()),
        };
        let mut answer = self
            .0
            .post(channel.url().expose_secret())
            .json(&channel.body(notice))
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut said = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            said.extend_from_slice(&piece);
            if said.len() > ANSWER {
                break;
            }
        }
        Err(SendError::Refused {
            channel: channel.name(),
            status: status.as_u16(),
            said: String::from_utf8_lossy(&said)
                .chars()
                .filter(|c| !c.is_control())
                .take(SHOWN)
                .collect(),
        })
    }
}

impl SendError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Client(_) => false,
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
