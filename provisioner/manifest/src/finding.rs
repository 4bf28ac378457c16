//! A remark on one object.

use std::collections::HashMap;
use std::fmt;

use crate::code::{Code, Severity};
use crate::object::Object;
use crate::policy::Policy;
use crate::text::quoted;

/// Findings of one code told of one object.
const MOST: usize = 50;

/// What is found about one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object's place in what was checked.
    pub index: usize,
    /// What was found.
    pub code: Code,
    /// The field, as `spec.template.spec.containers[0].image`; empty for the whole object.
    pub path: String,
    /// The container it is about.
    pub container: Option<String>,
    /// How much it weighs here.
    pub severity: Severity,
    /// The object.
    pub object: ObjectId,
    /// What is the matter, in one sentence. Never the value of a secret.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Nothing for a cluster-scoped object.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// `Deployment/NAMESPACE/NAME`.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "/{namespace}")?;
        }
        write!(f, "/{}", self.name)
    }
}

/// `MESSAGE (PATH)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.path.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.path)
    }
}

/// Where a finding is.
#[derive(Default)]
pub(crate) struct Spot<'a> {
    pub path: String,
    pub container: Option<&'a str>,
}

impl Spot<'_> {
    pub(crate) fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            container: None,
        }
    }
}

/// The findings so far.
pub(crate) struct Findings<'a> {
    policy: &'a Policy,
    found: Vec<Finding>,
    told: HashMap<(usize, Code), usize>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            found: Vec::new(),
            told: HashMap::new(),
        }
    }

    /// A finding with the hint of its code.
    pub(crate) fn add(&mut self, object: &Object<'_>, code: Code, spot: Spot<'_>, message: String) {
        self.advise(object, code, spot, message, code.hint().to_owned());
    }

    /// A finding with a hint of its own.
    pub(crate) fn advise(
        &mut self,
        object: &Object<'_>,
        code: Code,
        spot: Spot<'_>,
        message: String,
        hint: String,
    ) {
        let told = self.told.entry((object.index, code)).or_default();
        *told += 1;
        if *told > MOST {
            return;
        }
        self.found.push(Finding {
            index: object.index,
            code,
            path: spot.path,
            container: spot.container.map(quoted),
            severity: self.policy.severity(code),
            object: ObjectId {
                api_version: quoted(object.api_version),
                kind: quoted(object.kind),
                namespace: object.namespace.map(quoted),
                name: quoted(object.name),
            },
            message,
            hint,
        });
    }

    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.found.sort();
        self.found
    }
}
