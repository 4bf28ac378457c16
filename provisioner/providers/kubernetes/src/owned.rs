//! The part of a live object that our field manager set: what an earlier apply declared.

use planner::identity::labels;
use serde_json::{Map, Value};

use crate::normal::text;

/// The object as far as its fields are ours (Kubernetes API, `ManagedFieldsEntry`), or `None` when it does not say.
pub(crate) fn applied(live: &Value) -> Option<Value> {
    let entry = live
        .pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .find(|entry| {
            text(entry, "/manager") == labels::FIELD_MANAGER
                && text(entry, "/operation") == "Apply"
                && text(entry, "/subresource").is_empty()
        })?;
    within(live, entry.get("fieldsV1")?)
}

/// `FieldsV1`: `f:NAME` is a field, `k:{…}` the item with these keys, `v:…` the item with this value, `.` the value itself. The depth is
/// that of a JSON document the client has read, so it is bounded.
fn within(live: &Value, fields: &Value) -> Option<Value> {
    let fields = fields.as_object()?;
    if fields.keys().all(|name| name == ".") {
        return match live {
            // Ours is that it is there, not what others put into it.
            Value::Object(_) if fields.contains_key(".") => Some(Value::Object(Map::new())),
            _ => Some(live.clone()),
        };
    }
    match live {
        Value::Object(live) => Some(Value::Object(
            fields
                .iter()
                .filter_map(|(name, inner)| {
                    let name = name.strip_prefix("f:")?;
                    Some((name.to_owned(), within(live.get(name)?, inner)?))
                })
                .collect(),
        )),
        Value::Array(live) => Some(
            fields
                .iter()
                .filter_map(|(name, inner)| within(item(live, name)?, inner))
                .collect(),
        ),
        _ => None,
    }
}

fn item<'a>(list: &'a [Value], name: &str) -> Option<&'a Value> {
    let (how, what) = name.split_once(':')?;
    let what: Value = serde_json::from_str(what).ok()?;
    match (how, &what) {
        ("k", Value::Object(keys)) => list
            .iter()
            .find(|item| keys.iter().all(|(key, value)| item.get(key) == Some(value))),
        ("v", value) => list.iter().find(|item| *item == value),
        ("i", Value::Number(index)) => list.get(usize::try_from(index.as_u64()?).ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_we_set_is_ours() {
        let live = json!({
            "metadata": {
                "labels": {"a.b/c": "1", "theirs": "2"}, "finalizers": ["ours", "theirs"],
                "managedFields": [
                    {"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {"f:theirs": {}}}},
                    {"manager": "rebuild", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:status": {}}},
                    {"manager": "rebuild", "operation": "Apply", "fieldsV1": {
                        "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}, "f:finalizers": {"v:\"ours\"": {}}},
                        "f:spec": {
                            "f:args": {}, "f:empty": {".": {}},
                            "f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:name": {}, "f:image": {}, "f:gone": {}}},
                            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}},
                        },
                    }},
                ],
            },
            "spec": {
                "args": ["x", "y"], "empty": {"theirs": 1}, "replicas": 3,
                "containers": [{"name": "sidecar"}, {"name": "api", "image": "i", "tty": false}],
                "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP"}],
            },
        });
        assert_eq!(
            applied(&live),
            Some(json!({
                "metadata": {"labels": {"a.b/c": "1"}, "finalizers": ["ours"]},
                "spec": {"args": ["x", "y"], "empty": {}, "containers": [{"name": "api", "image": "i"}], "ports": [{"port": 80}]},
            }))
        );
        assert_eq!(applied(&json!({"metadata": {}})), None);
    }
}
