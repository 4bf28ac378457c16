//! What a plan is made for.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::Generation;

/// What a plan is made for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Building or mending a generation.
    #[default]
    FullLoss,
    /// Building a generation that owes nothing to the ones before it, which are cut off.
    Breach,
    /// Bringing lost data back into a generation that stands.
    DataLoss,
    /// Bringing a database back.
    Database,
    /// Replacing a failed pod or node.
    Node,
    /// Leading users to a generation that stands.
    CutOver,
    /// Removing a generation.
    Destroy,
}

impl Scenario {
    /// Every one, in the order of the list that people read.
    pub const ALL: [Self; 7] = [
        Self::FullLoss,
        Self::Breach,
        Self::DataLoss,
        Self::Database,
        Self::Node,
        Self::CutOver,
        Self::Destroy,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullLoss => "full-loss",
            Self::Breach => "breach",
            Self::DataLoss => "data-loss",
            Self::Database => "database",
            Self::Node => "node",
            Self::CutOver => "cut-over",
            Self::Destroy => "destroy",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scenario has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scenario `{0}`")]
pub struct UnknownScenario(String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, UnknownScenario> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text)
            .ok_or_else(|| UnknownScenario(text.chars().take(60).collect()))
    }
}

/// What is known of a breach when the plan is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// When it began, or was noticed.
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// For how long before that somebody may have been there unnoticed, seconds.
    pub dwell_seconds: u64,
    /// The generations that are not trusted any more, oldest first; the plan's own is none of them.
    pub generations: Vec<Generation>,
}
