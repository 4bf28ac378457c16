//! How much findings weigh, and for which Kubernetes.

use std::collections::BTreeMap;

use crate::code::{Code, Severity};
use crate::rules::lifecycle::Version;
use crate::schema::VERSION as SCHEMA_VERSION;

/// How much findings weigh, and for which Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The cluster's version; that of the schemas by default.
    pub kubernetes: Version,
    /// Severities other than the defaults.
    pub severities: BTreeMap<Code, Severity>,
}

impl Policy {
    /// How much a finding weighs here. A cluster that is newer than the schemas may know what they don't, so that nothing unknown is more
    /// than a warning for it.
    pub fn severity(&self, code: Code) -> Severity {
        let may_be_newer = self.kubernetes > SCHEMA_VERSION
            && matches!(
                code,
                Code::UnknownKind | Code::UnknownField | Code::UnknownValue
            );
        let usual = if may_be_newer {
            code.severity().min(Severity::Warning)
        } else {
            code.severity()
        };
        self.severities.get(&code).copied().unwrap_or(usual)
    }
}
