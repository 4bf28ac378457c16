//! What identifies an object: group, version, kind, name and namespace.

use std::fmt;

use crate::schema::Schema;

/// Group, version and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl Gvk {
    pub(crate) fn new(api_version: &str, kind: &str) -> Gvk {
        let (group, version) = split_api_version(api_version);
        Gvk {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether every part `selector` names is the same here.
    pub(crate) fn is_selected(&self, selector: &Gvk) -> bool {
        (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
            && (selector.kind.is_empty() || selector.kind == self.kind)
    }

    /// The order in which configurations are kept.
    pub(crate) fn sort_key(&self) -> (i32, String) {
        (
            crate::transform::sort::default_rank(&self.kind),
            self.legacy_text(),
        )
    }

    pub(crate) fn legacy_text(&self) -> String {
        let or = |text: &str, none: &str| {
            if text.is_empty() {
                none.to_owned()
            } else {
                text.to_owned()
            }
        };
        format!(
            "{}_{}_{}",
            or(&self.group, "~G"),
            or(&self.version, "~V"),
            or(&self.kind, "~K")
        )
    }
}

/// `group/version` or `version`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, none: &'static str| {
            if text.is_empty() {
                none.to_owned()
            } else {
                text.to_owned()
            }
        };
        write!(
            f,
            "{}.{}.{}",
            or(&self.kind, "[noKind]"),
            or(&self.version, "[noVer]"),
            or(&self.group, "[noGrp]")
        )
    }
}

/// The identity of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ResId {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// The namespace that objects outside all namespaces count as being in.
const CLUSTER: &str = "_non_namespaceable_";

impl ResId {
    /// The namespace for comparing: an unset one is `default`, and cluster-scoped kinds share one of their own.
    pub(crate) fn effective_namespace(&self, schema: &Schema) -> &str {
        if self.is_cluster_scoped(schema) {
            CLUSTER
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    pub(crate) fn is_cluster_scoped(&self, schema: &Schema) -> bool {
        schema.is_cluster_scoped(&self.gvk)
    }

    /// Same kind and name in the same effective namespace.
    pub(crate) fn same(&self, other: &ResId, schema: &Schema) -> bool {
        self.same_but_namespace(other)
            && self.effective_namespace(schema) == other.effective_namespace(schema)
    }

    pub(crate) fn same_but_namespace(&self, other: &ResId) -> bool {
        self.name == other.name && self.gvk == other.gvk
    }

    /// A key under which objects with the same identity meet.
    pub(crate) fn key(&self, schema: &Schema) -> ResId {
        ResId {
            gvk: self.gvk.clone(),
            name: self.name.clone(),
            namespace: self.effective_namespace(schema).to_owned(),
        }
    }

    /// Whether every part that `selector` names is the same here.
    pub(crate) fn is_selected_by(&self, selector: &ResId, schema: &Schema) -> bool {
        (selector.name.is_empty() || selector.name == self.name)
            && (selector.namespace.is_empty()
                || selector.effective_namespace(schema) == self.effective_namespace(schema))
            && self.gvk.is_selected(&selector.gvk)
    }

    pub(crate) fn is_blank(&self) -> bool {
        *self == ResId::default()
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() {
            "[noName]"
        } else {
            &self.name
        };
        let namespace = if self.namespace.is_empty() {
            "[noNs]"
        } else {
            &self.namespace
        };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}
