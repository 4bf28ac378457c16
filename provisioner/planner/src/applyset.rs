//! The inventory of what a generation has in a cluster, as an ApplySet (KEP-3659, "ApplySet Specification").
//!
//! A set has a parent object, which is applied before its members and says of which kinds and in which namespaces they are. Each member
//! carries the set's id as a label. Only what the inventory proves to be a member is ever pruned, and other tools that know ApplySets can
//! tell what belongs together.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::address::{Address, AddressError};
use crate::observed::Observed;
use crate::resource::Resource;

/// Label of the parent: the set's id.
pub const ID: &str = "applyset.kubernetes.io/id";
/// Label of a member: the id of its set.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Annotation of the parent: which tool keeps the set, `NAME/VERSION`. Others leave it alone.
pub const TOOLING: &str = "applyset.kubernetes.io/tooling";
/// Annotation of the parent: the members' kinds, `KIND.GROUP`, sorted, with commas. A superset while something is pruned.
pub const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";
/// Annotation of the parent: the members' namespaces besides its own, sorted, with commas.
pub const NAMESPACES: &str = "applyset.kubernetes.io/additional-namespaces";

/// Name of the parent, a ConfigMap in the generation's namespace.
const NAME: &str = "rebuild-inventory";
const KIND: &str = "ConfigMap";
/// How the tooling annotation begins.
const TOOL: &str = "rebuild/";
/// Kinds that are read from an annotation at most: who can write it must not make us ask without end.
const MOST_KINDS: usize = 256;

/// Annotations, with their values, of an object that is not to be pruned: our own, and those of cli-utils and of what stands on it
/// (`cli-utils.sigs.k8s.io/on-remove`, `client.lifecycle.config.k8s.io/deletion`).
const KEEP: &[(&str, &str)] = &[
    ("rebuild.dev/prune", "keep"),
    ("cli-utils.sigs.k8s.io/on-remove", "keep"),
    ("client.lifecycle.config.k8s.io/deletion", "detach"),
];

/// Why resources don't make a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The namespace makes no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An object belongs to another set already.
    #[error("`{address}` is part of another ApplySet already: its label `{PART_OF}` says `{set}`")]
    Taken {
        /// The object.
        address: Address,
        /// The set its label names.
        set: String,
    },
}

/// The id of the set whose parent is this object: `applyset-HASH-v1`, where the hash is the SHA-256 of `NAME.NAMESPACE.KIND.GROUP` in
/// unpadded URL-safe Base64. It fits a label.
pub fn id(name: &str, namespace: &str, kind: &str, group: &str) -> String {
    let hash = Sha256::digest(format!("{name}.{namespace}.{kind}.{group}"));
    format!("applyset-{}-v1", URL_SAFE_NO_PAD.encode(hash))
}

/// Makes the Kubernetes objects among the resources a set whose parent stands in `namespace`: adds the parent, and labels every member.
/// The namespace itself is no member, as it holds the parent.
///
/// # Errors
/// When an object belongs to another set.
pub fn form(resources: &mut Vec<Resource>, namespace: &str, version: &str) -> Result<(), SetError> {
    let parent = Address::new("kubernetes", KIND, &format!("{namespace}/{NAME}"))?;
    let set = id(NAME, namespace, KIND, "");
    let members = resources.iter_mut().filter(|resource| {
        let address = &resource.address;
        address.provider() == "kubernetes"
            && *address != parent
            && !(address.kind() == "Namespace" && address.name() == namespace)
    });
    let mut lists = Lists::default();
    for member in members {
        lists.add(&member.address, namespace);
        let Some(labels) = labels_of(&mut member.spec) else {
            // What is wrong with it is told where its form is checked.
            continue;
        };
        match labels.get(PART_OF).and_then(Value::as_str) {
            Some(other) if other != set => {
                return Err(SetError::Taken {
                    address: member.address.clone(),
                    set: other.to_owned(),
                });
            }
            _ => labels.insert(PART_OF.to_owned(), json!(set)),
        };
    }
    let object = json!({
        "apiVersion": "v1",
        "kind": KIND,
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {ID: set},
            "annotations": {TOOLING: format!("{TOOL}v{version}")},
        },
    });
    let mut spec = json!({ "object": object });
    lists.write(&mut spec);
    resources.push(Resource {
        address: parent,
        spec,
        depends_on: BTreeSet::new(),
        origin: None,
    });
    Ok(())
}

