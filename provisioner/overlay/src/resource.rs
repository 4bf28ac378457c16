//! An object on its way through the transformers: its tree, and what is remembered of it.
//!
//! Former names, prefixes and the like are kept as annotations of the object itself, as kustomize keeps them,
//! because patches can see and remove them. They are taken out at the end.

use std::collections::BTreeMap;

use crate::id::{Gvk, ResId};
use crate::schema::Schema;
use crate::yaml::node::Data;
use crate::yaml::{Entry, Node, Style, Tag};

/// Annotations that are taken out at the end.
pub(crate) mod annotation {
    pub(crate) const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
    pub(crate) const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
    pub(crate) const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
    pub(crate) const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
    pub(crate) const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
    pub(crate) const ALLOW_NAME_CHANGE: &str = "internal.config.kubernetes.io/allowNameChange";
    pub(crate) const ALLOW_KIND_CHANGE: &str = "internal.config.kubernetes.io/allowKindChange";
    pub(crate) const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
    pub(crate) const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";
    pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
    pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
    pub(crate) const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";
    pub(crate) const HELM_GENERATED: &str = "internal.config.kubernetes.io/helm-generated";

    /// Everything that is only there while rendering.
    pub(crate) const BUILD: [&str; 19] = [
        PREVIOUS_KINDS,
        PREVIOUS_NAMES,
        PREFIXES,
        SUFFIXES,
        PREVIOUS_NAMESPACES,
        ALLOW_NAME_CHANGE,
        ALLOW_KIND_CHANGE,
        "internal.config.kubernetes.io/refBy",
        BEHAVIOR,
        NEEDS_HASH,
        "internal.config.kubernetes.io/path",
        "internal.config.kubernetes.io/index",
        "internal.config.kubernetes.io/seqindent",
        "internal.config.kubernetes.io/id",
        "internal.config.kubernetes.io/annotations-migration-resource-id",
        "config.kubernetes.io/path",
        "config.kubernetes.io/index",
        "config.k8s.io/id",
        HELM_GENERATED,
    ];
}

/// What a generated object does to one of the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behavior {
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    pub(crate) fn from_text(text: &str) -> Behavior {
        match text {
            "replace" => Behavior::Replace,
            "merge" => Behavior::Merge,
            "create" => Behavior::Create,
            _ => Behavior::Unspecified,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Behavior::Replace => "replace",
            Behavior::Merge => "merge",
            Behavior::Create => "create",
            Behavior::Unspecified => "unspecified",
        }
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) node: Node,
    /// The variables that take their value from here.
    pub(crate) vars: Vec<String>,
}

impl Resource {
    pub(crate) fn new(node: Node) -> Resource {
        Resource {
            node,
            vars: Vec::new(),
        }
    }

    /// Nothing left, as after a patch that deletes.
    pub(crate) fn is_empty(&self) -> bool {
        self.node.is_empty()
    }

    pub(crate) fn kind(&self) -> &str {
        self.node.get("kind").map_or("", Node::text)
    }

    pub(crate) fn api_version(&self) -> &str {
        self.node.get("apiVersion").map_or("", Node::text)
    }

    pub(crate) fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    fn metadata(&self) -> Option<&Node> {
        self.node.get("metadata").filter(|m| !m.is_empty())
    }

    fn meta_text(&self, field: &str) -> &str {
        self.metadata()
            .and_then(|m| m.get(field))
            .filter(|v| !v.is_empty())
            .map_or("", Node::text)
    }

    pub(crate) fn name(&self) -> &str {
        self.meta_text("name")
    }

    /// Whether it has, or may have had, this name.
    pub(crate) fn may_be_named(&self, name: &str) -> bool {
        self.name() == name
            || self
                .annotation(annotation::PREVIOUS_NAMES)
                .is_some_and(|names| names.split(',').any(|former| former == name))
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta_text("namespace")
    }

    pub(crate) fn current_id(&self) -> ResId {
        ResId {
            gvk: self.gvk(),
            name: self.name().to_owned(),
            namespace: self.namespace().to_owned(),
        }
    }

