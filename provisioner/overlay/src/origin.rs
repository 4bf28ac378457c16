//! Where objects come from and what changed them, for `buildMetadata`.

use std::collections::BTreeMap;

use crate::config::FieldSpec;
use crate::error::Result;
use crate::remote::RepositorySpec;
use crate::resmap::ResMap;
use crate::resource::{Resource, annotation};
use crate::transform::metadata;
use crate::tree::join;
use crate::value::Value;

/// An origin: of an object, a generator or a transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) path: String,
    /// What was cloned, of what comes from a repository.
    pub(crate) repository: String,
    pub(crate) reference: String,
    pub(crate) configured_in: String,
    pub(crate) configured_by: Option<ConfiguredBy>,
}

/// The configuration of a generator or transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfiguredBy {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// Joins relative paths; leading `..` stay.
fn join_relative(base: &str, path: &str) -> String {
    if base.starts_with('/') || (base.is_empty() && path.starts_with('/')) {
        return join(base, path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

impl Origin {
    /// The origin of something found at `path` from here.
    pub(crate) fn append(&self, path: &str) -> Origin {
        if let Some(spec) = RepositorySpec::parse(path) {
            return Origin {
                path: join_relative("", &spec.path),
                repository: spec.repository,
                reference: spec.reference.unwrap_or_default(),
                ..self.clone()
            };
        }
        Origin {
            path: join_relative(&self.path, path),
            ..self.clone()
        }
    }

    /// The origin of what a built-in generator or transformer does for the kustomization file `file` here.
    pub(crate) fn built_in(&self, kind: &str, file: &str) -> Origin {
        Origin {
            path: String::new(),
            configured_in: join_relative(&self.path, file),
            configured_by: Some(ConfiguredBy {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..ConfiguredBy::default()
            }),
            ..self.clone()
        }
    }

    /// The origin of what a configured generator or transformer does.
    pub(crate) fn of_plugin(plugin: &Resource) -> Option<Origin> {
        let text = plugin.annotation(annotation::ORIGIN)?;
        let value = crate::decode::document(text.as_bytes()).ok()??;
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Some(Origin {
            path: String::new(),
            repository: text("repo"),
            reference: text("ref"),
            configured_in: text("path"),
            configured_by: Some(ConfiguredBy {
                api_version: plugin.api_version().to_owned(),
                kind: plugin.kind().to_owned(),
                name: plugin.name().to_owned(),
                namespace: plugin.namespace().to_owned(),
            }),
        })
    }

    fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut put = |indent: &str, key: &str, value: &str| {
            if !value.is_empty() {
                out.push(format!("{indent}{key}: {value}"));
            }
        };
        put("", "path", &self.path);
        put("", "repo", &self.repository);
        put("", "ref", &scalar(&self.reference));
        put("", "configuredIn", &self.configured_in);
        if let Some(by) = &self.configured_by {
            put("", "configuredBy", " ");
            put("  ", "apiVersion", &by.api_version);
            put("  ", "kind", &by.kind);
            put("  ", "name", &by.name);
            put("  ", "namespace", &by.namespace);
        }
        out.into_iter()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// As an annotation holds it.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines();
        if lines.is_empty() {
            "{}\n".to_owned()
        } else {
            lines.join("\n") + "\n"
        }
    }

    fn item(&self) -> String {
        self.lines()
            .iter()
            .enumerate()
            .map(|(at, line)| format!("{}{line}\n", if at == 0 { "- " } else { "  " }))
            .collect()
    }
}

/// A text as YAML writes it: `1.0` is one only in quotes.
fn scalar(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    crate::yaml::emit::document(&Value::String(text.to_owned()), &mut out);
    out.trim_end().to_owned()
}

/// Records that a transformer ran over the objects.
pub(crate) fn record(resources: &mut [Resource], origin: &Origin) {
    for resource in resources {
        let mut annotations = resource.annotations();
        if annotations.contains_key(annotation::ORIGIN) {
            let list = annotations
                .entry(annotation::TRANSFORMATIONS.to_owned())
                .or_default();
            list.push_str(&origin.item());
        } else {
            annotations.insert(annotation::ORIGIN.to_owned(), origin.text());
        }
        resource.set_annotations(&annotations);
    }
}

/// Gives the objects of a file their origin. Other annotations stay as they were written.
pub(crate) fn mark_file(map: &mut ResMap, origin: &Origin) -> Result<()> {
    let entries = BTreeMap::from([(annotation::ORIGIN.to_owned(), origin.text())]);
    metadata::apply(
        map,
        &entries,
        &[FieldSpec::new("metadata/annotations", true)],
    )
}

/// Gives objects an origin that have none.
pub(crate) fn mark(resource: &mut Resource, origin: &Origin) {
    if resource.annotation(annotation::ORIGIN).is_none() {
        let mut annotations = resource.annotations();
        annotations.insert(annotation::ORIGIN.to_owned(), origin.text());
        resource.set_annotations(&annotations);
    }
}
