//! JSON patches (RFC 6902), as the reference's library applies them: `replace` may name a missing key of a mapping,
//! indices may be negative, and a missing value compares equal to null.

use crate::budget;
use crate::decode::DecodeError;
use crate::error::{Error, Result};
use crate::json;
use crate::value::Value;
use crate::yaml::Node;

/// A patch: its operations in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPatch(Vec<Value>);

impl JsonPatch {
    /// Reads a patch: JSON when it starts with a bracket, else YAML.
    pub(crate) fn parse(text: &str) -> Result<JsonPatch> {
        if text.is_empty() {
            return Err(Error::invalid("empty json patch operations"));
        }
        let value = if text.starts_with('[') {
            json::parse(text).map_err(Error::invalid)?
        } else {
            crate::decode::document(text.as_bytes())
                .map_err(DecodeError::into_error)?
                .unwrap_or(Value::Null)
        };
        match value {
            Value::Null => Ok(JsonPatch(Vec::new())),
            Value::List(items) => {
                for item in &items {
                    if !matches!(item, Value::Map(_) | Value::Null) {
                        return Err(Error::invalid(format!(
                            "json: cannot unmarshal {} into Go value of type jsonpatch.Operation",
                            item.kind_name()
                        )));
                    }
                }
                Ok(JsonPatch(items))
            }
            other => Err(Error::invalid(format!(
                "json: cannot unmarshal {} into Go value of type jsonpatch.Patch",
                other.kind_name()
            ))),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies the patch to an object's tree.
    pub(crate) fn apply(&self, node: &mut Node) -> Result<()> {
        let mut document = crate::value::of_resource(node)?;
        for operation in &self.0 {
            apply(&mut document, operation)?;
        }
        if !matches!(document, Value::Map(_)) {
            return Err(Error::invalid(format!(
                "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                document.kind_name()
            )));
        }
        *node = crate::value::to_node(&document.floats());
        Ok(())
    }
}

fn text<'a>(operation: &'a Value, field: &str) -> Option<&'a str> {
    operation.get(field).and_then(Value::as_str)
}

