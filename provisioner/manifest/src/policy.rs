//! How much findings weigh, and for which Kubernetes.

use std::collections::BTreeMap;

use crate::code::{Code, Severity};
use crate::rules::lifecycle::Version;

/// How much findings weigh, and for which Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The cluster's version; that of the schemas by default.
    pub kubernetes: Version,
    /// Severities other than the defaults.
    pub severities: BTreeMap<Code, Severity>,
}

impl Policy {
    /// How much a finding weighs here.
    pub fn severity(&self, code: Code) -> Severity {
        self.severities
            .get(&code)
            .copied()
            .unwrap_or_else(|| code.severity())
    }
}
