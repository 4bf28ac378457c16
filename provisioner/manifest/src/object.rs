//! An object as the checks see it.

use serde_json::Value;

/// An object, and what it is called. What is missing is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub index: usize,
    pub api_version: &'a str,
    pub kind: &'a str,
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    pub value: &'a Value,
}

impl<'a> Object<'a> {
    pub(crate) fn new(index: usize, value: &'a Value) -> Self {
        let metadata = &value["metadata"];
        Self {
            index,
            api_version: text(value, "apiVersion").unwrap_or_default(),
            kind: text(value, "kind").unwrap_or_default(),
            namespace: text(metadata, "namespace"),
            name: text(metadata, "name").unwrap_or_default(),
            value,
        }
    }

    /// The API group; empty for the core.
    pub(crate) fn group(&self) -> &'a str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The version within the group.
    pub(crate) fn version(&self) -> &'a str {
        self.api_version
            .split_once('/')
            .map_or(self.api_version, |(_, version)| version)
    }

    /// The namespace it goes to, if it goes to one.
    pub(crate) fn home(&self) -> &'a str {
        self.namespace.unwrap_or("default")
    }
}

/// A field that holds text, other than an empty one.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str().filter(|text| !text.is_empty())
}

/// The elements of a field that holds a list.
pub(crate) fn list<'a>(
    value: &'a Value,
    field: &str,
) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
}

/// Whether a value exists only later.
pub(crate) fn is_late(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.len() == 1 && map.get("unknown").is_some_and(Value::is_string))
}
