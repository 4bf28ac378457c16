//! Field diffs: what is there against what is wanted, without regard to meaningless order.

use serde_json::{Map, Value};

use crate::plan::FieldChange;
use crate::reference::{Reference, as_unknown};

/// Says of an unknown that was not resolved whether its value will change (its resource is made or renewed by this plan).
pub(crate) type Volatile<'a> = &'a dyn Fn(&Reference) -> bool;

/// Whether the wanted value holds already. An unknown whose resource stays as it is fits whatever is there.
pub(crate) fn same(wanted: &Value, found: &Value, volatile: Volatile<'_>) -> bool {
    if let Some(reference) = as_unknown(wanted) {
        return !volatile(&reference);
    }
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, value)| {
                    found
                        .get(key)
                        .is_some_and(|other| same(value, other, volatile))
                })
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len()
                && wanted
                    .iter()
                    .zip(found)
                    .all(|(value, other)| same(value, other, volatile))
        }
        _ => wanted == found,
    }
}

/// Differences of one field, as deep as they go.
pub(crate) fn fields(
    path: &str,
    found: Option<&Value>,
    wanted: Option<&Value>,
    volatile: Volatile<'_>,
    changes: &mut Vec<FieldChange>,
) {
    match (found, wanted) {
        (Some(found), Some(wanted)) if same(wanted, found, volatile) => {}
        (Some(Value::Object(found)), Some(Value::Object(wanted)))
            if as_unknown(&Value::Object(wanted.clone())).is_none() =>
        {
            let mut keys: Vec<&String> = found.keys().chain(wanted.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                fields(
                    &join(path, key),
                    found.get(key),
                    wanted.get(key),
                    volatile,
                    changes,
                );
            }
        }
        (Some(Value::Array(found)), Some(Value::Array(wanted))) if found.len() == wanted.len() => {
            for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                fields(
                    &format!("{path}[{index}]"),
                    Some(found),
                    Some(wanted),
                    volatile,
                    changes,
                );
            }
        }
        (None, None) => {}
        (found, wanted) => changes.push(FieldChange {
            path: path.to_owned(),
            before: found.cloned(),
            after: wanted.cloned(),
            forces_replacement: false,
        }),
    }
}

/// Differences of two lists whose order means nothing: what goes, then what comes.
pub(crate) fn sets(
    path: &str,
    found: &[Value],
    wanted: &[Value],
    volatile: Volatile<'_>,
    changes: &mut Vec<FieldChange>,
) {
    let mut left: Vec<(usize, &Value)> = found.iter().enumerate().collect();
    let mut new = Vec::new();
    for (index, value) in wanted.iter().enumerate() {
        match left
            .iter()
            .position(|(_, other)| same(value, other, volatile))
        {
            Some(at) => {
                left.remove(at);
            }
            None => new.push((index, value)),
        }
    }
    changes.extend(left.into_iter().map(|(index, value)| FieldChange {
        path: format!("{path}[{index}]"),
        before: Some(value.clone()),
        after: None,
        forces_replacement: false,
    }));
    changes.extend(new.into_iter().map(|(index, value)| FieldChange {
        path: format!("{path}[{index}]"),
        before: None,
        after: Some(value.clone()),
        forces_replacement: false,
    }));
}

/// A policy document in the form that two equal ones share: lists of one as their element, lists of scalars sorted
/// (IAM User Guide, "Grammar of the IAM JSON policy language": both spellings are allowed and order means nothing).
pub(crate) fn policy_form(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(policy_form).collect();
            if items.len() == 1 && as_unknown(&items[0]).is_none() {
                return items.remove(0);
            }
            if items.iter().all(Value::is_string) {
                items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            Value::Array(items)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (key.clone(), policy_form(value)))
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

/// `path` and `key` as a dotted path.
pub(crate) fn join(path: &str, key: &str) -> String {
    let key = if key.is_empty() || key.contains(['.', '[', ']']) {
        format!("[\"{key}\"]")
    } else {
        key.to_owned()
    };
    match (path.is_empty(), key.starts_with('[')) {
        (true, _) => key,
        (false, true) => format!("{path}{key}"),
        (false, false) => format!("{path}.{key}"),
    }
}
