//! Policy documents: as IAM gives them, and in one form for comparing.

use serde_json::Value;

/// A document as IAM gives it: percent-encoded JSON (RFC 3986). Text that is no JSON is kept as text, which differs from every document.
pub(crate) fn decode(text: &str) -> Value {
    let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    serde_json::from_str(&plain).unwrap_or_else(|_| Value::String(plain.into_owned()))
}

/// Elements in which one value and a list of one mean the same ("IAM JSON policy elements").
const LISTS: [&str; 6] = [
    "Statement",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Whether two documents mean the same: a single value is a list of one, and lists have no order.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    canonical(a, None) == canonical(b, None)
}

fn canonical(value: &Value, parent: Option<&str>) -> Value {
    match value {
        Value::Object(map) => {
            let inside = |key: &str| match parent {
                // Values of a principal and of a condition's keys are lists, too.
                Some("Principal" | "NotPrincipal") => true,
                Some(parent) if parent.starts_with("Condition/") => true,
                _ => LISTS.contains(&key) && key != "Condition",
            };
            let children = map.iter().map(|(key, item)| {
                let name = if parent == Some("Condition") {
                    format!("Condition/{key}")
                } else {
                    key.clone()
                };
                let item = canonical(item, Some(&name));
                let item = if inside(key) && !item.is_array() {
                    Value::Array(vec![item])
                } else {
                    item
                };
                (key.clone(), item)
            });
            Value::Object(children.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| canonical(item, parent)).collect();
            items.sort_by_key(planner::canonical::text);
            Value::Array(items)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_and_a_list_of_one_are_the_same() {
        let a = json!({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["b", "a"], "Principal": {"AWS": "x"},
            "Condition": {"StringEquals": {"aws:x": "1"}}}});
        let b = json!({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["a", "b"], "Principal": {"AWS": ["x"]},
            "Condition": {"StringEquals": {"aws:x": ["1"]}}}]});
        assert!(same(&a, &b));
        let c = json!({"Statement": [{"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["a", "b"]}]});
        assert!(!same(&a, &c));
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(
            decode("%7B%22Version%22%3A%20%222012-10-17%22%7D"),
            json!({"Version": "2012-10-17"})
        );
        assert_eq!(decode("nonsense"), json!("nonsense"));
    }
}