/// Whether a parent has this address: it is applied first and deleted last.
pub(crate) fn is_parent(address: &Address) -> bool {
    address.kind() == KIND
        && address
            .name()
            .split_once('/')
            .is_some_and(|(_, name)| name == NAME)
}

/// The kinds that an observed parent lists, as `GROUP/KIND` or `KIND`; none for any other object.
pub fn kinds(observed: &Observed) -> Vec<String> {
    Set::of(observed).map_or_else(Vec::new, |set| {
        let kinds = set.lists.kinds.iter();
        kinds
            .map(|kind| match kind.split_once('.') {
                Some((kind, group)) => format!("{group}/{kind}"),
                None => kind.clone(),
            })
            .collect()
    })
}

/// Whether an object asks not to be pruned: the annotation that says so.
pub(crate) fn kept_by(observed: &Observed) -> Option<&'static str> {
    let annotations = observed
        .spec
        .get("object")?
        .get("metadata")?
        .get("annotations")?;
    KEEP.iter()
        .find(|(name, value)| annotations.get(*name).and_then(Value::as_str) == Some(value))
        .map(|(name, _)| *name)
}

/// What a parent lists, of wanted or of observed objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lists {
    kinds: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Lists {
    fn add(&mut self, address: &Address, own: &str) {
        self.kinds.insert(match address.kind().split_once('/') {
            Some((group, kind)) => format!("{kind}.{group}"),
            None => address.kind().to_owned(),
        });
        if let Some((namespace, _)) = address.name().split_once('/')
            && namespace != own
        {
            self.namespaces.insert(namespace.to_owned());
        }
    }

    fn read(object: &Value) -> Self {
        let list = |name: &str| {
            let text = object.get("metadata")?.get("annotations")?.get(name)?;
            let parts = text.as_str()?.split(',').filter(|part| !part.is_empty());
            Some(parts.take(MOST_KINDS).map(str::to_owned).collect())
        };
        Self {
            kinds: list(GROUP_KINDS).unwrap_or_default(),
            namespaces: list(NAMESPACES).unwrap_or_default(),
        }
    }

    fn write(&self, spec: &mut Value) {
        let annotations = spec
            .pointer_mut("/object/metadata/annotations")
            .and_then(Value::as_object_mut);
        let Some(annotations) = annotations else {
            return;
        };
        let text = |list: &BTreeSet<String>| {
            let parts: Vec<&str> = list.iter().map(String::as_str).collect();
            json!(parts.join(","))
        };
        annotations.insert(GROUP_KINDS.to_owned(), text(&self.kinds));
        if self.namespaces.is_empty() {
            annotations.remove(NAMESPACES);
        } else {
            annotations.insert(NAMESPACES.to_owned(), text(&self.namespaces));
        }
    }
}

/// A set as its parent in the cluster proves it.
pub(crate) struct Set {
    /// Kept by us. Of a set that another tool has taken over nothing is ours to prune.
    ours: bool,
    id: String,
    namespace: String,
    lists: Lists,
}

impl Set {
    /// The set of an observed parent; `None` for another object, and for one whose id is not that of its name.
    fn of(observed: &Observed) -> Option<Self> {
        let (namespace, name) = observed.address.name().split_once('/')?;
        let object = observed.spec.get("object")?;
        let id = id(name, namespace, KIND, "");
        let tooling = object
            .pointer("/metadata/annotations")?
            .get(TOOLING)?
            .as_str()?;
        (is_parent(&observed.address) && label(observed, ID) == Some(id.as_str())).then(|| Self {
            ours: tooling.starts_with(TOOL),
            id,
            namespace: namespace.to_owned(),
            lists: Lists::read(object),
        })
    }

    /// The sets of a generation: one, unless its namespace was changed.
    pub(crate) fn all(ours: &BTreeMap<&Address, Vec<&Observed>>) -> Vec<Self> {
        let objects = ours.values().flatten();
        objects.filter_map(|observed| Self::of(observed)).collect()
    }

