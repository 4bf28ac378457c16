//! What can be closed, and who can close it.

use async_trait::async_trait;
use executor::provider::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether something is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It still lets somebody in or out.
    Open,
    /// It was closed before.
    Closed,
}

/// One thing that lets somebody in or out, or works on the environment's behalf.
///
/// No field holds a secret value: items are printed and written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// The same for the same thing in every run: `iam.access-key/USER/AKIA…`.
    pub id: String,
    /// What it is, for people: `access key AKIA… of the user deployer`.
    pub what: String,
    /// What closing does: `deactivate`.
    pub action: String,
    /// Lower is closed earlier; equal ones at once.
    pub wave: u8,
    /// Whether it is open.
    pub state: State,
    /// What was found, as far as taking the closing back needs it.
    pub before: Value,
    /// How the closing is taken back: a command, or why it can't be.
    pub undo: String,
}

/// What a place has to close.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Everything found, closed things too.
    pub items: Vec<Item>,
    /// What could not be looked at. What could is closed all the same.
    pub unread: Vec<Error>,
}

/// A place that can be closed.
///
/// # Guarantees asked of an implementation
/// `survey` changes nothing. `close` is idempotent: an item that is closed or gone is closed again without an error. Neither touches what is
/// not the environment's: what carries its marks, what is inside of something that does, or what the environment lists by name.
#[async_trait]
pub trait Barrier: Send + Sync {
    /// What the place is called: `iam`.
    fn name(&self) -> &'static str;

    /// Everything of the environment that lets somebody in or out.
    async fn survey(&self) -> Result<Survey, Error>;

    /// Closes one item of the survey.
    async fn close(&self, item: &Item) -> Result<(), Error>;
}