    /// The identities it had, oldest first.
    pub(crate) fn previous_ids(&self) -> Vec<ResId> {
        let part = |name: &str| {
            self.annotation(name)
                .unwrap_or_default()
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        if self.annotation(annotation::PREVIOUS_NAMES).is_none() {
            return Vec::new();
        }
        let names = part(annotation::PREVIOUS_NAMES);
        let namespaces = part(annotation::PREVIOUS_NAMESPACES);
        let kinds = part(annotation::PREVIOUS_KINDS);
        let api_version = self.api_version();
        names
            .into_iter()
            .zip(namespaces)
            .zip(kinds)
            .map(|((name, namespace), kind)| ResId {
                gvk: Gvk::new(api_version, &kind),
                name,
                namespace,
            })
            .collect()
    }

    /// The identity it was read with.
    pub(crate) fn original_id(&self) -> ResId {
        self.previous_ids()
            .into_iter()
            .next()
            .unwrap_or_else(|| self.current_id())
    }

    /// Remembers the identity it has now.
    pub(crate) fn store_previous_id(&mut self, schema: &Schema) {
        let id = self.current_id();
        self.append_annotation(annotation::PREVIOUS_NAMES, &id.name);
        self.append_annotation(
            annotation::PREVIOUS_NAMESPACES,
            id.effective_namespace(schema),
        );
        self.append_annotation(annotation::PREVIOUS_KINDS, &id.gvk.kind);
    }

    /// The text of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata()?
            .get("annotations")?
            .get(key)
            .map(Node::text)
    }