    /// Whether an object is the parent, or one of the members it proves: labelled, of a kind and in a namespace that it lists.
    pub(crate) fn proves(&self, observed: &Observed) -> bool {
        if !self.ours {
            return false;
        }
        if Self::of(observed).is_some_and(|other| other.id == self.id) {
            return true;
        }
        let mut own = Lists::default();
        own.add(&observed.address, &self.namespace);
        label(observed, PART_OF) == Some(self.id.as_str())
            && own.kinds.is_subset(&self.lists.kinds)
            && own.namespaces.is_subset(&self.lists.namespaces)
    }
}

/// The spec of a wanted parent that lists these members too, as far as they are of its set.
pub(crate) fn with_members<'a>(
    parent: &Resource,
    members: impl Iterator<Item = &'a Observed>,
) -> Value {
    let mut spec = parent.spec.clone();
    let Some((namespace, name)) = parent.address.name().split_once('/') else {
        return spec;
    };
    let set = id(name, namespace, KIND, "");
    let mut lists = Lists::read(spec.get("object").unwrap_or(&Value::Null));
    for member in members.filter(|observed| label(observed, PART_OF) == Some(set.as_str())) {
        lists.add(&member.address, namespace);
    }
    lists.write(&mut spec);
    spec
}

fn label<'a>(observed: &'a Observed, name: &str) -> Option<&'a str> {
    let metadata = observed.spec.get("object")?.get("metadata")?;
    metadata.get("labels")?.get(name)?.as_str()
}