fn apply(document: &mut Value, operation: &Value) -> Result<()> {
    let kind = text(operation, "op").unwrap_or("unknown");
    let value = operation.get("value");
    let path = || {
        text(operation, "path").ok_or_else(|| {
            Error::invalid(format!(
                "{kind} operation failed to decode path: missing value"
            ))
        })
    };
    let from = || {
        text(operation, "from").ok_or_else(|| {
            Error::invalid(format!(
                "{kind} operation failed to decode from: missing value"
            ))
        })
    };
    match kind {
        "add" => {
            let path = path()?;
            let value = value.unwrap_or(&Value::Null);
            count(value, path)?;
            add(document, path, value.clone())
        }
        "remove" => {
            let path = path()?;
            let (parent, key) = find(document, path)
                .ok_or_else(|| Error::invalid(format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")))?;
            take(parent, &key)
                .map_err(|e| e.context(format!("error in remove for path: '{path}'")))
                .map(drop)
        }
        "replace" => {
            let path = path()?;
            let value = value.unwrap_or(&Value::Null);
            count(value, path)?;
            replace(document, path, value.clone())
        }
        "move" => {
            let from = from()?;
            let (parent, key) = find(document, from).ok_or_else(|| {
                Error::invalid(format!(
                    "move operation does not apply: doc is missing from path: {from}: missing value"
                ))
            })?;
            let value = take(parent, &key)
                .map_err(|e| e.context(format!("error in move for path: '{key}'")))?;
            let path = path()?;
            count(&value, path)?;
            put(document, path, value, "move")
        }
        "copy" => {
            let from = from()?;
            let (parent, key) = find(document, from).ok_or_else(|| {
                Error::invalid(format!(
                    "copy operation does not apply: doc is missing from path: {from}: missing value"
                ))
            })?;
            let value = look(parent, &key)
                .map_err(|e| e.context(format!("error in copy for from: '{from}'")))?
                .unwrap_or(&Value::Null);
            let path = path()?;
            count(value, path)?;
            let value = value.clone();
            put(document, path, value, "copy")
        }
        "test" => test(document, path()?, value),
        other => Err(Error::invalid(format!("Unexpected kind: {other}"))),
    }
}

/// Counts a value that is put at `path`.
fn count(value: &Value, path: &str) -> Result<()> {
    budget::value(value, path.bytes().filter(|&b| b == b'/').count())
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<()> {
    let (parent, key) = find(document, path).ok_or_else(|| {
        Error::invalid(format!(
            "add operation does not apply: doc is missing path: \"{path}\": missing value"
        ))
    })?;
    insert(parent, &key, value).map_err(|e| e.context(format!("error in add for path: '{path}'")))
}

fn put(document: &mut Value, path: &str, value: Value, kind: &str) -> Result<()> {
    let (parent, key) = find(document, path)
        .ok_or_else(|| Error::invalid(format!("{kind} operation does not apply: doc is missing destination path: {path}: missing value")))?;
    insert(parent, &key, value)
        .map_err(|e| e.context(format!("error in {kind} for path: '{path}'")))
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<()> {
    if path.is_empty() {
        if !matches!(value, Value::Map(_) | Value::List(_)) {
            return Err(Error::invalid(
                "replace operation value must be object or array",
            ));
        }
        *document = value;
        return Ok(());
    }
    let (parent, key) = find(document, path).ok_or_else(|| {
        Error::invalid(format!(
            "replace operation does not apply: doc is missing path: {path}: missing value"
        ))
    })?;
    match parent {
        Value::Map(entries) => {
            set_key(entries, &key, value);
            Ok(())
        }
        Value::List(items) => {
            let at = index(items, &key).map_err(|_| {
                Error::invalid(format!(
                    "replace operation does not apply: doc is missing key: {path}: missing value"
                ))
            })?;
            items[at] = value;
            Ok(())
        }
        _ => Err(Error::invalid(format!(
            "replace operation does not apply: doc is missing path: {path}: missing value"
        ))),
    }
}

fn test(document: &mut Value, path: &str, value: Option<&Value>) -> Result<()> {
    let failed = || Error::invalid(format!("testing value {path} failed: test failed"));
    let expected = value.unwrap_or(&Value::Null);
    if path.is_empty() {
        return if equal(document, expected) {
            Ok(())
        } else {
            Err(failed())
        };
    }
    let (parent, key) = find(document, path).ok_or_else(|| {
        Error::invalid(format!(
            "test operation does not apply: is missing path: {path}: missing value"
        ))
    })?;
    let found =
        look(parent, &key).map_err(|e| e.context(format!("error in test for path: '{path}'")))?;
    if equal(found.unwrap_or(&Value::Null), expected) {
        Ok(())
    } else {
        Err(failed())
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Map(a), Value::Map(entries)) => {
            a.len() == entries.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => a.normalized_number() == b.normalized_number(),
    }
}

/// The collection a path leads into, and the last part of the path.
fn find<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let parts: Vec<String> = path
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let (key, way) = parts.split_last()?;
    let way = way.get(1..)?;
    let mut at = document;
    for part in way {
        at = match at {
            Value::Map(entries) => entries
                .iter_mut()
                .find(|(k, _)| k == part)
                .map(|(_, v)| v)?,
            Value::List(items) => {
                let at = index(items, part).ok()?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    matches!(at, Value::Map(_) | Value::List(_)).then(|| (at, key.clone()))
}

fn bad_index(index: i64) -> Error {
    Error::invalid(format!(
        "Unable to access invalid index: {index}: invalid index referenced"
    ))
}

fn parse_index(key: &str) -> Result<i64> {
    key.parse()
        .map_err(|_| Error::invalid(format!("strconv.Atoi: parsing \"{key}\": invalid syntax")))
}

/// The place of an existing element; negative indices count from the end.
fn index(items: &[Value], key: &str) -> Result<usize> {
    let index = parse_index(key)?;
    let size = items.len() as i64;
    if index >= size || index < -size {
        return Err(bad_index(index));
    }
    Ok(if index < 0 { index + size } else { index } as usize)
}

fn set_key(entries: &mut Vec<(String, Value)>, key: &str, value: Value) {
    match entries.iter_mut().find(|(k, _)| k == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key.to_owned(), value)),
    }
}

fn insert(parent: &mut Value, key: &str, value: Value) -> Result<()> {
    match parent {
        Value::Map(entries) => set_key(entries, key, value),
        Value::List(items) if key == "-" => items.push(value),
        Value::List(items) => {
            let index: i64 = key
                .parse()
                .map_err(|_| Error::invalid(format!("value was not a proper array index: '{key}': strconv.Atoi: parsing \"{key}\": invalid syntax")))?;
            let size = items.len() as i64 + 1;
            if index >= size || index < -size {
                return Err(bad_index(index));
            }
            items.insert(if index < 0 { index + size } else { index } as usize, value);
        }
        _ => {}
    }
    Ok(())
}

fn look<'v>(parent: &'v Value, key: &str) -> Result<Option<&'v Value>> {
    match parent {
        Value::List(items) => index(items, key).map(|at| items.get(at)),
        other => Ok(other.get(key)),
    }
}

fn take(parent: &mut Value, key: &str) -> Result<Value> {
    match parent {
        Value::Map(entries) => match entries.iter().position(|(k, _)| k == key) {
            Some(at) => Ok(entries.remove(at).1),
            None => Err(Error::invalid(format!(
                "Unable to remove nonexistent key: {key}: missing value"
            ))),
        },
        Value::List(items) => {
            let at = index(items, key)?;
            Ok(items.remove(at))
        }
        _ => Ok(Value::Null),
    }
}