    fn meta_map(&self, field: &str) -> BTreeMap<String, String> {
        let Some(map) = self.metadata().and_then(|m| m.get(field)) else {
            return BTreeMap::new();
        };
        // A list that stands where the mapping should counts as keys and values in turn.
        let listed = map.items().chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
        map.entries()
            .iter()
            .map(|e| (&e.key, &e.value))
            .chain(listed)
            .map(|(key, value)| (key.text().to_owned(), value.text().to_owned()))
            .collect()
    }

    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.meta_map("annotations")
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.meta_map("labels")
    }

    /// Replaces all annotations; all become strings, and none at all removes the field.
    pub(crate) fn set_annotations(&mut self, map: &BTreeMap<String, String>) {
        self.set_meta_map("annotations", map);
    }

    pub(crate) fn set_labels(&mut self, map: &BTreeMap<String, String>) {
        self.set_meta_map("labels", map);
    }

    fn metadata_mut(&mut self) -> Option<&mut Node> {
        self.node.get_or_create("metadata", Node::empty_map)
    }

    fn set_meta_map(&mut self, field: &str, map: &BTreeMap<String, String>) {
        let Some(metadata) = self.metadata_mut() else {
            return;
        };
        metadata.remove(field);
        if map.is_empty() {
            return;
        }
        // A field that was said twice is still there, and takes what the first had.
        if metadata.get(field).is_none_or(|rest| !rest.is_map())
            && let Data::Map(entries) = &mut metadata.data
        {
            entries.push(Entry {
                key: Node::scalar(field),
                value: Node::empty_map(),
            });
        }
        let Some(node) = metadata.get_mut(field).filter(|node| node.is_map()) else {
            return;
        };
        for (key, value) in map {
            node.set(key, Some(Node::string(value)));
        }
    }

    fn append_annotation(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let text = match self.annotation(name) {
            Some(current) => format!("{current},{value}"),
            None => value.to_owned(),
        };
        self.set_annotation(name, &text);
    }

    pub(crate) fn set_annotation(&mut self, key: &str, value: &str) {
        let mut text = Node::string(value);
        text.style = Style::Single;
        let Some(metadata) = self.metadata_mut() else {
            return;
        };
        if metadata.get("annotations").is_some_and(Node::is_empty) {
            metadata.remove("annotations");
        }
        if let Some(annotations) = metadata.get_or_create("annotations", Node::empty_map) {
            annotations.set(key, Some(text));
        }
    }

    pub(crate) fn set_label(&mut self, key: &str, value: &str) {
        let mut text = Node::string(value);
        text.style = Style::Single;
        if let Some(labels) = self
            .metadata_mut()
            .and_then(|m| m.get_or_create("labels", Node::empty_map))
        {
            labels.set(key, Some(text));
        }
    }

    fn csv(&self, name: &str) -> Vec<&str> {
        self.annotation(name)
            .map(|text| text.split(',').collect())
            .unwrap_or_default()
    }

    pub(crate) fn add_prefix(&mut self, prefix: &str) {
        self.append_annotation(annotation::PREFIXES, prefix);
    }

    pub(crate) fn add_suffix(&mut self, suffix: &str) {
        self.append_annotation(annotation::SUFFIXES, suffix);
    }

    pub(crate) fn prefixes(&self) -> Vec<&str> {
        self.csv(annotation::PREFIXES)
    }

    pub(crate) fn suffixes(&self) -> Vec<&str> {
        self.csv(annotation::SUFFIXES)
    }

    fn is_enabled(&self, name: &str) -> bool {
        self.annotation(name) == Some("enabled")
    }

    fn enable(&mut self, name: &str) {
        self.put_annotation(name, "enabled");
    }

    /// Sets one annotation by rewriting all of them.
    pub(crate) fn put_annotation(&mut self, name: &str, value: &str) {
        let mut annotations = self.annotations();
        annotations.insert(name.to_owned(), value.to_owned());
        self.set_annotations(&annotations);
    }

    pub(crate) fn needs_hash(&self) -> bool {
        self.is_enabled(annotation::NEEDS_HASH)
    }

    pub(crate) fn enable_hash(&mut self) {
        self.enable(annotation::NEEDS_HASH);
    }

    pub(crate) fn behavior(&self) -> Behavior {
        Behavior::from_text(self.annotation(annotation::BEHAVIOR).unwrap_or_default())
    }

    pub(crate) fn set_behavior(&mut self, behavior: Behavior) {
        self.put_annotation(annotation::BEHAVIOR, behavior.as_str());
    }

    pub(crate) fn allow_name_change(&mut self) {
        self.enable(annotation::ALLOW_NAME_CHANGE);
    }

    pub(crate) fn name_change_allowed(&self) -> bool {
        self.is_enabled(annotation::ALLOW_NAME_CHANGE)
    }

    pub(crate) fn allow_kind_change(&mut self) {
        self.enable(annotation::ALLOW_KIND_CHANGE);
    }

    pub(crate) fn kind_change_allowed(&self) -> bool {
        self.is_enabled(annotation::ALLOW_KIND_CHANGE)
    }

    pub(crate) fn set_kind(&mut self, kind: &str) {
        self.node.set("kind", Some(Node::scalar(kind)));
    }

    pub(crate) fn set_gvk(&mut self, gvk: &Gvk) {
        self.set_kind(&gvk.kind);
        self.node
            .set("apiVersion", Some(Node::scalar(gvk.api_version())));
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        if let Some(metadata) = self.metadata_mut() {
            metadata.set("name", Some(Node::scalar(name)));
        }
    }

    /// An empty namespace removes the field.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata") {
                metadata.remove("namespace");
            }
        } else if let Some(metadata) = self.metadata_mut() {
            metadata.set("namespace", Some(Node::scalar(namespace)));
        }
    }

    /// Takes over the identity and metadata of `other`, as a generated object does that replaces or merges with it.
    pub(crate) fn take_metadata_from(&mut self, other: &Resource) {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(&labels);

        let own = self.annotations();
        let theirs = other.annotations();
        let mut merged = theirs.clone();
        merged.extend(own.clone());
        for name in annotation::BUILD {
            match theirs.get(name) {
                Some(value) => merged.insert(name.to_owned(), value.clone()),
                None => merged.remove(name),
            };
        }
        if !own.contains_key(annotation::NEEDS_HASH) {
            merged.remove(annotation::NEEDS_HASH);
        }
        self.set_annotations(&merged);
        self.set_name(other.name());
        self.set_namespace(other.namespace());
        self.vars = other.vars.clone();
    }

    fn data_map(&self, field: &str) -> BTreeMap<String, String> {
        let Some(map) = self.node.get(field) else {
            return BTreeMap::new();
        };
        map.entries()
            .iter()
            .map(|e| {
                (
                    e.key.value_text().to_owned(),
                    e.value.value_text().to_owned(),
                )
            })
            .collect()
    }

    /// Adds the data of `other` that is not here.
    pub(crate) fn merge_data_from(&mut self, other: &Resource) {
        for field in ["data", "binaryData"] {
            let mut map = other.data_map(field);
            map.extend(self.data_map(field));
            self.node.remove(field);
            for (key, value) in map {
                let target = if field == "binaryData" {
                    "binaryData"
                } else {
                    "data"
                };
                if let Some(node) = self.node.get_or_create(target, Node::empty_map) {
                    let mut text = Node::tagged_scalar(value, Tag::Str);
                    if text.text().contains('\n') {
                        text.style = Style::Literal;
                    }
                    node.set(&key, Some(text));
                }
            }
        }
    }

    /// Takes out what was only there while rendering.
    pub(crate) fn remove_build_annotations(&mut self) {
        let mut annotations = self.annotations();
        if annotations.is_empty() {
            return;
        }
        for name in annotation::BUILD {
            annotations.remove(name);
        }
        self.set_annotations(&annotations);
    }

    /// Says where the object comes from. All annotations become strings.
    pub(crate) fn set_origin(&mut self, text: &str) {
        self.put_annotation(annotation::ORIGIN, text);
    }

    pub(crate) fn remove_annotation(&mut self, name: &str) {
        let mut annotations = self.annotations();
        annotations.remove(name);
        self.set_annotations(&annotations);
    }
}