fn labels_of(spec: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = spec.pointer_mut("/object/metadata")?.as_object_mut()?;
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    labels.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(address: &str, metadata: Value) -> Resource {
        Resource {
            address: address.parse().unwrap(),
            spec: json!({"object": {"metadata": metadata}}),
            depends_on: BTreeSet::new(),
            origin: None,
        }
    }

    fn observed(address: &str, metadata: Value) -> Observed {
        Observed {
            address: address.parse().unwrap(),
            generation: "20261124-7f3a".parse().unwrap(),
            id: "uid".to_owned(),
            spec: json!({"object": {"metadata": metadata}}),
            outputs: Default::default(),
            digest: None,
            ready: true,
            marks: BTreeMap::new(),
        }
    }

    #[test]
    fn ids() {
        for (name, namespace, kind, group, wanted) in [
            // The example of the Kubernetes documentation, "Well-Known Labels, Annotations and Taints".
            (
                "my-set",
                "test",
                "Secret",
                "",
                "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1",
            ),
            (
                "rebuild-inventory",
                "natlangchain",
                "ConfigMap",
                "",
                "applyset-JF0d5FoBsQ6eHT3eH2Bqakj74syF9O57SrdK0EezzLY-v1",
            ),
            (
                "a",
                "",
                "Set",
                "example.com",
                "applyset-g_4yq2fGfmKvRE3jLjKD92xI-h1NYDNZ0SzAROBmIaM-v1",
            ),
        ] {
            let found = id(name, namespace, kind, group);
            assert_eq!(found, wanted);
            assert!(found.len() <= 63);
        }
    }

    #[test]
    fn a_set_has_a_parent_and_labelled_members() {
        let set = id(NAME, "demo", KIND, "");
        let mut resources = vec![
            object("kubernetes.Namespace.demo", json!({"name": "demo"})),
            object(
                "kubernetes.apps/Deployment.demo/api",
                json!({"labels": {"a": "b"}}),
            ),
            object("kubernetes.Secret.demo/api", json!({"labels": null})),
            object("kubernetes.ConfigMap.other/b", json!({})),
            object(
                "kubernetes.ConfigMap.demo/a",
                json!({"labels": {PART_OF: set}}),
            ),
            object(
                "kubernetes.rbac.authorization.k8s.io/ClusterRole.demo",
                json!({}),
            ),
            object("ec2.vpc.main", json!({})),
        ];
        form(&mut resources, "demo", "1.2.3").unwrap();
        let labelled: Vec<(String, bool)> = resources
            .iter()
            .map(|resource| {
                let label = &resource.spec["object"]["metadata"]["labels"][PART_OF];
                (resource.address.to_string(), *label == json!(set))
            })
            .collect();
        let labelled: Vec<(&str, bool)> = labelled
            .iter()
            .map(|(name, is)| (name.as_str(), *is))
            .collect();
        assert_eq!(
            labelled,
            [
                ("kubernetes.Namespace.demo", false),
                ("kubernetes.apps/Deployment.demo/api", true),
                ("kubernetes.Secret.demo/api", true),
                ("kubernetes.ConfigMap.other/b", true),
                ("kubernetes.ConfigMap.demo/a", true),
                (
                    "kubernetes.rbac.authorization.k8s.io/ClusterRole.demo",
                    true
                ),
                ("ec2.vpc.main", false),
                ("kubernetes.ConfigMap.demo/rebuild-inventory", false),
            ]
        );
        assert_eq!(
            resources.last().unwrap().spec["object"]["metadata"],
            json!({
                "name": "rebuild-inventory", "namespace": "demo", "labels": {ID: set},
                "annotations": {
                    TOOLING: "rebuild/v1.2.3",
                    GROUP_KINDS: "ClusterRole.rbac.authorization.k8s.io,ConfigMap,Deployment.apps,Secret",
                    NAMESPACES: "other",
                },
            })
        );
        let mut taken = vec![object(
            "kubernetes.ConfigMap.demo/a",
            json!({"labels": {PART_OF: "applyset-x-v1"}}),
        )];
        let error = form(&mut taken, "demo", "1.2.3").unwrap_err();
        assert!(error.to_string().contains("applyset-x-v1"), "{error}");
    }

    #[test]
    fn what_a_parent_proves() {
        let set = id(NAME, "demo", KIND, "");
        let part = json!({"labels": {PART_OF: set}});
        let parent = |set: &str| {
            observed(
                "kubernetes.ConfigMap.demo/rebuild-inventory",
                json!({"labels": {ID: set}, "annotations": {
                    TOOLING: "rebuild/v0.1.0", GROUP_KINDS: "ConfigMap,Deployment.apps,", NAMESPACES: "other",
                }}),
            )
        };
        let whole = parent(&set);
        assert_eq!(kinds(&whole), ["ConfigMap", "apps/Deployment"]);
        let proved = Set::of(&whole).unwrap();
        for (address, metadata, wanted) in [
            ("kubernetes.ConfigMap.demo/a", part.clone(), true),
            ("kubernetes.apps/Deployment.other/a", part.clone(), true),
            ("kubernetes.ConfigMap.demo/a", json!({}), false),
            (
                "kubernetes.ConfigMap.demo/a",
                json!({"labels": {PART_OF: "x"}}),
                false,
            ),
            ("kubernetes.Secret.demo/a", part.clone(), false),
            ("kubernetes.ConfigMap.third/a", part.clone(), false),
        ] {
            assert_eq!(
                proved.proves(&observed(address, metadata)),
                wanted,
                "{address}"
            );
        }
        assert!(proved.proves(&whole));
        assert!(Set::of(&parent("applyset-x-v1")).is_none());
        assert_eq!(kinds(&parent("applyset-x-v1")), [""; 0]);
        assert!(
            Set::of(&observed(
                "kubernetes.ConfigMap.demo/a",
                json!({"labels": {ID: set}})
            ))
            .is_none()
        );
        let endless: Vec<String> = (0..MOST_KINDS * 2).map(|at| format!("K{at}")).collect();
        let endless = json!({"labels": {ID: set}, "annotations": {TOOLING: "kubectl/v1.37.2", GROUP_KINDS: endless.join(",")}});
        let endless = observed("kubernetes.ConfigMap.demo/rebuild-inventory", endless);
        assert_eq!(kinds(&endless).len(), MOST_KINDS);
        assert!(
            !Set::of(&endless).unwrap().proves(&endless),
            "another tool's"
        );
    }

    #[test]
    fn what_asks_to_be_kept() {
        for (name, value, wanted) in [
            ("rebuild.dev/prune", "keep", true),
            ("cli-utils.sigs.k8s.io/on-remove", "keep", true),
            ("client.lifecycle.config.k8s.io/deletion", "detach", true),
            ("rebuild.dev/prune", "detach", false),
            ("example.com/prune", "keep", false),
        ] {
            let object = observed(
                "kubernetes.ConfigMap.demo/a",
                json!({"annotations": {name: value}}),
            );
            assert_eq!(kept_by(&object), wanted.then_some(name), "{name}: {value}");
        }
    }
}
